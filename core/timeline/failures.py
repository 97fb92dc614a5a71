"""Describes a failed payment, its classification, the customer's segment and the fraud assessment."""

from core.events import Record
from core.events.decision_data import CustomerSegmented, FailureClassified, Fee, FraudAssessed
from core.events.money_data import PaymentFailed
from core.payments import Card, Failure
from core.timeline.entries import (
    EventDescription,
    Fact,
    FactValue,
    Mood,
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


def code_facts(failure: Failure | None) -> tuple[Fact, ...]:
    """The raw codes of provider and network."""
    if failure is None:
        return ()
    return known_facts(
        ("Provider's code", code_value(failure.code)),
        ("Network's code", code_value(failure.network_code)),
        ("Network's advice", code_value(failure.network_advice)),
        ("Provider's advice", code_value(failure.advice)),
    )


def card_facts(card: Card | None) -> tuple[Fact, ...]:
    """The card: network, last four digits, funding and country."""
    if card is None:
        return ()
    ending = f"ending in {card.last4}" if card.last4 else ""
    network = (card.network or "").capitalize()
    return known_facts(("Card", join_parts((network, ending, card.funding, card.country))))


def fee_value(fee: Fee | None) -> FactValue | None:
    """A network's published fee as an amount; None where there is none."""
    return amount_value(fee.amount, fee.currency.upper()) if fee else None


def describe_failure(record: Record) -> EventDescription:
    """A failed payment that the provider reported."""
    data = record.read(PaymentFailed)
    again = data.next_provider_attempt
    return EventDescription(
        headline="The payment failed again at the provider" if record.sequence > 1 else "The payment failed",
        why="The provider will retry by itself; until then nothing is charged here." if again else "",
        facts=known_facts(
            ("Amount", amount_value(data.amount, data.currency)),
            ("Provider's own next attempt", moment_value(again)),
            ("Provider's own attempts so far", _attempt_count(data.provider_attempt)),
            ("Reported by", code_value(data.event_type)),
        )
        + code_facts(data.failure)
        + card_facts(data.card),
        mood=Mood.BAD,
    )


def _attempt_count(tries: int | None) -> str:
    """The count as text; empty for a Unix second, which stands there if the provider doesn't count its attempts."""
    return str(tries) if tries and tries < 1000 else ""


def describe_classification(record: Record) -> EventDescription:
    """The classification: category, cause, and the table row that decided."""
    data = record.read(FailureClassified)
    return EventDescription(
        headline=f"Why it failed: {cause_name(data.cause)}",
        why=CAUSES[data.cause][1],
        facts=known_facts(
            ("Kind", CATEGORIES[data.category]),
            ("Decided by", code_value(data.decided_by)),
            ("Source", data.source),
            ("Can be charged", ABILITIES.get(data.ability) if data.ability else None),
            ("Asked to wait", duration_value(data.wait_seconds)),
            ("Could not be read", join_parts(map(to_plain_words, data.missing))),
            ("Network fee caused", fee_value(data.network_fee)),
        )
        + code_facts(data.failure)
        + card_facts(data.card),
    )


def describe_segment(record: Record) -> EventDescription:
    """The customer's segment, with its retry budget, window and campaign."""
    data = record.read(CustomerSegmented)
    tries = data.attempts_allowed
    return EventDescription(
        headline=f"Customer group: {to_plain_words(data.segment) or 'not known'}",
        why=_segment_reason(data.why or ""),
        facts=known_facts(
            ("Retries allowed", None if tries is None else str(tries)),
            ("Time for retries ends", moment_value(data.window_ends_at)),
            ("Messages", label_value(data.campaign)),
            ("Rule", code_value(data.rule)),
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
    data = record.read(FraudAssessed)
    # The `radar` keys of the first release hold any provider's risk level and score.
    level, score, own = data.level, data.score, data.radar_score
    return EventDescription(
        headline=_LEVELS.get(level, f"Fraud check: {to_plain_words(level) or 'not known'}"),
        why=to_sentence("; ".join(data.reasons)),
        facts=known_facts(
            ("Risk score", f"{score} of 100" if score is not None else ""),
            ("Provider's risk level", label_value(data.radar_level)),
            ("Provider's risk score", "" if own is None else str(own)),
            ("Card network's warning", "yes" if data.early_warning else ""),
            ("Disputed", "yes" if data.disputed else ""),
        ),
        mood=_MOODS.get(level, Mood.PLAIN),
    )


_LEVELS = {
    "clear": "Fraud check: nothing suspicious",
    "review": "Fraud check: a person has to review this",
    "block": "Fraud check: too suspicious to be charged",
}
_MOODS = {"review": Mood.WARN, "block": Mood.BAD}
