"""Describes decisions: a planned retry, a skipped one, and the shadow policy's plan."""

import re
from collections.abc import Mapping
from typing import Final

from core.events import Record, SkipAction
from core.events.decision_data import NetworkVerdict, RetryPlanned, RetrySkipped, ShadowPlanned
from core.recovery.charge_events import CHARGE_UNKNOWN
from core.timeline.entries import (
    EventDescription,
    Fact,
    Mood,
    code_value,
    duration_value,
    known_facts,
    label_value,
    moment_value,
    to_sentence,
)
from core.timeline.failures import fee_value
from core.timeline.labels import TRIGGERS, to_plain_words


def describe_plan(record: Record) -> EventDescription:
    """A planned retry, with its time, reason and rejected alternatives."""
    data = record.read(RetryPlanned)
    return EventDescription(
        headline=f"{_retry_name(data)} is planned",
        why=_planned_reason(data),
        facts=known_facts(
            ("When", moment_value(data.at)),
            ("Wait", duration_value(data.delay_seconds)),
        )
        + _policy_facts(data)
        + network_rule_facts(data.network),
        rejected=data.rejected,
        mood=Mood.BUSY,
    )


def _retry_name(data: RetryPlanned) -> str:
    counted = _count_words(data.retry, data.attempts_allowed)
    return f"Retry {counted}" if counted else "Another attempt"


def _plan_reason(text: str | None) -> str:
    """The planner's reason, without cause and segment, which are shown beside it."""
    return to_sentence(_SITUATION.sub("", text or "").replace("rung ", "step "))


_SITUATION = re.compile(r"^[A-Z_]+ in segment [^:]*: ")


def _planned_reason(data: RetryPlanned) -> str:
    """The strategy's reason, and that a network limit moved the retry."""
    if data.network is None or data.network.planned_at is None:
        return _plan_reason(data.why)
    return _plan_reason(data.network.planned_why or data.why) + " The card network's limit moved it to a later moment."


def _count_words(number: int | None, allowed: int | None) -> str:
    if number is None:
        return ""
    return f"{number} of {allowed}" if allowed is not None else str(number)


def _policy_facts(data: RetryPlanned | RetrySkipped | ShadowPlanned) -> tuple[Fact, ...]:
    return known_facts(
        ("Strategy", label_value(data.strategy)),
        ("Policy version", code_value(data.policy_version)),
        ("Experiment", label_value(data.experiment)),
        ("Arm", label_value(data.arm)),
    )


def network_rule_facts(found: NetworkVerdict | None) -> tuple[Fact, ...]:
    """The card network's rule that moved or refused an attempt, how far it is used, and the fee avoided."""
    if found is None:
        return ()
    return known_facts(
        ("Network rule", code_value(found.rule)),
        ("Used of that rule", _count_words(found.used, found.allowed)),
        ("First planned for", moment_value(found.planned_at)),
        ("Network fee avoided", fee_value(found.fee)),
        ("Source of the rule", found.source),
    )


def describe_skip(record: Record) -> EventDescription:
    """A decision against a charge now, and what happens instead."""
    data = record.read(RetrySkipped)
    known = known_facts(
        ("Next look", moment_value(data.at)),
        ("Deadline", moment_value(data.until)),
        ("Possible again", moment_value(data.free_at)),
        ("Asked for because", TRIGGERS[data.trigger] if data.trigger else None),
        ("Reason", label_value(data.reason)),
    )
    return EventDescription(
        headline=_UNHEARD if _is_unheard_end(data) else _INSTEAD[data.action],
        why=to_sentence(data.why or ""),
        facts=known + _policy_facts(data) + network_rule_facts(data.network),
        rejected=data.rejected,
        mood=_MOODS.get(data.action, Mood.WARN),
    )


def _is_unheard_end(data: RetrySkipped) -> bool:
    """Whether the recovery ended without the provider's word on its last charge; a review has a deadline."""
    return data.reason == CHARGE_UNKNOWN and data.action is SkipAction.REVIEW and data.until is None


_UNHEARD: Final = "The provider's answer is waited for no longer"
_INSTEAD: Final[Mapping[SkipAction, str]] = {
    SkipAction.REFUSE: "The attempt was not allowed",
    SkipAction.POSTPONE: "The attempt is postponed",
    SkipAction.ASK_CUSTOMER: "The customer is asked to act",
    SkipAction.WAIT_FOR_METHOD: "Waiting for another payment method",
    SkipAction.REVIEW: "A person has to review this",
    SkipAction.TELL_OPERATORS: "The operators have to look at this",
    SkipAction.STOP: "No further attempt is allowed",
    SkipAction.STAND_BACK: "Nothing is done for now",
    SkipAction.DECIDE_ANEW: "The attempt is dropped: a new decision follows",
    SkipAction.OUT_OF_SCOPE: "The invoice is out of scope",
    SkipAction.GIVE_UP: "No further attempt",
}
_MOODS: Final[Mapping[SkipAction, Mood]] = {
    SkipAction.STOP: Mood.BAD,
    SkipAction.GIVE_UP: Mood.BAD,
    SkipAction.POSTPONE: Mood.BUSY,
    SkipAction.STAND_BACK: Mood.BUSY,
}


def describe_shadow_plan(record: Record) -> EventDescription:
    """What the shadow policy would have decided; it has no effect."""
    data = record.read(ShadowPlanned)
    would = "retry" if data.action == "retry" else to_plain_words(data.action) or "do something else"
    return EventDescription(
        headline="The shadow policy agrees" if data.agrees else f"The shadow policy would {would}",
        why=_plan_reason(data.why),
        facts=known_facts(("When", moment_value(data.at)), ("Wait", duration_value(data.delay_seconds)))
        + _policy_facts(data),
        rejected=data.rejected,
    )
