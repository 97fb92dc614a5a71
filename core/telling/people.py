"""What people did: operators, the customer, and whoever touched the invoice elsewhere; and what came at the end."""

from collections.abc import Callable, Mapping
from typing import Final

from core.events import DisputeKind, Record, State
from core.retry.money_folds import RESTORED
from core.telling.said import Said
from core.telling.telling import Fact, Mood, Telling, amount, at, code, facts, joined, named, sentence
from core.telling.words import ENDINGS, MESSAGES, MONEY_BACK, STATES, UNSENT, plain


def wished(does: str, wanted: str, mood: Mood = Mood.PLAIN) -> Callable[[Record], Telling]:
    """Tells of an operator's wish. `does` is what they did, `wanted` what they wanted where it was refused."""

    def told(record: Record) -> Telling:
        said = Said(record.data)
        who, refused = said.text("actor") or "Somebody", said.text("refused")
        headline = f"{who} wanted to {wanted}, which was refused" if refused else f"{who} {does}"
        return Telling(headline=headline, why=_why(said), facts=_people(said), mood=Mood.WARN if refused else mood)

    return told


def _why(said: Said) -> str:
    reason, refused = said.text("reason"), said.text("refused")
    return " ".join(filter(None, (sentence(f"“{reason}”") if reason else "", sentence(refused))))


def _people(said: Said) -> tuple[Fact, ...]:
    return facts(("Asked first by", said.text("asked_by")), ("Their reason", said.text("asked_reason")))


def reviewed(record: Record) -> Telling:
    """The end of a review."""
    approved = Said(record.data).text("decision") == "approve"
    if approved:
        return wished("approved it in review", "approve it", Mood.GOOD)(record)
    return wished("rejected it in review", "reject it", Mood.BAD)(record)


def new_method(record: Record) -> Telling:
    """The customer did something about it."""
    said = Said(record.data)
    return Telling(
        headline="The customer has a new payment method",
        why="It earns one immediate try.",
        facts=facts(("Payment method", code(said.text("method_id"))), ("Told by", code(said.text("event_type")))),
        mood=Mood.GOOD,
    )


def paid_elsewhere(record: Record) -> Telling:
    """Not by us; all of it, or a part."""
    said = Said(record.data)
    rest = said.number("remaining")
    if rest:
        return Telling(
            headline="A part was paid, or credited",
            why=_seen(said),
            facts=facts(
                ("Less by", amount(said.number("amount"), said.text("currency"))),
                ("Still open", amount(rest, said.text("currency"))),
                ("Told by", code(said.text("event_type"))),
            ),
            mood=Mood.GOOD,
        )
    return Telling(
        headline="The invoice was paid, not by a try of ours",
        why=_seen(said),
        facts=facts(("Told by", code(said.text("event_type")))),
        mood=Mood.GOOD,
    )


def _seen(said: Said) -> str:
    return "We saw it when reading the invoice." if said.text("source") == "read" else "The provider told us."


def closed_elsewhere(record: Record) -> Telling:
    """Voided, written off, or its subscription ended."""
    said = Said(record.data)
    reason = said.text("why")
    return Telling(
        headline="The invoice was closed at the provider",
        why=ENDINGS.get(reason, sentence(plain(reason))),
        facts=facts(("Told by", code(said.text("event_type")))),
        mood=Mood.WARN,
    )


def disputed(record: Record) -> Telling:
    """From now on nothing may be charged."""
    said = Said(record.data)
    warned = said.text("kind") == "early_fraud_warning"
    if said.text("kind") == DisputeKind.INQUIRY:
        return Telling(
            headline="The bank asks about the payment",
            why="No money moved, and nothing is blocked: answer it at the provider.",
            facts=facts(("Reason", named(said.text("detail"))), ("Told by", code(said.text("event_type")))),
            mood=Mood.WARN,
        )
    return Telling(
        headline="The card network warns of fraud" if warned else "The customer disputes the payment",
        why="Nothing may be charged any more.",
        facts=facts(("Reason", named(said.text("detail"))), ("Told by", code(said.text("event_type")))),
        mood=Mood.BAD,
    )


def money_back(record: Record) -> Telling:
    """Money that had come went back; before the end it is open again, after it nothing else changes."""
    said = Said(record.data)
    return Telling(
        headline=MONEY_BACK.get(said.text("kind"), "Money went back"),
        facts=facts(
            ("Amount", amount(said.number("amount"), said.text("currency"))),
            ("Payment", code(said.text("payment_id"))),
            ("Reason", named(said.text("detail"))),
            ("Told by", code(said.text("event_type"))),
        ),
        mood=Mood.BAD,
    )


def paid_late(record: Record) -> Telling:
    """The money came when nobody waited for it any more."""
    said = Said(record.data)
    again = said.text("kind") == RESTORED
    return Telling(
        headline=MONEY_BACK[RESTORED] if again else "Paid after the end",
        why="" if again else "The recovery had ended before; the money counts apart.",
        facts=facts(
            ("Amount", amount(said.number("amount"), said.text("currency"))),
            ("Told by", code(said.text("event_type"))),
        ),
        mood=Mood.GOOD,
    )


def message_sent(record: Record) -> Telling:
    """A channel took a message."""
    said = Said(record.data)
    return Telling(headline=f"The customer was told: {_message(said)}", facts=_letter(said), mood=Mood.PLAIN)


def _message(said: Said) -> str:
    kind = said.text("kind")
    return MESSAGES.get(kind, plain(kind)) or "a message"


def _letter(said: Said) -> tuple[Fact, ...]:
    return facts(
        ("Channel", named(said.text("channel"))),
        ("Language", code(said.text("language"))),
        ("Campaign", named(said.text("campaign"))),
        ("Step", code(said.text("step"))),
    )


def message_failed(record: Record) -> Telling:
    """Given up, or nobody knows."""
    said = Said(record.data)
    maybe, reason = said.text("outcome") == "maybe_sent", said.text("reason")
    begun = "It is not known whether the customer was told" if maybe else "The customer could not be told"
    return Telling(
        headline=f"{begun}: {_message(said)}",
        why=UNSENT.get(reason, sentence(plain(reason))),
        facts=_letter(said),
        mood=Mood.WARN,
    )


def closed(record: Record) -> Telling:
    """The end."""
    said = Said(record.data)
    state, reason = said.text("state"), said.text("reason")
    return Telling(
        headline=STATES.get(state, f"The end: {plain(state) or 'not known'}"),
        why=ENDINGS.get(reason, sentence(plain(reason))),
        mood=_ENDS.get(state, Mood.PLAIN),
    )


_ENDS: Final[Mapping[str, Mood]] = {
    State.RECOVERED: Mood.GOOD,
    State.EXHAUSTED: Mood.BAD,
    State.BLOCKED: Mood.BAD,
    State.CANCELED: Mood.WARN,
}


def late(record: Record) -> Telling:
    """Kept, without effect."""
    said = Said(record.data)
    return Telling(
        headline=joined(("Came after the end", plain(said.text("kind")))),
        why="It is kept here and changes nothing; someone may want to look at it.",
        facts=facts(
            ("Told by", code(said.text("event_type"))),
            ("Detail", named(said.text("detail"))),
            ("Event", code(said.text("event_id"))),
            ("Happened", at(record.occurred_at)),
        ),
        mood=Mood.WARN,
    )
