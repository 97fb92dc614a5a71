"""Experiments: customers are assigned to arms by a hash, so that an assignment can be computed again."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from core.base import Value
from core.classification.taxonomy import Cause
from core.policy.schema import ArmTable, ExperimentTable, PolicyTable, PolicyText
from core.toml_text import KeyPath

HOLDOUT: Final = "holdout"
"""The arm that is measured but treated as if there were no experiment."""
BUCKET_COUNT: Final = 10_000
"""Buckets into which an experiment's customers are hashed; a percent is 100 of them."""


class ArmChanges(Value):
    """Settings that an arm changes; None or empty: as the segment has them."""

    attempts_allowed: int | None = None
    window_days: int | None = None
    campaign: str | None = None
    strategies: Mapping[Cause, str] = {}


class Arm(ArmChanges):
    """One alternative of an experiment: changes for every segment, and for single segments."""

    name: str
    share: int
    """Percent of customers."""
    segments: Mapping[str, ArmChanges] = {}


class Experiment(Value):
    """Arms and their shares; the rest of the customers is not part of the experiment."""

    name: str
    holdout: int = 0
    """Percent of customers."""
    arms: tuple[Arm, ...]

    def arm_named(self, name: str) -> Arm | None:
        """The arm of this name; None for the holdout, and for an arm that the policy no longer has."""
        return next((one for one in self.arms if one.name == name), None)


class Assignment(Value):
    """The arm that a recovery is in, from its first decision to its end."""

    experiment: str
    arm: str


def assign_arm(experiments: Sequence[Experiment], key: str) -> Assignment | None:
    """The first experiment that the customer with this key is part of, and the arm; None if in none. Deterministic."""
    for experiment in experiments:
        if arm := _arm_in_bucket(experiment, bucket_of(experiment.name, key)):
            return Assignment(experiment=experiment.name, arm=arm)
    return None


def bucket_of(experiment: str, key: str) -> int:
    """The customer's bucket, 0 to 9,999. It never changes; each experiment's name distributes customers anew."""
    # 64 bits of a hash modulo 10,000: the remainder's bias is below 1e-15.
    digest = hashlib.sha256(f"{experiment}\n{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKET_COUNT


def _arm_in_bucket(experiment: Experiment, place: int) -> str | None:
    """The arm that a bucket belongs to: consecutive buckets, the holdout's first."""
    # The holdout comes first, so that changing the arms' shares moves no customer out of it.
    begins = 0
    for name, share in ((HOLDOUT, experiment.holdout), *((arm.name, arm.share) for arm in experiment.arms)):
        begins += share * (BUCKET_COUNT // 100)
        if place < begins:
            return name
    return None


StrategyCheck = Callable[[KeyPath, Cause, str], None]
"""Raises InvalidPolicy if failures of a cause can't have that strategy."""


def parse_experiments(file: PolicyText, table: PolicyTable, usable: StrategyCheck) -> Iterator[Experiment]:
    """The experiments in their order. Raises InvalidPolicy naming key and line."""
    known = frozenset(segment.name for segment in table.segments)
    for name, one in table.experiments.items():
        path = ("experiments", name)
        _check_shares(file, path, one)
        arms = tuple(_parse_arm(file, (*path, "arms", arm), known, one.arms[arm], usable) for arm in one.arms)
        yield Experiment(name=name, holdout=one.holdout, arms=arms)


def _check_shares(file: PolicyText, path: KeyPath, one: ExperimentTable) -> None:
    total = one.holdout + sum(arm.share for arm in one.arms.values())
    if total > 100:
        raise file.error_at(path, f"holdout and shares come to {total} percent")
    if HOLDOUT in one.arms:
        raise file.error_at((*path, "arms", HOLDOUT), "an arm can't have that name; write `holdout = PERCENT` instead")


def _parse_arm(file: PolicyText, path: KeyPath, known: frozenset[str], one: ArmTable, usable: StrategyCheck) -> Arm:
    for name in one.segments:
        if name not in known:
            raise file.error_at((*path, "segments", name), f"there is no segment {name!r}")
    for inner, changes in ((path, one), *(((*path, "segments", name), one.segments[name]) for name in one.segments)):
        for cause, chosen in changes.strategies.items():
            usable((*inner, "strategies", cause.value), cause, chosen)
    segments: dict[str, Any] = {name: ArmChanges(**changes.model_dump()) for name, changes in one.segments.items()}
    return Arm(name=str(path[-1]), segments=segments, **one.model_dump(exclude={"segments"}))
