"""How stored documents look in each API shape. Documents are stored as the newer API shows them."""

from sandbox.models import Document, Shape

FIELDS_GONE_IN_LEGACY = (
    "amount_overpaid",
    "amount_paid_off_stripe",
    "confirmation_secret",
    "customer_account",
    "parent",
    "payments",
    "total_taxes",
)


def shape_invoice(document: Document, shape: Shape, intent: Document | None) -> Document:
    """An invoice in the wanted shape; `intent` is the payment intent of its default payment."""
    if shape is Shape.BASIL:
        return document
    kept = {name: value for name, value in document.items() if name not in FIELDS_GONE_IN_LEGACY}
    details = (document.get("parent") or {}).get("subscription_details") or {}
    return kept | {
        "charge": intent["latest_charge"] if intent else None,
        "payment_intent": intent["id"] if intent else None,
        "paid": document["status"] == "paid",
        "paid_out_of_band": document["amount_paid_off_stripe"] > 0,
        "quote": None,
        "subscription": details.get("subscription"),
        "subscription_details": {"metadata": details.get("metadata")},
        "tax": None,
        "total_tax_amounts": [],
    }


def shape_payment(document: Document, shape: Shape, invoice_id: str | None) -> Document:
    """A payment intent or charge; the older API names its invoice, the newer one doesn't."""
    if shape is Shape.BASIL:
        return document
    kept = {name: value for name, value in document.items() if name != "customer_account"}
    return kept | {"invoice": invoice_id}


def confirmation_secret(intent: Document | None) -> Document | None:
    """What the newer API gives for 3-D Secure in place of the payment intent's secret."""
    return {"client_secret": intent["client_secret"], "type": "payment_intent"} if intent else None
