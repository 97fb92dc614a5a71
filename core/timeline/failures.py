"""Describes a failed payment, its classification, the customer's segment and the fraud assessment."""

from core.events import Record
from core.timeline.entries import (
    EventDescription,
    Fact,
    Mood,
    TolerantData,
    amount_value,
    code_value,
    duration_value,
    join_parts,
    known_facts,
    label_value,
    moment_value,
    to_sentence,
)
from core.timeline.labels import ABILITIES, CATEGORIES, CAUSES, cause_name, to_plain_words


def code_facts(data: TolerantData) -> tuple[Fact, ...]:
    """The raw codes of provider and network."""
    failure = data.read_object("failure")
    return known_facts(
        ("Provider's code", code_value(failure.read_text("code"))),
        ("Network's code", code_value(failure.read_text("network_code"))),
        ("Network's advice", code_value(failure.read_text("network_advice"))),
        ("Provider's advice", code_value(failure.read_text("advice"))),
    )


def card_facts(data: TolerantData) -> tuple[Fact, ...]:
    """The card: network, last four digits, funding and country."""
    found = data.read_object("card")
    ending = f"ending in {found.read_text('last4')}" if found.read_text("last4") else ""
    network = found.read_text("network").capitalize()
    return known_facts(("Card", join_parts((network, ending, found.read_text("funding"), found.read_text("country")))))


def describe_failure(record: Record) -> EventDescription:
    """A failed payment that the provider reported."""
    data = TolerantData(record.data)
    again = data.read_moment("next_provider_attempt")
    return EventDescription(
        headline="The payment failed again at the provider" if record.sequence > 1 else "The payment failed",
        why="The provider will retry by itself; until then nothing is charged here." if again else "",
        facts=known_facts(
            ("Amount", amount_value(data.read_number("amount"), data.read_text("currency"))),
            ("Provider's own next attempt", moment_value(again)),
            ("Provider's own attempts so far", _attempt_count(data.read_number("provider_attempt"))),
            ("Reported by", code_value(data.read_text("event_type"))),
        )
        + code_facts(data)
        + card_facts(data),
        mood=Mood.BAD,
    )


def _attempt_count(tries: int | None) -> str:
    """The count as text; empty for a Unix second, which stands there if the provider doesn't count its attempts."""
    return str(tries) if tries and tries < 1000 else ""


def describe_classification(record: Record) -> EventDescription:
    """The classification: category, cause, and the table row that decided."""
    data = TolerantData(record.data)
    cause, fee = data.read_text("cause"), data.read_object("network_fee")
    return EventDescription(
        headline=f"Why it failed: {cause_name(cause) or 'not known'}",
        why=CAUSES[cause][1] if cause in CAUSES else "",
        facts=known_facts(
            ("Kind", CATEGORIES.get(data.read_text("category"), to_plain_words(data.read_text("category")))),
            ("Decided by", code_value(data.read_text("decided_by"))),
            ("Source", data.read_text("source")),
            ("Can be charged", ABILITIES.get(data.read_text("ability"), "")),
            ("Asked to wait", duration_value(data.read_number("wait_seconds"))),
            ("Could not be read", join_parts(map(to_plain_words, data.read_texts("missing")))),
            ("Network fee caused", amount_value(fee.read_number("amount"), fee.read_text("currency").upper())),
        )
        + code_facts(data)
        + card_facts(data),
    )


def describe_segment(record: Record) -> EventDescription:
    """The customer's segment, with its retry budget, window and campaign."""
    data = TolerantData(record.data)
    tries = data.read_number("attempts_allowed")
    name = data.read_text("segment")
    return EventDescription(
        headline=f"Customer group: {to_plain_words(name) or 'not known'}",
        why=_segment_reason(data.read_text("why")),
        facts=known_facts(
            ("Retries allowed", None if tries is None else str(tries)),
            ("Time for retries ends", moment_value(data.read_moment("window_ends_at"))),
            ("Messages", label_value(data.read_text("campaign"))),
            ("Rule", code_value(data.read_text("rule"))),
        ),
    )


def _segment_reason(why: str) -> str:
    """The reason with readable field names: `tenure_days is 0` becomes `Days as a customer: 0.`"""
    seen = [part.partition(" is ") for part in why.split(", ")]
    if not all(found for _, found, _ in seen):
        return to_sentence(why)
    return to_sentence(join_parts(f"{_PROFILE.get(name, to_plain_words(name))}: {value}" for name, _, value in seen))


_PROFILE = {
    "tenure_days": "days as a customer",
    "lifetime_value": "paid so far, in minor units",
    "invoice_amount": "amount of the invoice, in minor units",
    "open_recoveries": "other failed payments",
    "successes": "payments recovered before",
    "failures": "payments lost before",
}


def describe_fraud_assessment(record: Record) -> EventDescription:
    """The fraud assessment: level, score, reasons, and what the provider says."""
    data = TolerantData(record.data)
    level, score = data.read_text("level"), data.read_number("score")
    # Stored keys of the first release; they hold any provider's risk level and score.
    risk, own = data.read_text("radar_level"), data.read_number("radar_score")
    return EventDescription(
        headline=_LEVELS.get(level, f"Fraud check: {to_plain_words(level) or 'not known'}"),
        why=to_sentence("; ".join(data.read_texts("reasons"))),
        facts=known_facts(
            ("Risk score", f"{score} of 100" if score is not None else ""),
            ("Provider's risk level", label_value(risk)),
            ("Provider's risk score", "" if own is None else str(own)),
            ("Card network's warning", "yes" if data.is_true("early_warning") else ""),
            ("Disputed", "yes" if data.is_true("disputed") else ""),
        ),
        mood=_MOODS.get(level, Mood.PLAIN),
    )


_LEVELS = {
    "clear": "Fraud check: nothing suspicious",
    "review": "Fraud check: a person has to review this",
    "block": "Fraud check: too suspicious to be charged",
}
_MOODS = {"review": Mood.WARN, "block": Mood.BAD}
