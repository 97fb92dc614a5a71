"""Records the inputs of a plan in its row, so that the plan can be derived again from the row alone.

Integers and text only, since the row is hashed. A strategy's settings are kept as JSON text, because a plug-in's may
hold values that a row can't.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from core.classification.taxonomy import Cause
from core.durations import TimeScale
from core.events import format_timestamp, parse_timestamp
from core.policy.policy import Policy, SegmentPolicy, StrategyFactory, StrategySpec
from core.strategies.base import Need, Situation

_DERIVED: Final = {"earliest_seconds", "window_seconds"}
"""Fields that the planner computes itself, so they are not recorded."""
_RECORDED_POLICY: Final = "recorded"


class PlannerInputs(NamedTuple):
    """The arguments of `planner.plan_next_retry`, except the installed strategies."""

    situation: Situation
    policy: Policy
    window_ends_at: datetime
    time_scale: TimeScale


def dump_planner_inputs(given: PlannerInputs) -> dict[str, Any]:
    """The inputs as the JSON object `inputs` of a row: integers, text and null."""
    situation, policy = given.situation, given.policy
    spec = policy.strategy_for(situation.segment, situation.cause)
    return {
        "situation": _dump_situation(situation),
        "window_ends_at": format_timestamp(given.window_ends_at),
        "time_scale": given.time_scale.factor,
        "attempts_allowed": policy.segment_named(situation.segment).attempts_allowed,
        "cool_down_seconds": policy.cool_down_seconds.get(situation.cause, 0),
        "strategy": dict(spec.recorded_form) if spec else None,
        "fallback": dict(policy.fallback.recorded_form),
    }


def _dump_situation(situation: Situation) -> dict[str, Any]:
    known = situation.experience
    plain = situation.model_copy(update={"experience": None}) if known else situation
    dumped = plain.model_dump(mode="json", exclude_none=True)
    for name in _DERIVED:
        dumped.pop(name, None)
    # Hundreds of counts that many decisions share.
    return {**dumped, "experience": known.recorded_form} if known else dumped


def parse_planner_inputs(data: Mapping[str, Any], policy_version: str) -> PlannerInputs:
    """The inputs from a row, with a policy that holds what that version said of this case only.

    Raises ValueError or KeyError when `data` holds no recorded inputs.
    """
    situation, ends = Situation.model_validate(data["situation"]), parse_timestamp(data["window_ends_at"])
    if ends is None:
        raise ValueError("the end of the window is missing")
    spec = _parse_strategy(data["strategy"]) if data.get("strategy") else None
    policy = Policy(
        name=_RECORDED_POLICY,
        version=policy_version,
        segments=(_recorded_segment(situation, spec, data["attempts_allowed"]),),
        strategies={spec.name: spec} if spec else {},
        fallback=_parse_strategy(data["fallback"]),
        cool_down_seconds={situation.cause: data["cool_down_seconds"]},
        overrides={},
    )
    return PlannerInputs(situation, policy, ends, TimeScale(factor=data["time_scale"]))


def _recorded_segment(situation: Situation, spec: StrategySpec | None, allowed: int) -> SegmentPolicy:
    """A segment with the recorded limits; the plan reads no other field."""
    return SegmentPolicy(
        name=situation.segment,
        attempts_allowed=allowed,
        window_days=1,
        customer_deadline_days=1,
        review_deadline_days=1,
        strategies={situation.cause: spec.name} if spec else {},
    )


def _parse_strategy(data: Mapping[str, str]) -> StrategySpec:
    return StrategySpec(name=data["name"], use=data["use"], options=json.loads(data["options"]))


NO_LOOKUPS: frozenset[Need] = frozenset()


def required_lookups(
    policy: Policy, strategies: Mapping[str, StrategyFactory], segment: str, cause: Cause
) -> frozenset[Need]:
    """The lookups that the strategy for these failures needs; empty if it isn't installed or declares none validly."""
    spec = policy.strategy_for(segment, cause)
    said = getattr(strategies.get(spec.use), "needs", NO_LOOKUPS) if spec else NO_LOOKUPS
    if not said or not isinstance(said, (set, frozenset, tuple, list)):
        return NO_LOOKUPS
    return frozenset(one for one in Need if one in said)
