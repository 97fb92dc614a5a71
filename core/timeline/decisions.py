"""Describes decisions: a planned retry, a skipped one, and the shadow policy's plan."""

import re

from core.events import Record
from core.timeline.entries import (
    EventDescription,
    Fact,
    Mood,
    TolerantData,
    amount_value,
    code_value,
    duration_value,
    known_facts,
    label_value,
    moment_value,
    to_sentence,
)
from core.timeline.labels import TRIGGERS, to_plain_words


def describe_plan(record: Record) -> EventDescription:
    """A planned retry, with its time, reason and rejected alternatives."""
    data = TolerantData(record.data)
    moved = data.read_object("network")
    return EventDescription(
        headline=f"{_retry_name(data)} is planned",
        why=_moved_plan_reason(data) if moved.read_moment("planned_at") else _plan_reason(data.read_text("why")),
        facts=known_facts(
            ("When", moment_value(data.read_moment("at"))),
            ("Wait", duration_value(data.read_number("delay_seconds"))),
        )
        + _policy_facts(data)
        + network_rule_facts(data),
        rejected=data.read_texts("rejected"),
        mood=Mood.BUSY,
    )


def _retry_name(data: TolerantData) -> str:
    counted = _count_words(data.read_number("retry"), data.read_number("attempts_allowed"))
    return f"Retry {counted}" if counted else "Another attempt"


def _plan_reason(text: str) -> str:
    """The planner's reason, without cause and segment, which are shown beside it."""
    return to_sentence(_SITUATION.sub("", text).replace("rung ", "step "))


_SITUATION = re.compile(r"^[A-Z_]+ in segment [^:]*: ")


def _moved_plan_reason(data: TolerantData) -> str:
    """The strategy's reason, and that a network limit moved the retry."""
    own = data.read_object("network").read_text("planned_why") or data.read_text("why")
    return _plan_reason(own) + " The card network's limit moved it to a later moment."


def _count_words(number: int | None, allowed: int | None) -> str:
    if number is None:
        return ""
    return f"{number} of {allowed}" if allowed is not None else str(number)


def _policy_facts(data: TolerantData) -> tuple[Fact, ...]:
    return known_facts(
        ("Strategy", label_value(data.read_text("strategy"))),
        ("Policy version", code_value(data.read_text("policy_version"))),
        ("Experiment", label_value(data.read_text("experiment"))),
        ("Arm", label_value(data.read_text("arm"))),
    )


def network_rule_facts(data: TolerantData) -> tuple[Fact, ...]:
    """The card network's rule that moved or refused an attempt, how far it is used, and the fee avoided."""
    found = data.read_object("network")
    fee = found.read_object("fee")
    used, allowed = found.read_number("used"), found.read_number("allowed")
    return known_facts(
        ("Network rule", code_value(found.read_text("rule"))),
        ("Used of that rule", "" if used is None else _count_words(used, allowed)),
        ("First planned for", moment_value(found.read_moment("planned_at"))),
        ("Network fee avoided", amount_value(fee.read_number("amount"), fee.read_text("currency").upper())),
        ("Source of the rule", found.read_text("source")),
    )


def describe_skip(record: Record) -> EventDescription:
    """A decision against a charge now, and what happens instead."""
    data = TolerantData(record.data)
    action, reason = data.read_text("action"), data.read_text("reason")
    known = known_facts(
        ("Next look", moment_value(data.read_moment("at"))),
        ("Deadline", moment_value(data.read_moment("until"))),
        ("Possible again", moment_value(data.read_moment("free_at"))),
        ("Asked for because", TRIGGERS.get(data.read_text("trigger"), "")),
        ("Reason", label_value(reason)),
    )
    return EventDescription(
        headline=_INSTEAD.get(action, f"No attempt now: {to_plain_words(action or reason) or 'no reason given'}"),
        why=to_sentence(data.read_text("why")),
        facts=known + _policy_facts(data) + network_rule_facts(data),
        rejected=data.read_texts("rejected"),
        mood=_MOODS.get(action, Mood.WARN),
    )


_INSTEAD = {
    "refuse": "The attempt was not allowed",
    "postpone": "The attempt is postponed",
    "ask_customer": "The customer is asked to act",
    "wait_for_method": "Waiting for another payment method",
    "review": "A person has to review this",
    "tell_operators": "The operators have to look at this",
    "stop": "No further attempt is allowed",
    "stand_back": "Nothing is done for now",
    "decide_anew": "The attempt is dropped: a new decision follows",
    "out_of_scope": "The invoice is out of scope",
    "give_up": "No further attempt",
}
_MOODS = {"stop": Mood.BAD, "give_up": Mood.BAD, "postpone": Mood.BUSY, "stand_back": Mood.BUSY}


def describe_shadow_plan(record: Record) -> EventDescription:
    """What the shadow policy would have decided; it has no effect."""
    data = TolerantData(record.data)
    action = data.read_text("action")
    would = "retry" if action == "retry" else to_plain_words(action) or "do something else"
    same = data.is_true("agrees")
    return EventDescription(
        headline="The shadow policy agrees" if same else f"The shadow policy would {would}",
        why=_plan_reason(data.read_text("why")),
        facts=known_facts(
            ("When", moment_value(data.read_moment("at"))), ("Wait", duration_value(data.read_number("delay_seconds")))
        )
        + _policy_facts(data),
        rejected=data.read_texts("rejected"),
    )
