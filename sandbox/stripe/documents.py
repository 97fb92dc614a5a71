"""Stripe's objects around a payment: customer, card, subscription, dispute, warning. Field names are Stripe's own."""

from sandbox import models
from sandbox.models import Card, Document

NO_ADDRESS: Document = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def build_address(country: str | None) -> Document:
    """An address of which only the country is known."""
    return {**NO_ADDRESS, "country": country}


def build_customer(customer_id: str, now: int, livemode: bool = False) -> Document:
    """A customer without a card."""
    return {
        "id": customer_id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": models.stable_fingerprint(customer_id)[:7].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": livemode,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def build_payment_method(method_id: str, card: Card, now: int, livemode: bool = False, type_: str = "card") -> Document:
    """A payment method that isn't attached to anyone."""
    return {
        "id": method_id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing_details(),
        type_: method_details(type_, card, method_id),
        "created": now,
        "customer": None,
        "customer_account": None,
        "livemode": livemode,
        "metadata": {},
        "type": type_,
    }


def billing_details(email: str | None = None, name: str | None = None, country: str | None = None) -> Document:
    """Who the card belongs to."""
    return {"address": build_address(country), "email": email, "name": name, "phone": None, "tax_id": None}


def build_subscription(subscription_id: str, customer_id: str, invoice_id: str, now: int) -> Document:
    """A monthly subscription whose latest invoice could not be paid; items are left empty."""
    return {
        "id": subscription_id,
        "object": "subscription",
        "application": None,
        "billing_cycle_anchor": now,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": None,
        "customer": customer_id,
        "default_payment_method": None,
        "default_source": None,
        "description": None,
        "ended_at": None,
        "items": {"object": "list", "data": [], "has_more": False, "url": "/v1/subscription_items"},
        "latest_invoice": invoice_id,
        "livemode": False,
        "metadata": {},
        "pause_collection": None,
        "start_date": now,
        "status": "past_due",
        "test_clock": None,
    }


def build_dispute(charge: Document, now: int, reason: str, status: str = "needs_response") -> Document:
    """A dispute of the whole charge that waits for the merchant's answer."""
    return {
        "id": models.new_object_id("dp"),
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {},
        "evidence_details": {
            "due_by": now + 604_800,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": charge["livemode"],
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": _disputed_method_details(charge),
        "reason": reason,
        "status": status,
    }


def _disputed_method_details(charge: Document) -> Document:
    type_ = charge["payment_method_details"]["type"]
    if type_ != "card":
        return {"type": type_}
    brand = charge["payment_method_details"]["card"]["brand"]
    card = {"brand": brand, "case_type": "chargeback", "network": brand, "network_reason_code": "10.4"}
    return {"card": card, "type": type_}


def build_fraud_warning(charge: Document, now: int, fraud_type: str) -> Document:
    """An issuer's report of fraud; actionable until there is a dispute or a refund."""
    return {
        "id": models.new_object_id("issfr"),
        "object": "radar.early_fraud_warning",
        "actionable": True,
        "charge": charge["id"],
        "created": now,
        "fraud_type": fraud_type,
        "livemode": charge["livemode"],
        "payment_intent": charge["payment_intent"],
    }


DEBIT_TYPES = frozenset(
    {"acss_debit", "au_becs_debit", "bacs_debit", "nz_bank_account", "sepa_debit", "us_bank_account"}
)
"""Methods whose payment is `processing` for days (docs.stripe.com/payments/payment-methods: delayed notification)."""


def method_details(type_: str, card: Card, method_id: str) -> Document:
    """What stands under the name of the type; of most wallets and transfers nothing that matters here."""
    if type_ == "card":
        return _card_details(card, method_id)
    known: Document = {"fingerprint": card.fingerprint or models.stable_fingerprint(method_id), "last4": card.last4}
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
        "fingerprint": card.fingerprint or models.stable_fingerprint(method_id),
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
