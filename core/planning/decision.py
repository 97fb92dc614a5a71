"""The planning stage: whether and when a failed payment is charged again, and what is waited for otherwise."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from core.classification.taxonomy import Category, Chargeability, NextAction
from core.events import Event, EventType, format_timestamp
from core.fraud.assessment import FraudLevel
from core.planning.decision_input import ArmConfig, DecisionInput
from core.planning.decision_rows import (
    RowDraft,
    assessment_row,
    classification_row,
    initial_window_end,
    segmentation_row,
)
from core.planning.planner import Exhausted, ExhaustionReason, plan_next_retry
from core.planning.planner_inputs import PlannerInputs, dump_planner_inputs
from core.policy.policy import SegmentPolicy
from core.recovery.chargeability import ABILITY_SENTENCES, assess_ability
from core.recovery.state import customer_location
from core.strategies.base import Situation

_NO_DATA: Final[Mapping[str, Any]] = MappingProxyType({})


def build_decision_rows(decision_input: DecisionInput, config: ArmConfig) -> tuple[Event, ...]:
    """The rows classified, segmented (once), assessed and planned or skipped, before the card networks' limits."""
    segment_policy = config.policy.segment_named(decision_input.segment.name)
    first = decision_input.recovery.segment is None
    rows = (
        classification_row(decision_input),
        *((segmentation_row(decision_input, segment_policy, config),) if first else ()),
        assessment_row(decision_input),
        _next_row(decision_input, segment_policy, config),
    )
    made_by = {"policy_version": config.policy.version} | (config.assignment.model_dump() if config.assignment else {})
    at, attempt = decision_input.now, decision_input.recovery.attempt or None
    return tuple([Event(type=kind, occurred_at=at, attempt=attempt, data={**data, **made_by}) for kind, data in rows])


def _next_row(decision_input: DecisionInput, segment_policy: SegmentPolicy, config: ArmConfig) -> RowDraft:
    recovery, cause = decision_input.recovery, decision_input.classification.cause
    if decision_input.assessment.level is FraudLevel.BLOCK:
        return _skipped_row("stop", "fraud", "; ".join(decision_input.assessment.reasons), config)
    if cause.next_action is NextAction.STOP:
        return _skipped_row("stop", "stop_instruction", "the cardholder stopped these payments", config)
    if (
        recovery.fraud_hold
        or decision_input.assessment.level is FraudLevel.REVIEW
        or cause.next_action is NextAction.REVIEW
    ):
        why = "; ".join(decision_input.assessment.reasons) or "held for review before"
        return _skipped_row("review", "fraud", why, config, **_deadline_data(decision_input, segment_policy, config))
    if cause.next_action in _WAITING_SENTENCES:
        if at := _fallback_time(decision_input, segment_policy, config):
            why = "the new method was refused; the schedule goes on with the one before"
            refused = {"refused_method": recovery.method_in_use}
            return _planned_row(decision_input, at, config, segment_policy, why, refused)
        return _skipped_row(
            cause.next_action.value,
            cause.value.lower(),
            _WAITING_SENTENCES[cause.next_action],
            config,
            **_deadline_data(
                decision_input, segment_policy, config, reviewed=cause.next_action is NextAction.TELL_OPERATORS
            ),
        )
    able = assess_ability(recovery, decision_input.facts)
    if able is not Chargeability.CHARGEABLE:
        deadlines = _deadline_data(decision_input, segment_policy, config, reviewed=False)
        return _skipped_row(NextAction.WAIT_FOR_METHOD.value, able.value, ABILITY_SENTENCES[able], config, **deadlines)
    return _plan_row(decision_input, segment_policy, config)


_WAITING_SENTENCES: Final[Mapping[NextAction, str]] = {
    NextAction.ASK_CUSTOMER: "only the customer can mend this: they get a link",
    NextAction.WAIT_FOR_METHOD: "this card will never work again: we wait for another payment method",
    NextAction.TELL_OPERATORS: "the merchant's own set-up must be mended: an operator looks at it",
}


def _fallback_time(decision_input: DecisionInput, segment_policy: SegmentPolicy, config: ArmConfig) -> datetime | None:
    """When the schedule goes on with the earlier method, after a new one was tried and refused; else None."""
    recovery, footing, at = (
        decision_input.recovery,
        decision_input.recovery.footing,
        decision_input.recovery.next_attempt_at,
    )
    tried_another = footing is not None and footing.method != recovery.method_in_use
    if not tried_another or footing is None or footing.category is Category.HARD_DECLINE or at is None:
        return None
    at = max(at, _earliest_time(decision_input, config) + timedelta(seconds=1))
    fits = (
        at <= _window_end(decision_input, segment_policy, config)
        and recovery.attempts_used < segment_policy.attempts_allowed
    )
    return at if fits else None


def _plan_row(decision_input: DecisionInput, segment_policy: SegmentPolicy, config: ArmConfig) -> RowDraft:
    if kept := _kept_time(decision_input, segment_policy, config):
        return _planned_row(
            decision_input, kept, config, segment_policy, "the attempt out of turn does not move the schedule"
        )
    inputs = PlannerInputs(
        build_situation(decision_input),
        config.policy,
        _window_end(decision_input, segment_policy, config),
        config.time_scale,
    )
    found = plan_next_retry(
        inputs.situation, config.policy, config.strategies, inputs.window_ends_at, config.time_scale
    )
    if isinstance(found, Exhausted):
        return _give_up_row(decision_input, found, inputs, config, segment_policy)
    data = {
        "delay_seconds": found.delay_seconds,
        "strategy": found.strategy,
        "policy_version": found.policy_version,
        "why": found.why,
        "rejected": list(found.rejected),
        "at": format_timestamp(found.at),
    }
    checkable = _budget_data(decision_input, segment_policy) | {"inputs": dump_planner_inputs(inputs)}
    return EventType.RETRY_PLANNED, data | checkable


def _give_up_row(
    decision_input: DecisionInput,
    found: Exhausted,
    inputs: PlannerInputs,
    config: ArmConfig,
    segment_policy: SegmentPolicy,
) -> RowDraft:
    """`retry.skipped` after the last scheduled retry: the recovery waits for the customer or a new method."""
    more = {"strategy": found.strategy, "rejected": list(found.rejected), "inputs": dump_planner_inputs(inputs)}
    waits = found.reason is ExhaustionReason.NEW_METHOD
    until = (
        _deadline_data(decision_input, segment_policy, config, reviewed=False)
        if waits
        else {"until": format_timestamp(inputs.window_ends_at)}
    )
    action = NextAction.WAIT_FOR_METHOD.value if waits else "give_up"
    return _skipped_row(action, found.reason.value, found.why, config, **more, **until)


def _kept_time(decision_input: DecisionInput, segment_policy: SegmentPolicy, config: ArmConfig) -> datetime | None:
    """The scheduled time that stays after an unscheduled attempt; None if a longer wait or no retry is due."""
    recovery, cause = decision_input.recovery, decision_input.classification.cause
    at = recovery.next_attempt_at
    if (
        at is None
        or recovery.attempts_used >= segment_policy.attempts_allowed
        or not config.policy.strategy_for(segment_policy.name, cause)
    ):
        return None
    ends = _window_end(decision_input, segment_policy, config)
    return at if _earliest_time(decision_input, config) < at <= ends else None


def _earliest_time(decision_input: DecisionInput, config: ArmConfig) -> datetime:
    """When requested wait and cool-down of the newest failure are over (UTC); not before `now`."""
    asked = timedelta(seconds=decision_input.classification.wait_seconds or 0)
    cool_down = timedelta(seconds=config.policy.cool_down_seconds.get(decision_input.classification.cause, 0))
    since = decision_input.recovery.failed_at or decision_input.now
    return max(decision_input.now, since + max(asked, config.time_scale.shorten(cool_down)))


def _planned_row(
    decision_input: DecisionInput,
    at: datetime,
    config: ArmConfig,
    segment_policy: SegmentPolicy,
    why: str,
    more: Mapping[str, Any] = _NO_DATA,
) -> RowDraft:
    recovery = decision_input.recovery
    data = {
        "at": format_timestamp(at),
        "delay_seconds": int((at - (recovery.failed_at or decision_input.now)).total_seconds())
        * config.time_scale.factor,
        "strategy": recovery.strategy,
        "policy_version": config.policy.version,
        "why": why,
        "rejected": [],
        "inputs": {
            "kept_at": format_timestamp(at),
            "earliest": format_timestamp(_earliest_time(decision_input, config)),
            "window_ends_at": format_timestamp(_window_end(decision_input, segment_policy, config)),
        },
    }
    return EventType.RETRY_PLANNED, data | _budget_data(decision_input, segment_policy) | dict(more)


def _budget_data(decision_input: DecisionInput, segment_policy: SegmentPolicy) -> dict[str, Any]:
    return {"retry": decision_input.recovery.attempts_used + 1, "attempts_allowed": segment_policy.attempts_allowed}


def build_situation(decision_input: DecisionInput) -> Situation:
    """What a strategy is asked with, before the window and the earliest time bound it."""
    recovery, facts = decision_input.recovery, decision_input.facts
    country, time_zone = customer_location(recovery, facts)
    return Situation(
        provider=recovery.provider,
        invoice_id=recovery.invoice_id,
        attempt=recovery.attempts_used + 1,
        cause=decision_input.classification.cause,
        segment=decision_input.segment.name,
        amount=facts.invoice.amount_due or recovery.amount,
        currency=facts.invoice.currency or recovery.currency,
        failed_at=recovery.failed_at or decision_input.now,
        now=decision_input.now,
        country=country,
        time_zone=time_zone,
        asked_wait_seconds=decision_input.classification.wait_seconds,
        calendar=decision_input.calendar,
        experience=decision_input.experience,
    )


def _window_end(decision_input: DecisionInput, segment_policy: SegmentPolicy, config: ArmConfig) -> datetime:
    recovery = decision_input.recovery
    if recovery.window_ends_at:
        return recovery.window_ends_at + recovery.clock_stopped_for(decision_input.now)
    return initial_window_end(decision_input, segment_policy, config.time_scale)


def _deadline_data(
    decision_input: DecisionInput, segment_policy: SegmentPolicy, config: ArmConfig, reviewed: bool = True
) -> dict[str, Any]:
    """Deadlines as text (UTC): `until` of the review or the customer, `customer_until` of the customer."""
    review = decision_input.now + config.time_scale.shorten(timedelta(days=segment_policy.review_deadline_days))
    begins = review if reviewed else decision_input.now
    customer = begins + config.time_scale.shorten(timedelta(days=segment_policy.customer_deadline_days))
    return {"until": format_timestamp(review if reviewed else customer), "customer_until": format_timestamp(customer)}


def _skipped_row(action: str, reason: str, why: str, config: ArmConfig, **more: Any) -> RowDraft:
    data = {"action": action, "reason": reason, "why": why, "policy_version": config.policy.version} | more
    return EventType.RETRY_SKIPPED, data
