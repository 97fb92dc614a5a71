"""Describes charges: requested, answered, unknown and reconciled."""

from core.events import Record
from core.timeline.entries import (
    EventDescription,
    Fact,
    Mood,
    TolerantData,
    amount_value,
    code_value,
    known_facts,
    label_value,
    moment_value,
    to_sentence,
)
from core.timeline.failures import card_facts, code_facts
from core.timeline.labels import TRIGGERS, UNKNOWN_CHARGE_REASONS, to_plain_words


def _attempt_name(record: Record) -> str:
    return f"Attempt {record.attempt}" if record.attempt else "The attempt"


def describe_charge_request(record: Record) -> EventDescription:
    """A charge request, which is recorded before the provider is called."""
    data = TolerantData(record.data)
    trigger = data.read_text("trigger")
    return EventDescription(
        headline=f"{_attempt_name(record)}: the provider is asked to charge",
        why=to_sentence(f"because {TRIGGERS.get(trigger, to_plain_words(trigger))}") if trigger else "",
        facts=known_facts(
            ("Amount", amount_value(data.read_number("amount"), data.read_text("currency"))),
            ("Payment method", code_value(data.read_text("method_id"))),
            ("Card network", label_value(data.read_text("network"))),
            ("Idempotency key", code_value(data.read_text("idempotency_key"))),
        ),
        mood=Mood.BUSY,
    )


def _charge_facts(data: TolerantData) -> tuple[Fact, ...]:
    return known_facts(("Charge at the provider", code_value(data.read_text("charge_id"))))


def describe_charge_success(record: Record) -> EventDescription:
    """A successful charge, of the whole amount or of a part."""
    data = TolerantData(record.data)
    came = amount_value(data.read_number("amount"), data.read_text("currency"))
    headline = (
        f"{_attempt_name(record)} collected a part of the amount" if came else f"{_attempt_name(record)} succeeded"
    )
    return EventDescription(headline=headline, facts=known_facts(("Paid", came)) + _charge_facts(data), mood=Mood.GOOD)


def describe_decline(record: Record) -> EventDescription:
    """A declined charge, with the raw codes."""
    data = TolerantData(record.data)
    return EventDescription(
        headline=f"{_attempt_name(record)} was declined",
        facts=code_facts(data) + _charge_facts(data) + card_facts(data) + _provider_retry_facts(data),
        mood=Mood.BAD,
    )


def _provider_retry_facts(data: TolerantData) -> tuple[Fact, ...]:
    return known_facts(("Provider's own next attempt", moment_value(data.read_moment("next_provider_attempt"))))


def describe_unknown_charge(record: Record) -> EventDescription:
    """A charge without a definite answer."""
    reason = TolerantData(record.data).read_text("reason")
    known = UNKNOWN_CHARGE_REASONS.get(
        reason, to_sentence(f"there was no clear answer ({to_plain_words(reason)})") if reason else ""
    )
    return EventDescription(
        headline=f"{_attempt_name(record)}: it is not known yet whether it succeeded",
        why=f"{known} Nothing else is charged until that is known.".strip(),
        facts=known_facts(("Answer", code_value(reason))),
        mood=Mood.WARN,
    )


def describe_reconciliation(record: Record) -> EventDescription:
    """The outcome of an unknown charge, and the evidence for it."""
    data = TolerantData(record.data)
    outcome = data.read_text("outcome")
    found, mood = _OUTCOMES.get(outcome, (to_plain_words(outcome) or "its outcome", Mood.PLAIN))
    return EventDescription(
        headline=f"{_attempt_name(record)} was reconciled: {found}",
        why=_EVIDENCE.get(data.read_text("evidence"), "The same request was sent again, which can't charge twice."),
        facts=code_facts(data) + _charge_facts(data) + card_facts(data) + _provider_retry_facts(data),
        mood=mood,
    )


_OUTCOMES = {
    "succeeded": ("it succeeded", Mood.GOOD),
    "declined": ("it was declined", Mood.BAD),
    "not_charged": ("nothing was charged", Mood.PLAIN),
}
_EVIDENCE = {
    "read": "The provider's own records say so.",
    "webhook": "The provider reported it.",
    "operator": "An operator looked it up.",
}
