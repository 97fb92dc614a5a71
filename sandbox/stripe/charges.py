"""Stripe's charges, approved and declined, with the codes and messages of a decline."""

from sandbox import models
from sandbox.models import Decline, Document
from sandbox.stripe.documents import billing_details, charge_method_details

DECLINES_WITH_OWN_ERROR_CODE = frozenset(
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

DECLINE_MESSAGES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}


def error_code(decline: Decline) -> str:
    """The `code` that comes with a decline code."""
    return decline.code or (
        decline.decline_code if decline.decline_code in DECLINES_WITH_OWN_ERROR_CODE else "card_declined"
    )


def failure_code(decline: Decline, method: Document) -> str:
    """What a failed charge is marked with: a debit's reason has no other code beside it."""
    return error_code(decline) if method["type"] == "card" else decline.code or decline.decline_code


def customer_message(decline: Decline) -> str:
    """What Stripe would tell the customer."""
    return decline.message or DECLINE_MESSAGES.get(decline.decline_code, "Your card was declined.")


def build_charge(intent: Document, method: Document, now: int) -> Document:
    """A charge that the network approved."""
    return {
        "id": models.new_object_id("ch"),
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
        "outcome": charge_outcome("authorized", "approved_by_network", "Payment complete."),
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": charge_method_details(method),
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        **dict.fromkeys(("on_behalf_of", "shipping", "source_transfer", "transfer_data", "transfer_group")),
        **dict.fromkeys(("statement_descriptor", "statement_descriptor_suffix")),
        "status": "succeeded",
    }


def charge_outcome(kind: str, network_status: str, seller_message: str, decline: Decline | None = None) -> Document:
    """The `outcome` of a charge: the network's status and the provider's risk level."""
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


def build_pending_charge(intent: Document, method: Document, now: int) -> Document:
    """A debit that was sent to the bank, which has days to answer."""
    waiting = {"status": "pending", "paid": False, "amount_captured": 0}
    return (
        build_charge(intent, method, now)
        | waiting
        | {"outcome": charge_outcome("authorized", "approved_by_network", "Pending.")}
    )


def build_declined_charge(intent: Document, method: Document, decline: Decline, now: int) -> Document:
    """A charge that was refused; nothing was captured."""
    return {
        **build_charge(intent, method, now),
        "amount_captured": 0,
        "captured": False,
        "failure_code": failure_code(decline, method),
        "failure_message": customer_message(decline),
        "outcome": charge_outcome(decline.outcome_type, decline.network_status, customer_message(decline), decline),
        "paid": False,
        "status": "failed",
    }


def payment_error(decline: Decline, charge_id: str, method: Document) -> Document:
    """What `last_payment_error` and the body of a 402 have in common."""
    error = {
        "advice_code": decline.advice_code,
        "charge": charge_id,
        "code": failure_code(decline, method),
        "decline_code": decline.decline_code,
        "message": customer_message(decline),
        "network_advice_code": decline.network_advice_code,
        "network_decline_code": decline.network_decline_code,
        "payment_method": method,
        "type": "card_error" if method["type"] == "card" else "invalid_request_error",
    }
    return {name: value for name, value in error.items() if value is not None}
