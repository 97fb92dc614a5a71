"""One decision about one failure, as the rows that explain it: classified, segmented, assessed, planned."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from core.base import Value
from core.classifier.taxonomy import Ability, Category, Classification, Next
from core.events import Event, EventType, stamp
from core.fraud.assess import FraudAssessment, FraudLevel
from core.payments import FailureFacts
from core.retry.ability import SENTENCES, ability
from core.retry.arms import armed, assigned
from core.retry.inputs import Inputs, recorded
from core.retry.pace import Pace
from core.retry.planner import Exhausted, Exhaustion, plan
from core.retry.policy import Policy, SegmentPolicy, StrategyFactory
from core.retry.recovery import Recovery
from core.retry.strategies.base import Situation
from core.retry.strategies.calendar import Calendar
from core.retry.strategies.experience import Experience
from core.retry.whereabouts import whereabouts
from core.segmentation.segment import CustomerProfile, Segment

Row = tuple[EventType, Mapping[str, Any]]
"""What is to be written, before it gets time and number."""


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Findings(Value):
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


class Means(Value):
    """What it is decided with."""

    policy: Policy
    strategies: Mapping[str, StrategyFactory]
    pace: Pace = Pace()


def decide(findings: Findings, means: Means) -> tuple[Event, ...]:
    """All rows of the decision, in their order. Same findings and means, same rows."""
    assignment = assigned(means.policy, findings.recovery, findings.facts)
    means = means.model_copy(update={"policy": armed(means.policy, assignment)}) if assignment else means
    limits = means.policy.segment_named(findings.segment.name)
    first = findings.recovery.segment is None
    rows = (
        _classified(findings),
        *((_segmented(findings, limits, means),) if first else ()),
        _assessed(findings),
        _next(findings, limits, means),
    )
    made_by = {"policy_version": means.policy.version} | (assignment.model_dump() if assignment else {})
    at, attempt = findings.now, findings.recovery.attempt or None
    return tuple(Event(type=kind, occurred_at=at, attempt=attempt, data={**data, **made_by}) for kind, data in rows)


def _classified(findings: Findings) -> Row:
    found, failure = findings.classification, findings.facts.failure
    data = {
        "category": found.category.value,
        "cause": found.cause.value,
        "code": found.code,
        "source": found.source,
        "decided_by": found.decided_by,
        "wait_seconds": found.wait_seconds,
        "failure": failure.model_dump(mode="json", exclude_none=True),
        "card": findings.facts.card.model_dump(mode="json", exclude_none=True),
        "missing": list(findings.facts.missing),
    }
    able, defaults = ability(findings.recovery, findings.facts), findings.facts.invoice.default_methods
    more = {"ability": able.value if able is not Ability.CHARGEABLE else None, "default_methods": list(defaults)}
    return EventType.FAILURE_CLASSIFIED, data | {key: value for key, value in more.items() if value}


def _segmented(findings: Findings, limits: SegmentPolicy, means: Means) -> Row:
    segment, customer = findings.segment, findings.facts.customer
    data = {
        "segment": segment.name,
        "rule": segment.rule,
        "why": segment.why,
        "profile": _profile(segment.profile),
        "campaign": limits.campaign,
        "attempts_allowed": limits.attempts_allowed,
        "window_ends_at": stamp(_window(findings, limits, means.pace)),
        "customer_id": customer.customer_id if customer else findings.facts.invoice.customer_id,
        "policy_version": means.policy.version,
    } | ({"important": True} if limits.important else {})
    return EventType.CUSTOMER_SEGMENTED, data


def _assessed(findings: Findings) -> Row:
    risk, assessment = findings.facts.risk, findings.assessment
    data = {
        "level": assessment.level.value,
        "score": assessment.score,
        "reasons": list(assessment.reasons),
        "radar_level": risk.level,
        "radar_score": risk.score,
        "early_warning": risk.early_warning,
        "disputed": risk.disputed,
        "signals": assessment.signals.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
        "countries": _countries(findings.facts),
        "cause": findings.classification.cause.value,
        "decided_by": findings.classification.decided_by,
    }
    return EventType.FRAUD_ASSESSED, data


def _countries(facts: FailureFacts) -> dict[str, str | None]:
    return {"customer": facts.customer.country if facts.customer else None, "card": facts.card.country}


def _profile(profile: CustomerProfile | None) -> dict[str, Any] | None:
    """What the segment was decided from, without what isn't known."""
    return profile.model_dump(mode="json", exclude_none=True) if profile else None


def _next(findings: Findings, limits: SegmentPolicy, means: Means) -> Row:
    recovery, cause = findings.recovery, findings.classification.cause
    if findings.assessment.level is FraudLevel.BLOCK:
        return _skipped("stop", "fraud", "; ".join(findings.assessment.reasons), means)
    if cause.next is Next.STOP:
        return _skipped("stop", "stop_instruction", "the cardholder stopped these payments", means)
    if recovery.fraud_hold or findings.assessment.level is FraudLevel.REVIEW or cause.next is Next.REVIEW:
        why = "; ".join(findings.assessment.reasons) or "held for review before"
        return _skipped("review", "fraud", why, means, **_deadlines(findings, limits, means))
    if cause.next in _PEOPLE:
        if at := _falls_back(findings, limits, means):
            why = "the new method was refused; the schedule goes on with the one before"
            refused = {"refused_method": recovery.method_in_use}
            return _planned(findings, at, means, limits, why, refused)
        return _skipped(
            cause.next.value,
            cause.value.lower(),
            _PEOPLE[cause.next],
            means,
            **_deadlines(findings, limits, means, reviewed=cause.next is Next.TELL_OPERATORS),
        )
    able = ability(recovery, findings.facts)
    if able is not Ability.CHARGEABLE:
        deadlines = _deadlines(findings, limits, means, reviewed=False)
        return _skipped(Next.WAIT_FOR_METHOD.value, able.value, SENTENCES[able], means, **deadlines)
    return _retry(findings, limits, means)


_PEOPLE: Final[Mapping[Next, str]] = {
    Next.ASK_CUSTOMER: "only the customer can mend this: they get a link",
    Next.WAIT_FOR_METHOD: "this card will never work again: we wait for another payment method",
    Next.TELL_OPERATORS: "the merchant's own set-up must be mended: an operator looks at it",
}


def _falls_back(findings: Findings, limits: SegmentPolicy, means: Means) -> datetime | None:
    """When the method before has its turn, where a new one was tried out of turn and is of no use itself."""
    recovery, footing, at = findings.recovery, findings.recovery.footing, findings.recovery.next_attempt_at
    tried_another = footing is not None and footing.method != recovery.method_in_use
    if not tried_another or footing is None or footing.category is Category.HARD_DECLINE or at is None:
        return None
    at = max(at, _earliest(findings, means) + timedelta(seconds=1))
    fits = at <= _ends(findings, limits, means) and recovery.attempts_used < limits.attempts_allowed
    return at if fits else None


def _retry(findings: Findings, limits: SegmentPolicy, means: Means) -> Row:
    if kept := _kept(findings, limits, means):
        return _planned(findings, kept, means, limits, "the attempt out of turn does not move the schedule")
    inputs = Inputs(_situation(findings), means.policy, _ends(findings, limits, means), means.pace)
    found = plan(inputs.situation, means.policy, means.strategies, inputs.window_ends_at, means.pace)
    if isinstance(found, Exhausted):
        return _given_up(findings, found, inputs, means, limits)
    data = found.model_dump(exclude={"at"}) | {"at": stamp(found.at), "rejected": list(found.rejected)}
    checkable = _budget(findings, limits) | {"inputs": recorded(inputs)}
    return EventType.RETRY_PLANNED, data | checkable


def _given_up(findings: Findings, found: Exhausted, inputs: Inputs, means: Means, limits: SegmentPolicy) -> Row:
    """No further retry by itself: from now on the window waits for the customer, or for another method."""
    more = {"strategy": found.strategy, "rejected": list(found.rejected), "inputs": recorded(inputs)}
    waits = found.reason is Exhaustion.NEW_METHOD
    until = _deadlines(findings, limits, means, reviewed=False) if waits else {"until": stamp(inputs.window_ends_at)}
    action = Next.WAIT_FOR_METHOD.value if waits else "give_up"
    return _skipped(action, found.reason.value, found.why, means, **more, **until)


def _kept(findings: Findings, limits: SegmentPolicy, means: Means) -> datetime | None:
    """A try out of turn doesn't move the schedule, unless its answer calls for a longer wait or for no retry."""
    recovery, cause = findings.recovery, findings.classification.cause
    retried = means.policy.strategy_for(limits.name, cause) and recovery.attempts_used < limits.attempts_allowed
    at = recovery.next_attempt_at
    return at if retried and at and _earliest(findings, means) < at <= _ends(findings, limits, means) else None


def _earliest(findings: Findings, means: Means) -> datetime:
    """When asked waits and cool-downs of the newest failure are over."""
    asked = timedelta(seconds=findings.classification.wait_seconds or 0)
    cool_down = timedelta(seconds=means.policy.cool_down_seconds.get(findings.classification.cause, 0))
    since = findings.recovery.failed_at or findings.now
    return max(findings.now, since + max(asked, means.pace.shorten(cool_down)))


def _planned(
    findings: Findings, at: datetime, means: Means, limits: SegmentPolicy, why: str, more: Mapping[str, Any] = _NOTHING
) -> Row:
    recovery = findings.recovery
    data = {
        "at": stamp(at),
        "delay_seconds": int((at - (recovery.failed_at or findings.now)).total_seconds()) * means.pace.time_scale,
        "strategy": recovery.strategy,
        "policy_version": means.policy.version,
        "why": why,
        "rejected": [],
        "inputs": {
            "kept_at": stamp(at),
            "earliest": stamp(_earliest(findings, means)),
            "window_ends_at": stamp(_ends(findings, limits, means)),
        },
    }
    return EventType.RETRY_PLANNED, data | _budget(findings, limits) | dict(more)


def _budget(findings: Findings, limits: SegmentPolicy) -> dict[str, Any]:
    return {"retry": findings.recovery.attempts_used + 1, "attempts_allowed": limits.attempts_allowed}


def _situation(findings: Findings) -> Situation:
    recovery, facts = findings.recovery, findings.facts
    country, time_zone = whereabouts(recovery, facts)
    return Situation(
        provider=recovery.provider,
        invoice_id=recovery.invoice_id,
        attempt=recovery.attempts_used + 1,
        cause=findings.classification.cause,
        segment=findings.segment.name,
        amount=facts.invoice.amount_due or recovery.amount,
        currency=facts.invoice.currency or recovery.currency,
        failed_at=recovery.failed_at or findings.now,
        now=findings.now,
        country=country,
        time_zone=time_zone,
        asked_wait_seconds=findings.classification.wait_seconds,
        calendar=findings.calendar,
        experience=findings.experience,
    )


def _ends(findings: Findings, limits: SegmentPolicy, means: Means) -> datetime:
    recovery = findings.recovery
    if recovery.window_ends_at:
        return recovery.window_ends_at + recovery.clock_stopped_for(findings.now)
    return _window(findings, limits, means.pace)


def _window(findings: Findings, limits: SegmentPolicy, pace: Pace) -> datetime:
    opened_at, stopped = findings.recovery.opened_at or findings.now, findings.recovery.clock_stopped_for(findings.now)
    return opened_at + pace.shorten(timedelta(days=limits.window_days)) + stopped


def _deadlines(findings: Findings, limits: SegmentPolicy, means: Means, reviewed: bool = True) -> dict[str, Any]:
    """Until when a person may act: the operator first where it is theirs to act, else the customer."""
    review = findings.now + means.pace.shorten(timedelta(days=limits.review_deadline_days))
    begins = review if reviewed else findings.now
    customer = begins + means.pace.shorten(timedelta(days=limits.customer_deadline_days))
    return {"until": stamp(review if reviewed else customer), "customer_until": stamp(customer)}


def _skipped(action: str, reason: str, why: str, means: Means, **more: Any) -> Row:
    data = {"action": action, "reason": reason, "why": why, "policy_version": means.policy.version} | more
    return EventType.RETRY_SKIPPED, data
