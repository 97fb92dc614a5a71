"""One decision about one failure, as the rows that explain it: classified, segmented, assessed, planned."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from core.base import Value
from core.classifier.taxonomy import Category, Chargeability, Classification, NextAction
from core.events import Event, EventType, format_timestamp
from core.fraud.assess import FraudAssessment, FraudLevel
from core.payments import FailureFacts
from core.retry.ability import ABILITY_SENTENCES, assess_ability
from core.retry.arms import apply_arm, find_assignment
from core.retry.inputs import PlannerInputs, dump_planner_inputs
from core.retry.pace import TimeScale
from core.retry.planner import Exhausted, ExhaustionReason, plan_next_retry
from core.retry.policy import Policy, SegmentPolicy, StrategyFactory
from core.retry.recovery import Recovery
from core.retry.strategies.base import Situation
from core.retry.strategies.calendar import Calendar
from core.retry.strategies.experience import Experience
from core.retry.whereabouts import customer_location
from core.segmentation.segment import CustomerProfile, Segment

RowDraft = tuple[EventType, Mapping[str, Any]]
"""What is to be written, before it gets time and number."""


_NO_DATA: Final[Mapping[str, Any]] = MappingProxyType({})


class DecisionInput(Value):
    """What is known when it is decided what comes next."""

    recovery: Recovery
    facts: FailureFacts
    classification: Classification
    segment: Segment
    assessment: FraudAssessment
    now: datetime
    calendar: Calendar | None = None
    """The customer's days, where the strategy needs them."""
    experience: Experience | None = None
    """What such retries came to, where the strategy needs it."""


class DecisionConfig(Value):
    """What it is decided with."""

    policy: Policy
    strategies: Mapping[str, StrategyFactory]
    time_scale: TimeScale = TimeScale()


def decide_on_failure(decision_input: DecisionInput, config: DecisionConfig) -> tuple[Event, ...]:
    """All rows of the decision, in their order. Same findings and means, same rows."""
    assignment = find_assignment(config.policy, decision_input.recovery, decision_input.facts)
    config = config.model_copy(update={"policy": apply_arm(config.policy, assignment)}) if assignment else config
    limits = config.policy.segment_named(decision_input.segment.name)
    first = decision_input.recovery.segment is None
    rows = (
        _classification_row(decision_input),
        *((_segmentation_row(decision_input, limits, config),) if first else ()),
        _assessment_row(decision_input),
        _next_row(decision_input, limits, config),
    )
    made_by = {"policy_version": config.policy.version} | (assignment.model_dump() if assignment else {})
    at, attempt = decision_input.now, decision_input.recovery.attempt or None
    return tuple(Event(type=kind, occurred_at=at, attempt=attempt, data={**data, **made_by}) for kind, data in rows)


def _classification_row(decision_input: DecisionInput) -> RowDraft:
    found, failure = decision_input.classification, decision_input.facts.failure
    data = {
        "category": found.category.value,
        "cause": found.cause.value,
        "code": found.code,
        "source": found.source,
        "decided_by": found.decided_by,
        "wait_seconds": found.wait_seconds,
        "failure": failure.model_dump(mode="json", exclude_none=True),
        "card": decision_input.facts.card.model_dump(mode="json", exclude_none=True),
        "missing": list(decision_input.facts.missing),
    }
    able, defaults = (
        assess_ability(decision_input.recovery, decision_input.facts),
        decision_input.facts.invoice.default_methods,
    )
    more = {"ability": able.value if able is not Chargeability.CHARGEABLE else None, "default_methods": list(defaults)}
    return EventType.FAILURE_CLASSIFIED, data | {key: value for key, value in more.items() if value}


def _segmentation_row(decision_input: DecisionInput, limits: SegmentPolicy, config: DecisionConfig) -> RowDraft:
    segment, customer = decision_input.segment, decision_input.facts.customer
    data = {
        "segment": segment.name,
        "rule": segment.rule,
        "why": segment.why,
        "profile": _profile_data(segment.profile),
        "campaign": limits.campaign,
        "attempts_allowed": limits.attempts_allowed,
        "window_ends_at": format_timestamp(_initial_window_end(decision_input, limits, config.time_scale)),
        "customer_id": customer.customer_id if customer else decision_input.facts.invoice.customer_id,
        "policy_version": config.policy.version,
    } | ({"important": True} if limits.important else {})
    return EventType.CUSTOMER_SEGMENTED, data


def _assessment_row(decision_input: DecisionInput) -> RowDraft:
    risk, assessment = decision_input.facts.risk, decision_input.assessment
    data = {
        "level": assessment.level.value,
        "score": assessment.score,
        "reasons": list(assessment.reasons),
        "radar_level": risk.level,
        "radar_score": risk.score,
        "early_warning": risk.early_warning,
        "disputed": risk.disputed,
        "signals": assessment.signals.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
        "countries": _country_data(decision_input.facts),
        "cause": decision_input.classification.cause.value,
        "decided_by": decision_input.classification.decided_by,
    }
    return EventType.FRAUD_ASSESSED, data


def _country_data(facts: FailureFacts) -> dict[str, str | None]:
    return {"customer": facts.customer.country if facts.customer else None, "card": facts.card.country}


def _profile_data(profile: CustomerProfile | None) -> dict[str, Any] | None:
    """What the segment was decided from, without what isn't known."""
    return profile.model_dump(mode="json", exclude_none=True) if profile else None


def _next_row(decision_input: DecisionInput, limits: SegmentPolicy, config: DecisionConfig) -> RowDraft:
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
        return _skipped_row("review", "fraud", why, config, **_deadline_data(decision_input, limits, config))
    if cause.next_action in _WAITING_SENTENCES:
        if at := _fallback_time(decision_input, limits, config):
            why = "the new method was refused; the schedule goes on with the one before"
            refused = {"refused_method": recovery.method_in_use}
            return _planned_row(decision_input, at, config, limits, why, refused)
        return _skipped_row(
            cause.next_action.value,
            cause.value.lower(),
            _WAITING_SENTENCES[cause.next_action],
            config,
            **_deadline_data(decision_input, limits, config, reviewed=cause.next_action is NextAction.TELL_OPERATORS),
        )
    able = assess_ability(recovery, decision_input.facts)
    if able is not Chargeability.CHARGEABLE:
        deadlines = _deadline_data(decision_input, limits, config, reviewed=False)
        return _skipped_row(NextAction.WAIT_FOR_METHOD.value, able.value, ABILITY_SENTENCES[able], config, **deadlines)
    return _plan_row(decision_input, limits, config)


_WAITING_SENTENCES: Final[Mapping[NextAction, str]] = {
    NextAction.ASK_CUSTOMER: "only the customer can mend this: they get a link",
    NextAction.WAIT_FOR_METHOD: "this card will never work again: we wait for another payment method",
    NextAction.TELL_OPERATORS: "the merchant's own set-up must be mended: an operator looks at it",
}


def _fallback_time(decision_input: DecisionInput, limits: SegmentPolicy, config: DecisionConfig) -> datetime | None:
    """When the method before has its turn, where a new one was tried out of turn and is of no use itself."""
    recovery, footing, at = (
        decision_input.recovery,
        decision_input.recovery.footing,
        decision_input.recovery.next_attempt_at,
    )
    tried_another = footing is not None and footing.method != recovery.method_in_use
    if not tried_another or footing is None or footing.category is Category.HARD_DECLINE or at is None:
        return None
    at = max(at, _earliest_time(decision_input, config) + timedelta(seconds=1))
    fits = at <= _window_end(decision_input, limits, config) and recovery.attempts_used < limits.attempts_allowed
    return at if fits else None


def _plan_row(decision_input: DecisionInput, limits: SegmentPolicy, config: DecisionConfig) -> RowDraft:
    if kept := _kept_time(decision_input, limits, config):
        return _planned_row(decision_input, kept, config, limits, "the attempt out of turn does not move the schedule")
    inputs = PlannerInputs(
        _build_situation(decision_input), config.policy, _window_end(decision_input, limits, config), config.time_scale
    )
    found = plan_next_retry(
        inputs.situation, config.policy, config.strategies, inputs.window_ends_at, config.time_scale
    )
    if isinstance(found, Exhausted):
        return _give_up_row(decision_input, found, inputs, config, limits)
    data = found.model_dump(exclude={"at"}) | {"at": format_timestamp(found.at), "rejected": list(found.rejected)}
    checkable = _budget_data(decision_input, limits) | {"inputs": dump_planner_inputs(inputs)}
    return EventType.RETRY_PLANNED, data | checkable


def _give_up_row(
    decision_input: DecisionInput,
    found: Exhausted,
    inputs: PlannerInputs,
    config: DecisionConfig,
    limits: SegmentPolicy,
) -> RowDraft:
    """No further retry by itself: from now on the window waits for the customer, or for another method."""
    more = {"strategy": found.strategy, "rejected": list(found.rejected), "inputs": dump_planner_inputs(inputs)}
    waits = found.reason is ExhaustionReason.NEW_METHOD
    until = (
        _deadline_data(decision_input, limits, config, reviewed=False)
        if waits
        else {"until": format_timestamp(inputs.window_ends_at)}
    )
    action = NextAction.WAIT_FOR_METHOD.value if waits else "give_up"
    return _skipped_row(action, found.reason.value, found.why, config, **more, **until)


def _kept_time(decision_input: DecisionInput, limits: SegmentPolicy, config: DecisionConfig) -> datetime | None:
    """A try out of turn doesn't move the schedule, unless its answer calls for a longer wait or for no retry."""
    recovery, cause = decision_input.recovery, decision_input.classification.cause
    retried = config.policy.strategy_for(limits.name, cause) and recovery.attempts_used < limits.attempts_allowed
    at = recovery.next_attempt_at
    return (
        at
        if retried and at and _earliest_time(decision_input, config) < at <= _window_end(decision_input, limits, config)
        else None
    )


def _earliest_time(decision_input: DecisionInput, config: DecisionConfig) -> datetime:
    """When asked waits and cool-downs of the newest failure are over."""
    asked = timedelta(seconds=decision_input.classification.wait_seconds or 0)
    cool_down = timedelta(seconds=config.policy.cool_down_seconds.get(decision_input.classification.cause, 0))
    since = decision_input.recovery.failed_at or decision_input.now
    return max(decision_input.now, since + max(asked, config.time_scale.shorten(cool_down)))


def _planned_row(
    decision_input: DecisionInput,
    at: datetime,
    config: DecisionConfig,
    limits: SegmentPolicy,
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
            "window_ends_at": format_timestamp(_window_end(decision_input, limits, config)),
        },
    }
    return EventType.RETRY_PLANNED, data | _budget_data(decision_input, limits) | dict(more)


def _budget_data(decision_input: DecisionInput, limits: SegmentPolicy) -> dict[str, Any]:
    return {"retry": decision_input.recovery.attempts_used + 1, "attempts_allowed": limits.attempts_allowed}


def _build_situation(decision_input: DecisionInput) -> Situation:
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


def _window_end(decision_input: DecisionInput, limits: SegmentPolicy, config: DecisionConfig) -> datetime:
    recovery = decision_input.recovery
    if recovery.window_ends_at:
        return recovery.window_ends_at + recovery.clock_stopped_for(decision_input.now)
    return _initial_window_end(decision_input, limits, config.time_scale)


def _initial_window_end(decision_input: DecisionInput, limits: SegmentPolicy, time_scale: TimeScale) -> datetime:
    opened_at, stopped = (
        decision_input.recovery.opened_at or decision_input.now,
        decision_input.recovery.clock_stopped_for(decision_input.now),
    )
    return opened_at + time_scale.shorten(timedelta(days=limits.window_days)) + stopped


def _deadline_data(
    decision_input: DecisionInput, limits: SegmentPolicy, config: DecisionConfig, reviewed: bool = True
) -> dict[str, Any]:
    """Until when a person may act: the operator first where it is theirs to act, else the customer."""
    review = decision_input.now + config.time_scale.shorten(timedelta(days=limits.review_deadline_days))
    begins = review if reviewed else decision_input.now
    customer = begins + config.time_scale.shorten(timedelta(days=limits.customer_deadline_days))
    return {"until": format_timestamp(review if reviewed else customer), "customer_until": format_timestamp(customer)}


def _skipped_row(action: str, reason: str, why: str, config: DecisionConfig, **more: Any) -> RowDraft:
    data = {"action": action, "reason": reason, "why": why, "policy_version": config.policy.version} | more
    return EventType.RETRY_SKIPPED, data
