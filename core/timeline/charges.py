"""Describes charges: requested, answered, unknown and reconciled."""

from collections.abc import Mapping
from typing import Final

from core.events import Record
from core.events.money_data import (
    ChargeDeclined,
    ChargeEnd,
    ChargeReconciled,
    ChargeRequested,
    ChargeSucceeded,
    ChargeUnknown,
)
from core.payments import Outcome
from core.recovery.unknown_charges import NO_ATTEMPT
from core.timeline.entries import (
    EventDescription,
    Fact,
    Mood,
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
    data = record.read(ChargeRequested)
    return EventDescription(
        headline=f"{_attempt_name(record)}: the provider is asked to charge",
        why=to_sentence(f"because {TRIGGERS[data.trigger]}"),
        facts=known_facts(
            ("Amount", amount_value(data.amount, data.currency)),
            ("Payment method", code_value(data.method_id)),
            ("Card network", label_value(data.network)),
            ("Idempotency key", code_value(data.idempotency_key)),
        ),
        mood=Mood.BUSY,
    )


def _charge_facts(data: ChargeEnd) -> tuple[Fact, ...]:
    return known_facts(("Charge at the provider", code_value(data.charge_id)))


def describe_charge_success(record: Record) -> EventDescription:
    """A successful charge, of the whole amount or of a part."""
    data = record.read(ChargeSucceeded)
    came = amount_value(data.amount, data.currency)
    headline = (
        f"{_attempt_name(record)} collected a part of the amount" if came else f"{_attempt_name(record)} succeeded"
    )
    return EventDescription(headline=headline, facts=known_facts(("Paid", came)) + _charge_facts(data), mood=Mood.GOOD)


def describe_decline(record: Record) -> EventDescription:
    """A declined charge, with the raw codes."""
    data = record.read(ChargeDeclined)
    return EventDescription(
        headline=f"{_attempt_name(record)} was declined",
        facts=_answer_facts(data),
        mood=Mood.BAD,
    )


def _answer_facts(data: ChargeEnd) -> tuple[Fact, ...]:
    next_attempt = known_facts(("Provider's own next attempt", moment_value(data.next_provider_attempt)))
    return code_facts(data.failure) + _charge_facts(data) + card_facts(data.card) + next_attempt


def describe_unknown_charge(record: Record) -> EventDescription:
    """A charge without a definite answer."""
    reason = record.read(ChargeUnknown).reason or ""
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
    data = record.read(ChargeReconciled)
    found, mood = _OUTCOMES[data.outcome]
    why = _EVIDENCE.get(data.evidence or "", "The same request was sent again, which can't charge twice.")
    return EventDescription(
        headline=f"{_attempt_name(record)} was reconciled: {found}",
        why=_NO_ATTEMPT if data.reason == NO_ATTEMPT else why,
        facts=_answer_facts(data),
        mood=mood,
    )


_OUTCOMES: Final[Mapping[Outcome, tuple[str, Mood]]] = {
    Outcome.SUCCEEDED: ("it succeeded", Mood.GOOD),
    Outcome.DECLINED: ("it was declined", Mood.BAD),
    Outcome.NOT_CHARGED: ("nothing was charged", Mood.PLAIN),
    Outcome.UNKNOWN: ("unknown", Mood.PLAIN),
}
_NO_ATTEMPT: Final = (
    "The provider shows no trace of it, and the longest time that it works on a request is over. "
    "Money that comes later is counted."
)
_EVIDENCE: Final[Mapping[str, str]] = {
    "read": "The provider's own records say so.",
    "webhook": "The provider reported it.",
    "operator": "An operator looked it up.",
}
