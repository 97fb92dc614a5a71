"""Experiments: which customers are treated how, by a hash that anybody can compute again."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from core.base import Value
from core.classification.taxonomy import Cause
from core.policy.schema import ArmTable, ExperimentTable, KeyPath, PolicyTable, PolicyText

HOLDOUT: Final = "holdout"
"""The arm that is measured and treated as if there were no experiment."""
BUCKET_COUNT: Final = 10_000


class ArmChanges(Value):
    """What an arm does differently; None and empty: as the segment says."""

    attempts_allowed: int | None = None
    window_days: int | None = None
    campaign: str | None = None
    strategies: Mapping[Cause, str] = {}


class Arm(ArmChanges):
    """One way to treat customers, for every segment and for single ones."""

    name: str
    share: int
    """Percent of customers."""
    segments: Mapping[str, ArmChanges] = {}


class Experiment(Value):
    """Arms and their shares; whoever is in none is not part of it."""

    name: str
    holdout: int = 0
    """Percent of customers."""
    arms: tuple[Arm, ...]

    def arm_named(self, name: str) -> Arm | None:
        """That arm; None for the holdout and for one that is gone."""
        return next((one for one in self.arms if one.name == name), None)


class Assignment(Value):
    """The arm that a recovery is in, from its first decision to its end."""

    experiment: str
    arm: str


def assign_arm(experiments: Sequence[Experiment], key: str) -> Assignment | None:
    """The first experiment that this customer is part of, and the arm. Integers only; same key, same answer."""
    for experiment in experiments:
        if arm := _arm_in_bucket(experiment, bucket_of(experiment.name, key)):
            return Assignment(experiment=experiment.name, arm=arm)
    return None


def bucket_of(experiment: str, key: str) -> int:
    """0 to 9,999, the same for ever; another experiment deals the same customers anew."""
    digest = hashlib.sha256(f"{experiment}\n{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKET_COUNT


def _arm_in_bucket(experiment: Experiment, place: int) -> str | None:
    """The holdout comes first, so that a change of the other shares moves nobody out of it."""
    begins = 0
    for name, share in ((HOLDOUT, experiment.holdout), *((arm.name, arm.share) for arm in experiment.arms)):
        begins += share * (BUCKET_COUNT // 100)
        if place < begins:
            return name
    return None


StrategyCheck = Callable[[KeyPath, Cause, str], None]
"""Raises InvalidPolicy where a cause can't have that strategy."""


def parse_experiments(file: PolicyText, table: PolicyTable, usable: StrategyCheck) -> Iterator[Experiment]:
    """The experiments in their order. Raises InvalidPolicy naming key and line."""
    for name, one in table.experiments.items():
        path = ("experiments", name)
        _check_shares(file, path, one)
        arms = tuple(_parse_arm(file, (*path, "arms", arm), table, one.arms[arm], usable) for arm in one.arms)
        yield Experiment(name=name, holdout=one.holdout, arms=arms)


def _check_shares(file: PolicyText, path: KeyPath, one: ExperimentTable) -> None:
    total = one.holdout + sum(arm.share for arm in one.arms.values())
    if total > 100:
        raise file.error_at(path, f"holdout and shares come to {total} percent")
    if HOLDOUT in one.arms:
        raise file.error_at((*path, "arms", HOLDOUT), "an arm can't have that name; write `holdout = PERCENT` instead")


def _parse_arm(file: PolicyText, path: KeyPath, table: PolicyTable, one: ArmTable, usable: StrategyCheck) -> Arm:
    known = {segment.name for segment in table.segments}
    for name in one.segments:
        if name not in known:
            raise file.error_at((*path, "segments", name), f"there is no segment {name!r}")
    for inner, changes in ((path, one), *(((*path, "segments", name), one.segments[name]) for name in one.segments)):
        for cause, chosen in changes.strategies.items():
            usable((*inner, "strategies", cause.value), cause, chosen)
    segments: dict[str, Any] = {name: ArmChanges(**changes.model_dump()) for name, changes in one.segments.items()}
    return Arm(name=str(path[-1]), segments=segments, **one.model_dump(exclude={"segments"}))
