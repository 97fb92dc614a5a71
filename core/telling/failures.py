"""A failed payment and what was found out about it."""

from core.events import Record
from core.telling.said import Said
from core.telling.telling import (
    Fact,
    Mood,
    Telling,
    amount,
    at,
    code,
    facts,
    joined,
    lasting,
    named,
    sentence,
)
from core.telling.words import ABILITIES, CATEGORIES, CAUSES, cause_name, plain


def codes(said: Said) -> tuple[Fact, ...]:
    """What provider, network and bank answered, in their own codes."""
    failure = said.inner("failure")
    return facts(
        ("Provider's code", code(failure.text("code"))),
        ("Network's code", code(failure.text("network_code"))),
        ("Network's advice", code(failure.text("network_advice"))),
        ("Provider's advice", code(failure.text("advice"))),
    )


def card(said: Said) -> tuple[Fact, ...]:
    """Which card, as far as may be known."""
    found = said.inner("card")
    ending = f"ending in {found.text('last4')}" if found.text("last4") else ""
    network = found.text("network").capitalize()
    return facts(("Card", joined((network, ending, found.text("funding"), found.text("country")))))


def failed(record: Record) -> Telling:
    """The provider announced a failure."""
    said = Said(record.data)
    again = said.moment("next_provider_attempt")
    return Telling(
        headline="The payment failed again at the provider" if record.sequence > 1 else "The payment failed",
        why="The provider will try again by itself; we stay out of its way." if again else "",
        facts=facts(
            ("Amount", amount(said.number("amount"), said.text("currency"))),
            ("Provider's own next try", at(again)),
            ("Provider's own tries so far", _counted(said.number("provider_attempt"))),
            ("Told by", code(said.text("event_type"))),
        )
        + codes(said)
        + card(said),
        mood=Mood.BAD,
    )


def _counted(tries: int | None) -> str:
    """Providers that don't count say the second of the try instead."""
    return str(tries) if tries and tries < 1000 else ""


def classified(record: Record) -> Telling:
    """What the failure is."""
    said = Said(record.data)
    cause, fee = said.text("cause"), said.inner("network_fee")
    return Telling(
        headline=f"Why it failed: {cause_name(cause) or 'not known'}",
        why=CAUSES[cause][1] if cause in CAUSES else "",
        facts=facts(
            ("Kind", CATEGORIES.get(said.text("category"), plain(said.text("category")))),
            ("Decided by", code(said.text("decided_by"))),
            ("Source", said.text("source")),
            ("Can be charged", ABILITIES.get(said.text("ability"), "")),
            ("Asked to wait", lasting(said.number("wait_seconds"))),
            ("Could not be read", joined(map(plain, said.texts("missing")))),
            ("Network fee caused", amount(fee.number("amount"), fee.text("currency").upper())),
        )
        + codes(said)
        + card(said),
    )


def segmented(record: Record) -> Telling:
    """Which rules of the policy count for this customer."""
    said = Said(record.data)
    tries = said.number("attempts_allowed")
    name = said.text("segment")
    return Telling(
        headline=f"Customer group: {plain(name) or 'not known'}",
        why=_because(said.text("why")),
        facts=facts(
            ("Retries allowed", None if tries is None else str(tries)),
            ("Time for retries ends", at(said.moment("window_ends_at"))),
            ("Messages", named(said.text("campaign"))),
            ("Rule", code(said.text("rule"))),
        ),
    )


def _because(why: str) -> str:
    """`tenure_days is 0` is how a rule says it."""
    seen = [part.partition(" is ") for part in why.split(", ")]
    if not all(found for _, found, _ in seen):
        return sentence(why)
    return sentence(joined(f"{_PROFILE.get(name, plain(name))}: {value}" for name, _, value in seen))


_PROFILE = {
    "tenure_days": "days as a customer",
    "lifetime_value": "paid so far, in minor units",
    "invoice_amount": "amount of the invoice, in minor units",
    "open_recoveries": "other failed payments",
    "successes": "payments recovered before",
    "failures": "payments lost before",
}


def assessed(record: Record) -> Telling:
    """How suspicious it is."""
    said = Said(record.data)
    level, score = said.text("level"), said.number("score")
    risk, own = said.text("radar_level"), said.number("radar_score")
    return Telling(
        headline=_LEVELS.get(level, f"Fraud check: {plain(level) or 'not known'}"),
        why=sentence("; ".join(said.texts("reasons"))),
        facts=facts(
            ("Risk score", f"{score} of 100" if score is not None else ""),
            ("Provider's risk level", named(risk)),
            ("Provider's risk score", "" if own is None else str(own)),
            ("Card network's warning", "yes" if said.yes("early_warning") else ""),
            ("Disputed", "yes" if said.yes("disputed") else ""),
        ),
        mood=_MOODS.get(level, Mood.PLAIN),
    )


_LEVELS = {
    "clear": "Fraud check: nothing suspicious",
    "review": "Fraud check: a person should look at this",
    "block": "Fraud check: too suspicious to be charged",
}
_MOODS = {"review": Mood.WARN, "block": Mood.BAD}
