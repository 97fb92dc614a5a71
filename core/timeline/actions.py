"""Describes operator commands, what customer and provider did, messages, and the end of a recovery."""

from collections.abc import Callable, Mapping
from typing import Final

from core.events import DisputeKind, Record, ReviewDecision, State
from core.recovery.money_folds import MONEY_RESTORED
from core.timeline.entries import (
    EventDescription,
    Fact,
    Mood,
    TolerantData,
    amount_value,
    code_value,
    join_parts,
    known_facts,
    label_value,
    moment_value,
    to_sentence,
)
from core.timeline.labels import ENDINGS, MESSAGES, MONEY_BACK, STATES, UNSENT_REASONS, to_plain_words


def command_describer(does: str, wanted: str, mood: Mood = Mood.PLAIN) -> Callable[[Record], EventDescription]:
    """A describer of operator commands: `does` completes "Ann …", `wanted` completes "Ann asked to …" if rejected."""

    def describe_command(record: Record) -> EventDescription:
        data = TolerantData(record.data)
        who, refused = data.read_text("actor") or "Somebody", data.read_text("refused")
        headline = f"{who} asked to {wanted}, which was rejected" if refused else f"{who} {does}"
        return EventDescription(
            headline=headline,
            why=_command_reason(data),
            facts=_requester_facts(data),
            mood=Mood.WARN if refused else mood,
        )

    return describe_command


def _command_reason(data: TolerantData) -> str:
    reason, refused = data.read_text("reason"), data.read_text("refused")
    return " ".join(filter(None, (to_sentence(f"“{reason}”") if reason else "", to_sentence(refused))))


def _requester_facts(data: TolerantData) -> tuple[Fact, ...]:
    return known_facts(("Asked first by", data.read_text("asked_by")), ("Their reason", data.read_text("asked_reason")))


def describe_review(record: Record) -> EventDescription:
    """An operator's approval or rejection in review."""
    approved = TolerantData(record.data).read_text("decision") == ReviewDecision.APPROVE
    if approved:
        return command_describer("approved it in review", "approve it", Mood.GOOD)(record)
    return command_describer("rejected it in review", "reject it", Mood.BAD)(record)


def describe_new_method(record: Record) -> EventDescription:
    """A new or renewed payment method of the customer."""
    data = TolerantData(record.data)
    return EventDescription(
        headline="The customer has a new payment method",
        why="One attempt is made with it at once.",
        facts=known_facts(
            ("Payment method", code_value(data.read_text("method_id"))),
            ("Reported by", code_value(data.read_text("event_type"))),
        ),
        mood=Mood.GOOD,
    )


def describe_payment_elsewhere(record: Record) -> EventDescription:
    """A payment, in whole or in part, that is not a charge of ours."""
    data = TolerantData(record.data)
    rest = data.read_number("remaining")
    if rest:
        return EventDescription(
            headline="A part was paid, or credited",
            why=_payment_source(data),
            facts=known_facts(
                ("Reduced by", amount_value(data.read_number("amount"), data.read_text("currency"))),
                ("Still open", amount_value(rest, data.read_text("currency"))),
                ("Reported by", code_value(data.read_text("event_type"))),
            ),
            mood=Mood.GOOD,
        )
    return EventDescription(
        headline="The invoice was paid, not by a charge of ours",
        why=_payment_source(data),
        facts=known_facts(("Reported by", code_value(data.read_text("event_type")))),
        mood=Mood.GOOD,
    )


def _payment_source(data: TolerantData) -> str:
    return "We saw it when reading the invoice." if data.read_text("source") == "read" else "The provider reported it."


def describe_closing_elsewhere(record: Record) -> EventDescription:
    """The invoice was voided or written off, or its subscription ended."""
    data = TolerantData(record.data)
    reason = data.read_text("why")
    return EventDescription(
        headline="The invoice was closed at the provider",
        why=ENDINGS.get(reason, to_sentence(to_plain_words(reason))),
        facts=known_facts(("Reported by", code_value(data.read_text("event_type")))),
        mood=Mood.WARN,
    )


def describe_dispute(record: Record) -> EventDescription:
    """A dispute or fraud warning, after which nothing may be charged, or a bank's inquiry, which blocks nothing."""
    data = TolerantData(record.data)
    warned = data.read_text("kind") == "early_fraud_warning"
    if data.read_text("kind") == DisputeKind.INQUIRY:
        return EventDescription(
            headline="The bank asks about the payment",
            why="No money moved, and nothing is blocked: answer it at the provider.",
            facts=known_facts(
                ("Reason", label_value(data.read_text("detail"))),
                ("Reported by", code_value(data.read_text("event_type"))),
            ),
            mood=Mood.WARN,
        )
    return EventDescription(
        headline="The card network warns of fraud" if warned else "The customer disputes the payment",
        why="Nothing may be charged any more.",
        facts=known_facts(
            ("Reason", label_value(data.read_text("detail"))),
            ("Reported by", code_value(data.read_text("event_type"))),
        ),
        mood=Mood.BAD,
    )


def describe_money_back(record: Record) -> EventDescription:
    """A refund or reversal: before the end of the recovery the amount is open again, after it nothing else changes."""
    data = TolerantData(record.data)
    return EventDescription(
        headline=MONEY_BACK.get(data.read_text("kind"), "Money went back"),
        facts=known_facts(
            ("Amount", amount_value(data.read_number("amount"), data.read_text("currency"))),
            ("Payment", code_value(data.read_text("payment_id"))),
            ("Reason", label_value(data.read_text("detail"))),
            ("Reported by", code_value(data.read_text("event_type"))),
        ),
        mood=Mood.BAD,
    )


def describe_late_payment(record: Record) -> EventDescription:
    """A payment after the end of the recovery, or returned money that came back."""
    data = TolerantData(record.data)
    again = data.read_text("kind") == MONEY_RESTORED
    return EventDescription(
        headline=MONEY_BACK[MONEY_RESTORED] if again else "Paid after the end",
        why="" if again else "The recovery had ended before; the money is counted separately.",
        facts=known_facts(
            ("Amount", amount_value(data.read_number("amount"), data.read_text("currency"))),
            ("Reported by", code_value(data.read_text("event_type"))),
        ),
        mood=Mood.GOOD,
    )


def describe_message_sent(record: Record) -> EventDescription:
    """A message to the customer that a channel accepted."""
    data = TolerantData(record.data)
    return EventDescription(
        headline=f"Message to the customer: {_message_words(data)}", facts=_message_facts(data), mood=Mood.PLAIN
    )


def _message_words(data: TolerantData) -> str:
    kind = data.read_text("kind")
    return MESSAGES.get(kind, to_plain_words(kind)) or "a message"


def _message_facts(data: TolerantData) -> tuple[Fact, ...]:
    return known_facts(
        ("Channel", label_value(data.read_text("channel"))),
        ("Language", code_value(data.read_text("language"))),
        ("Campaign", label_value(data.read_text("campaign"))),
        ("Step", code_value(data.read_text("step"))),
    )


def describe_message_failure(record: Record) -> EventDescription:
    """A message to the customer that was not sent, or of which that is unknown."""
    data = TolerantData(record.data)
    maybe, reason = data.read_text("outcome") == "maybe_sent", data.read_text("reason")
    begun = "Message to the customer, perhaps not sent" if maybe else "Message to the customer, not sent"
    return EventDescription(
        headline=f"{begun}: {_message_words(data)}",
        why=UNSENT_REASONS.get(reason, to_sentence(to_plain_words(reason))),
        facts=_message_facts(data),
        mood=Mood.WARN,
    )


def describe_recovery_end(record: Record) -> EventDescription:
    """The end of the recovery, with its reason."""
    data = TolerantData(record.data)
    state, reason = data.read_text("state"), data.read_text("reason")
    return EventDescription(
        headline=STATES.get(state, f"The end: {to_plain_words(state) or 'not known'}"),
        why=ENDINGS.get(reason, to_sentence(to_plain_words(reason))),
        mood=_ENDS.get(state, Mood.PLAIN),
    )


_ENDS: Final[Mapping[str, Mood]] = {
    State.RECOVERED: Mood.GOOD,
    State.EXHAUSTED: Mood.BAD,
    State.BLOCKED: Mood.BAD,
    State.CANCELED: Mood.WARN,
}


def describe_late_event(record: Record) -> EventDescription:
    """An event after the end, which is stored and has no effect."""
    data = TolerantData(record.data)
    return EventDescription(
        headline=join_parts(("Came after the end", to_plain_words(data.read_text("kind")))),
        why="It is kept here and changes nothing; someone may want to look at it.",
        facts=known_facts(
            ("Reported by", code_value(data.read_text("event_type"))),
            ("Detail", label_value(data.read_text("detail"))),
            ("Event", code_value(data.read_text("event_id"))),
            ("Happened", moment_value(record.occurred_at)),
        ),
        mood=Mood.WARN,
    )
