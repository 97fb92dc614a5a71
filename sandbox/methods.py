"""Payment methods of every type, and how a charge shows them. Source: docs.stripe.com/api/payment_methods/object."""

from sandbox import ids
from sandbox.models import Card, Document

DEBIT_TYPES = frozenset(
    {"acss_debit", "au_becs_debit", "bacs_debit", "nz_bank_account", "sepa_debit", "us_bank_account"}
)
"""Methods whose payment is `processing` for days (docs.stripe.com/payments/payment-methods: delayed notification)."""


def method_details(type_: str, card: Card, method_id: str) -> Document:
    """What stands under the name of the type; of most wallets and transfers nothing that matters here."""
    if type_ == "card":
        return _card_details(card, method_id)
    known: Document = {"fingerprint": card.fingerprint or ids.stable_fingerprint(method_id), "last4": card.last4}
    match type_:
        case "us_bank_account":
            plain = {"account_holder_type": "individual", "account_type": "checking", "bank_name": "STRIPE TEST BANK"}
            return {**plain, **known, "routing_number": "110000000", "status_details": {}}
        case "sepa_debit":
            return {"bank_code": "37040044", "branch_code": "", "country": card.country, **known}
        case "link":
            return {"email": None, "persistent_token": None}
    return known if type_ in DEBIT_TYPES else {}


def _card_details(card: Card, method_id: str) -> Document:
    return {
        "brand": card.brand,
        "checks": dict.fromkeys(("address_line1_check", "address_postal_code_check", "cvc_check")),
        "country": card.country,
        "display_brand": card.brand,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "fingerprint": card.fingerprint or ids.stable_fingerprint(method_id),
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def charge_method_details(method: Document) -> Document:
    """The `payment_method_details` of a charge."""
    type_ = method["type"]
    if type_ != "card":
        return {type_: dict(method[type_]), "type": type_}
    card = method["card"]
    kept = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    extra = {"network": card["brand"], "three_d_secure": None, "mandate": None}
    return {"card": {**{name: card[name] for name in kept}, **extra, "wallet": None}, "type": type_}
