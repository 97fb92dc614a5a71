"""Stripe's objects of a payment: invoice, its payment, payment intent, charge. Field names are Stripe's own."""

from sandbox import ids
from sandbox.documents import billing_details
from sandbox.models import Decline, Document

OWN_CODE = frozenset(
    {
        "authentication_required",
        "expired_card",
        "incorrect_address",
        "incorrect_cvc",
        "incorrect_number",
        "incorrect_zip",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "processing_error",
    }
)
"""Decline codes that Stripe also gives as the error's `code`; every other one comes with `card_declined`."""

MESSAGES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}


def error_code(decline: Decline) -> str:
    """The `code` that comes with a decline code."""
    return decline.code or (decline.decline_code if decline.decline_code in OWN_CODE else "card_declined")


def message(decline: Decline) -> str:
    """What Stripe would tell the customer."""
    return decline.message or MESSAGES.get(decline.decline_code, "Your card was declined.")


def invoice(invoice_id: str, customer: Document, amount: int, currency: str, now: int) -> Document:
    """A draft invoice of one line, collected automatically."""
    return {
        **_invoice_constants(),
        **_invoice_amounts(amount),
        "id": invoice_id,
        "created": now,
        "currency": currency,
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "effective_at": now,
        "lines": {"object": "list", "data": [], "has_more": False, "url": f"/v1/invoices/{invoice_id}/lines"},
        "livemode": customer["livemode"],
        "period_end": now,
        "period_start": now,
    }


def _invoice_constants() -> Document:
    return {
        "object": "invoice",
        "account_country": "US",
        "account_name": "Sandbox",
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": False,
        "automatically_finalizes_at": None,
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "customer_account": None,
        "default_payment_method": None,
        "default_source": None,
        "description": None,
        "discounts": [],
        "due_date": None,
        "ending_balance": 0,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "last_finalization_error": None,
        "latest_revision": None,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "parent": None,
        "receipt_number": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        "test_clock": None,
        "webhooks_delivered_at": None,
    }


def _invoice_amounts(amount: int) -> Document:
    return {
        "amount_due": amount,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_remaining": amount,
        "amount_shipping": 0,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_excluding_tax": amount,
        "total_taxes": [],
    }


def subscription_parent(subscription_id: str, metadata: dict[str, str]) -> Document:
    """The `parent` of an invoice that a subscription made."""
    details = {"metadata": metadata, "subscription": subscription_id}
    return {"quote_details": None, "subscription_details": details, "type": "subscription_details"}


def finalize(document: Document, now: int) -> Document:
    """Make a draft payable: status open, a number, and the page where the customer can pay."""
    document["status"] = "open"
    document["number"] = f"SBX-{ids.fingerprint(document['id'])[:8].upper()}"
    document["hosted_invoice_url"] = f"https://invoice.stripe.com/i/acct_sandbox/test_{document['id']}"
    document["status_transitions"]["finalized_at"] = now
    return document


def payment_intent(of: Document, now: int, intent_id: str | None = None) -> Document:
    """The payment intent of an invoice, before any attempt."""
    intent_id = intent_id or ids.new("pi")
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": of["amount_remaining"] or of["amount_due"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{intent_id}_secret_{ids.fingerprint(intent_id)}",
        "confirmation_method": "automatic",
        "created": now,
        "currency": of["currency"],
        "customer": of["customer"],
        "customer_account": None,
        "description": of["description"],
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": of["livemode"],
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def invoice_payment(of: Document, intent: Document, now: int) -> Document:
    """The link between an invoice and its payment intent."""
    return {
        "id": ids.new("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": intent["amount"],
        "created": now,
        "currency": intent["currency"],
        "invoice": of["id"],
        "is_default": True,
        "livemode": of["livemode"],
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def charge(intent: Document, method: Document, now: int) -> Document:
    """A charge that the network approved."""
    return {
        "id": ids.new("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": billing_details(),
        "calculated_statement_descriptor": None,
        "captured": True,
        "created": now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": intent["livemode"],
        "metadata": {},
        "outcome": outcome("authorized", "approved_by_network", "Payment complete."),
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": _charged_card(method["card"]), "type": "card"},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "status": "succeeded",
    }


def _charged_card(card: Document) -> Document:
    kept = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    extra = {"network": card["brand"], "three_d_secure": None, "mandate": None}
    return {**{name: card[name] for name in kept}, **extra, "wallet": None}


def outcome(kind: str, network_status: str, seller_message: str, decline: Decline | None = None) -> Document:
    """The network's and Radar's word on a charge."""
    return {
        "advice_code": decline.advice_code if decline else None,
        "network_advice_code": decline.network_advice_code if decline else None,
        "network_decline_code": decline.network_decline_code if decline else None,
        "network_status": network_status,
        "reason": (decline.reason or decline.decline_code) if decline else None,
        "risk_level": decline.risk_level if decline else "normal",
        "risk_score": decline.risk_score if decline else 20,
        "seller_message": seller_message,
        "type": kind,
    }


def declined_charge(intent: Document, method: Document, decline: Decline, now: int) -> Document:
    """A charge that was refused; nothing was captured."""
    return {
        **charge(intent, method, now),
        "amount_captured": 0,
        "captured": False,
        "failure_code": error_code(decline),
        "failure_message": message(decline),
        "outcome": outcome(decline.outcome_type, decline.network_status, message(decline), decline),
        "paid": False,
        "status": "failed",
    }


def payment_error(decline: Decline, charge_id: str, method: Document) -> Document:
    """What `last_payment_error` and the body of a 402 have in common."""
    error = {
        "advice_code": decline.advice_code,
        "charge": charge_id,
        "code": error_code(decline),
        "decline_code": decline.decline_code,
        "message": message(decline),
        "network_advice_code": decline.network_advice_code,
        "network_decline_code": decline.network_decline_code,
        "payment_method": method,
        "type": "card_error",
    }
    return {name: value for name, value in error.items() if value is not None}
