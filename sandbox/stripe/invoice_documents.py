"""Stripe's objects of a payment: invoice, its payment, payment intent. Field names are Stripe's own."""

from sandbox import models
from sandbox.models import Document


def build_invoice(invoice_id: str, customer: Document, amount: int, currency: str, now: int) -> Document:
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
        "test_clock": customer["test_clock"],
    }


def _invoice_constants() -> Document:
    return {
        "object": "invoice",
        "account_country": "US",
        "account_name": "Sandbox",
        **dict.fromkeys(("account_tax_ids", "custom_fields", "customer_phone", "customer_shipping", "on_behalf_of")),
        **dict.fromkeys(("rendering", "shipping_cost", "shipping_details")),
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "issuer": {"type": "self"},
        "payment_settings": dict.fromkeys(("default_mandate", "payment_method_options", "payment_method_types")),
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
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    }


def subscription_parent(subscription_id: str, metadata: dict[str, str]) -> Document:
    """The `parent` of an invoice that a subscription made."""
    details = {"metadata": metadata, "subscription": subscription_id}
    return {"quote_details": None, "subscription_details": details, "type": "subscription_details"}


def finalize_draft(document: Document, now: int) -> Document:
    """Make a draft payable: status open, a number, and the page where the customer can pay."""
    document["status"] = "open"
    document["number"] = f"SBX-{models.stable_fingerprint(document['id'])[:8].upper()}"
    document["hosted_invoice_url"] = f"https://invoice.stripe.com/i/acct_sandbox/test_{document['id']}"
    document["status_transitions"]["finalized_at"] = now
    return document


def build_payment_intent(of: Document, now: int, intent_id: str | None = None) -> Document:
    """The payment intent of an invoice, before any attempt."""
    intent_id = intent_id or models.new_object_id("pi")
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
        "client_secret": f"{intent_id}_secret_{models.stable_fingerprint(intent_id)}",
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


NEXT_ACTION_DETAILS = {
    "display_bank_transfer_instructions": {"amount_remaining": 0, "type": "us_bank_transfer"},
    "redirect_to_url": {"url": "https://hooks.stripe.com/redirect", "return_url": None},
    "use_stripe_sdk": {"type": "three_d_secure_redirect"},
    "verify_with_microdeposits": {"microdeposit_type": "descriptor_code"},
}
"""What stands in a next action, as far as anybody looks at it."""


def requires_action_fields(method: Document, action: str) -> Document:
    """What a payment intent looks like that waits for the customer (docs.stripe.com/api/payment_intents/object)."""
    asked = {"type": action, action: NEXT_ACTION_DETAILS.get(action, {})}
    types = {"payment_method_types": [method["type"]]}
    return {"status": "requires_action", "payment_method": method["id"], "next_action": asked} | types


def build_invoice_payment(of: Document, intent: Document, now: int) -> Document:
    """The link between an invoice and its payment intent."""
    return {
        "id": models.new_object_id("inpay"),
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
