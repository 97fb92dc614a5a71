"""Charges: asked for, answered, or in doubt."""

from core.events import Record
from core.telling.failures import card, codes
from core.telling.said import Said
from core.telling.telling import Fact, Mood, Telling, amount, at, code, facts, named, sentence
from core.telling.words import DOUBTS, TRIGGERS, plain


def _name(record: Record) -> str:
    return f"Attempt {record.attempt}" if record.attempt else "The attempt"


def requested(record: Record) -> Telling:
    """Written before the provider is called."""
    said = Said(record.data)
    trigger = said.text("trigger")
    return Telling(
        headline=f"{_name(record)}: the provider is asked to charge",
        why=sentence(f"because {TRIGGERS.get(trigger, plain(trigger))}") if trigger else "",
        facts=facts(
            ("Amount", amount(said.number("amount"), said.text("currency"))),
            ("Payment method", code(said.text("method_id"))),
            ("Card network", named(said.text("network"))),
            ("Idempotency key", code(said.text("idempotency_key"))),
        ),
        mood=Mood.BUSY,
    )


def _charge(said: Said) -> tuple[Fact, ...]:
    return facts(("Charge at the provider", code(said.text("charge_id"))))


def succeeded(record: Record) -> Telling:
    """The money came."""
    said = Said(record.data)
    came = amount(said.number("amount"), said.text("currency"))
    headline = f"{_name(record)} brought a part of the money" if came else f"{_name(record)} succeeded"
    return Telling(headline=headline, facts=facts(("Came", came)) + _charge(said), mood=Mood.GOOD)


def declined(record: Record) -> Telling:
    """A definite no."""
    said = Said(record.data)
    return Telling(
        headline=f"{_name(record)} was declined",
        facts=codes(said) + _charge(said) + card(said) + _provider_next(said),
        mood=Mood.BAD,
    )


def _provider_next(said: Said) -> tuple[Fact, ...]:
    return facts(("Provider's own next try", at(said.moment("next_provider_attempt"))))


def unknown(record: Record) -> Telling:
    """No definite answer."""
    reason = Said(record.data).text("reason")
    known = DOUBTS.get(reason, sentence(f"there was no clear answer ({plain(reason)})") if reason else "")
    return Telling(
        headline=f"{_name(record)}: it is not known yet whether it succeeded",
        why=f"{known} Nothing else is tried until that is known.".strip(),
        facts=facts(("Answer", code(reason))),
        mood=Mood.WARN,
    )


def reconciled(record: Record) -> Telling:
    """Found out later."""
    said = Said(record.data)
    outcome = said.text("outcome")
    found, mood = _OUTCOMES.get(outcome, (plain(outcome) or "its outcome", Mood.PLAIN))
    return Telling(
        headline=f"{_name(record)}: now it is known, {found}",
        why=_EVIDENCE.get(said.text("evidence"), "The same request was sent again, which can't charge twice."),
        facts=codes(said) + _charge(said) + card(said) + _provider_next(said),
        mood=mood,
    )


_OUTCOMES = {
    "succeeded": ("it succeeded", Mood.GOOD),
    "declined": ("it was declined", Mood.BAD),
    "not_charged": ("nothing was charged", Mood.PLAIN),
}
_EVIDENCE = {
    "read": "The provider's own records say so.",
    "webhook": "The provider told us.",
    "operator": "An operator looked it up.",
}
