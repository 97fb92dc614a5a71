"""The `[experiments.NAME]` tables of a policy file as the experiments they amount to."""

from collections.abc import Callable, Iterator
from typing import Any

from core.classifier.taxonomy import Cause
from core.retry.experiments import HOLDOUT, Arm, ArmChanges, Experiment
from core.retry.policy_schema import ArmTable, ExperimentTable, PolicyTable, PolicyText
from core.retry.toml_lines import KeyPath

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
