"""Describes operator commands, what customer and provider did, messages, and the end of a recovery."""

from collections.abc import Callable, Mapping
from typing import Final

from core.events import DisputeKind, MessageOutcome, Record, ReviewDecision, State
from core.events.data import (
    ClosedElsewhere,
    DisputeOpened,
    EventLate,
    MessageReported,
    MethodUpdated,
    OperatorCommand,
    OperatorReviewed,
    RecoveryClosed,
)
from core.events.money_data import MoneyMoved, PaidElsewhere, PaymentLate
from core.recovery.money_folds import MONEY_RESTORED
from core.timeline.entries import (
    EventDescription,
    Fact,
    Mood,
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
        data = record.read(OperatorCommand)
        who, refused = data.actor or "Somebody", data.refused
        headline = f"{who} asked to {wanted}, which was rejected" if refused else f"{who} {does}"
        return EventDescription(
            headline=headline,
            why=_command_reason(data),
            facts=_requester_facts(data),
            mood=Mood.WARN if refused else mood,
        )

    return describe_command


def _command_reason(data: OperatorCommand) -> str:
    reason = to_sentence(f"“{data.reason}”") if data.reason else ""
    return " ".join(filter(None, (reason, to_sentence(data.refused or ""))))


def _requester_facts(data: OperatorCommand) -> tuple[Fact, ...]:
    return known_facts(("Asked first by", data.asked_by), ("Their reason", data.asked_reason))


def describe_review(record: Record) -> EventDescription:
    """An operator's approval or rejection in review."""
    approved = record.read(OperatorReviewed).decision == ReviewDecision.APPROVE
    if approved:
        return command_describer("approved it in review", "approve it", Mood.GOOD)(record)
    return command_describer("rejected it in review", "reject it", Mood.BAD)(record)


def describe_new_method(record: Record) -> EventDescription:
    """A new or renewed payment method of the customer."""
    data = record.read(MethodUpdated)
    return EventDescription(
        headline="The customer has a new payment method",
        why="One attempt is made with it at once.",
        facts=known_facts(
            ("Payment method", code_value(data.method_id)),
            ("Reported by", code_value(data.event_type)),
        ),
        mood=Mood.GOOD,
    )


def describe_payment_elsewhere(record: Record) -> EventDescription:
    """A payment, in whole or in part, that is not a charge of ours."""
    data = record.read(PaidElsewhere)
    if data.remaining:
        return EventDescription(
            headline="A part was paid, or credited",
            why=_payment_source(data),
            facts=known_facts(
                ("Reduced by", amount_value(data.amount, data.currency)),
                ("Still open", amount_value(data.remaining, data.currency)),
                ("Reported by", code_value(data.event_type)),
            ),
            mood=Mood.GOOD,
        )
    return EventDescription(
        headline="The invoice was paid, not by a charge of ours",
        why=_payment_source(data),
        facts=known_facts(("Reported by", code_value(data.event_type))),
        mood=Mood.GOOD,
    )


def _payment_source(data: PaidElsewhere) -> str:
    return "We saw it when reading the invoice." if data.source == "read" else "The provider reported it."


def describe_closing_elsewhere(record: Record) -> EventDescription:
    """The invoice was voided or written off, or its subscription ended."""
    data = record.read(ClosedElsewhere)
    return EventDescription(
        headline="The invoice was closed at the provider",
        why=ENDINGS[data.why],
        facts=known_facts(("Reported by", code_value(data.event_type))),
        mood=Mood.WARN,
    )


def describe_dispute(record: Record) -> EventDescription:
    """A dispute or fraud warning, after which nothing may be charged, or a bank's inquiry, which blocks nothing."""
    data = record.read(DisputeOpened)
    warned = data.kind is DisputeKind.EARLY_FRAUD_WARNING
    if data.kind is DisputeKind.INQUIRY:
        return EventDescription(
            headline="The bank asks about the payment",
            why="No money moved, and nothing is blocked: answer it at the provider.",
            facts=known_facts(
                ("Reason", label_value(data.detail)),
                ("Reported by", code_value(data.event_type)),
            ),
            mood=Mood.WARN,
        )
    return EventDescription(
        headline="The card network warns of fraud" if warned else "The customer disputes the payment",
        why="Nothing may be charged any more.",
        facts=known_facts(
            ("Reason", label_value(data.detail)),
            ("Reported by", code_value(data.event_type)),
        ),
        mood=Mood.BAD,
    )


def describe_money_back(record: Record) -> EventDescription:
    """A refund or reversal: before the end of the recovery the amount is open again, after it nothing else changes."""
    data = record.read(MoneyMoved)
    return EventDescription(
        headline=MONEY_BACK.get(data.kind or "", "Money went back"),
        facts=known_facts(
            ("Amount", amount_value(data.amount, data.currency)),
            ("Payment", code_value(data.payment_id)),
            ("Reason", label_value(data.detail)),
            ("Reported by", code_value(data.event_type)),
        ),
        mood=Mood.BAD,
    )


def describe_late_payment(record: Record) -> EventDescription:
    """A payment after the end of the recovery, or returned money that came back."""
    data = record.read(PaymentLate)
    again = data.kind == MONEY_RESTORED
    return EventDescription(
        headline=MONEY_BACK[MONEY_RESTORED] if again else "Paid after the end",
        why="" if again else "The recovery had ended before; the money is counted separately.",
        facts=known_facts(
            ("Amount", amount_value(data.amount, data.currency)),
            ("Reported by", code_value(data.event_type)),
        ),
        mood=Mood.GOOD,
    )


def describe_message_sent(record: Record) -> EventDescription:
    """A message to the customer that a channel accepted."""
    data = record.read(MessageReported)
    return EventDescription(
        headline=f"Message to the customer: {_message_words(data)}", facts=_message_facts(data), mood=Mood.PLAIN
    )


def _message_words(data: MessageReported) -> str:
    kind = data.kind or ""
    return MESSAGES.get(kind, to_plain_words(kind)) or "a message"


def _message_facts(data: MessageReported) -> tuple[Fact, ...]:
    return known_facts(
        ("Channel", label_value(data.channel)),
        ("Language", code_value(data.language)),
        ("Campaign", label_value(data.campaign)),
        ("Step", code_value(data.step)),
    )


def describe_message_failure(record: Record) -> EventDescription:
    """A message to the customer that was not sent, or of which that is unknown."""
    data = record.read(MessageReported)
    maybe, reason = data.outcome is MessageOutcome.MAYBE_SENT, data.reason or ""
    begun = "Message to the customer, perhaps not sent" if maybe else "Message to the customer, not sent"
    return EventDescription(
        headline=f"{begun}: {_message_words(data)}",
        why=UNSENT_REASONS.get(reason, to_sentence(to_plain_words(reason))),
        facts=_message_facts(data),
        mood=Mood.WARN,
    )


def describe_recovery_end(record: Record) -> EventDescription:
    """The end of the recovery, with its reason."""
    data = record.read(RecoveryClosed)
    return EventDescription(
        headline=STATES.get(data.state, f"The end: {to_plain_words(data.state)}"),
        why=ENDINGS.get(data.reason, to_sentence(to_plain_words(data.reason))),
        mood=_ENDS.get(data.state, Mood.PLAIN),
    )


_ENDS: Final[Mapping[str, Mood]] = {
    State.RECOVERED: Mood.GOOD,
    State.EXHAUSTED: Mood.BAD,
    State.BLOCKED: Mood.BAD,
    State.CANCELED: Mood.WARN,
}


def describe_late_event(record: Record) -> EventDescription:
    """An event after the end, which is stored and has no effect."""
    data = record.read(EventLate)
    return EventDescription(
        headline=join_parts(("Came after the end", to_plain_words(data.kind or ""))),
        why="It is kept here and changes nothing; someone may want to look at it.",
        facts=known_facts(
            ("Reported by", code_value(data.event_type)),
            ("Detail", label_value(data.detail)),
            ("Event", code_value(data.event_id)),
            ("Happened", moment_value(record.occurred_at)),
        ),
        mood=Mood.WARN,
    )
