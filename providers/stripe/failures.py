"""Why a payment failed: the codes that Stripe keeps in an error, a charge or a payment intent, and the card."""

from typing import Final

from core.payments import Card, Failure, Risk
from providers.fields import Fields

AUTHENTICATION_REQUIRED: Final = "authentication_required"
_ASKS_FOR_AUTHENTICATION: Final = frozenset(
    {"invoice_payment_intent_requires_action", "subscription_payment_intent_requires_action"}
)
_SAYS_LITTLE: Final = frozenset({"card_declined", "generic_decline", "payment_intent_payment_attempt_failed"})
"""Codes that give way to any other one: the reason may stand elsewhere."""
_NETWORKS: Final = {"american express": "amex", "american_express": "amex", "diners club": "diners"}
NOT_SENT: Final = "not_sent_to_network"
"""Stripe refused it by itself: no try of the card network was used."""
NOTHING: Final = Failure()


def needs_customer(intent: Fields) -> bool:
    """Whether a payment intent waits for the customer; the second name is of API versions before 2019."""
    return intent.code("status") in {"requires_action", "requires_source_action"}


def says_little(failure: Failure) -> bool:
    """Whether the exact reason, if there is one, must stand elsewhere."""
    return failure.code is None or failure.code in _SAYS_LITTLE


def of_error(error: Fields) -> Failure:
    """The codes of a payment error: of a 402 answer or of `payment_intent.last_payment_error`."""
    code = error.code("decline_code") or error.code("code")
    method = _method(error)
    return Failure(
        code=AUTHENTICATION_REQUIRED if code in _ASKS_FOR_AUTHENTICATION else code,
        advice=error.code("advice_code"),
        network=card_of(error).network,
        network_code=error.code("network_decline_code"),
        network_advice=error.code("network_advice_code"),
        method_id=method.id("id"),
        charge_id=error.id("charge"),
    )


def of_charge(charge: Fields) -> Failure:
    """The codes of a failed charge; an issuer's decline is named in the outcome, more exactly than in the code."""
    outcome = charge.child("outcome")
    by_issuer = outcome.code("reason") if outcome.code("type") == "issuer_declined" else None
    return Failure(
        code=by_issuer or charge.code("failure_code"),
        advice=outcome.code("advice_code"),
        network=card_of_charge(charge).network,
        network_code=outcome.code("network_decline_code"),
        network_advice=outcome.code("network_advice_code"),
        outcome=outcome.code("type"),
        outcome_reason=outcome.code("reason"),
        network_status=NOT_SENT if outcome.code("network_status") == NOT_SENT else None,
        method_id=charge.id("payment_method"),
        charge_id=charge.id("id"),
    )


def of_payment(intent: Fields, charge: Fields) -> Failure:
    """What an intent and its latest charge say. One that waits for the customer has no decline of its own."""
    if needs_customer(intent):
        return Failure(code=AUTHENTICATION_REQUIRED, method_id=intent.id("payment_method"))
    error = of_error(intent.child("last_payment_error"))
    failed = of_charge(charge) if charge.code("status") == "failed" else NOTHING
    about_another = error.charge_id and failed.charge_id and error.charge_id != failed.charge_id
    return failed if about_another else merged(error, failed)


def merged(*failures: Failure | None) -> Failure:
    """Each code from the first failure that has it; a code that says little gives way to a later exact one."""
    known: dict[str, str] = {}
    for failure in failures:
        for name, value in failure.model_dump(exclude_none=True).items() if failure else ():
            if name not in known or (name == "code" and known[name] in _SAYS_LITTLE and value not in _SAYS_LITTLE):
                known[name] = value
    return Failure(**known)


def card_of(error: Fields) -> Card:
    """The card that an error is about."""
    method = _method(error)
    return _card(method if method.raw.get("object") == "card" else method.child("card"))


def card_of_charge(charge: Fields) -> Card:
    """The card that a charge was made on."""
    source = charge.expanded("source")
    return _card(charge.child("payment_method_details").child("card") or source)


def card_of_method(method: Fields) -> Card:
    """The card of a payment method, or of a source of older integrations."""
    return _card(method.child("card") or method)


def risk_of(charge: Fields, early_warning: bool | None) -> Risk:
    """Radar's opinion of a charge, exactly as it stands there."""
    outcome = charge.child("outcome")
    return Risk(
        level=outcome.code("risk_level"),
        score=outcome.whole("risk_score"),
        early_warning=early_warning,
        disputed=charge.flag("disputed"),
    )


def cards_merged(first: Card, second: Card) -> Card:
    """Each fact from the first card that has it."""
    return Card(**(second.model_dump(exclude_none=True) | first.model_dump(exclude_none=True)))


def _method(error: Fields) -> Fields:
    """The payment method, or the source of older integrations."""
    return error.expanded("payment_method") or error.expanded("source")


def _card(card: Fields) -> Card:
    brand = (card.code("network") or _brand(card) or "").lower()
    return Card(
        fingerprint=card.code("fingerprint"),
        network=None if brand in {"", "unknown"} else _NETWORKS.get(brand, brand),
        last4=card.code("last4"),
        country=card.code("country"),
        funding=card.code("funding"),
    )


def _brand(card: Fields) -> str | None:
    """Sources spell brands as people do, with spaces."""
    brand = card.raw.get("brand")
    return brand if isinstance(brand, str) and brand.lower() in _NETWORKS else card.code("brand")
