"""Which card a pay call would charge. Nothing but the count of tries depends on it, so no failure is an error."""

from typing import Final

from core.payments import Card
from providers.fields import Fields
from providers.stripe.api import StripeApi, path
from providers.stripe.failures import card_of_method
from providers.stripe.reading import optional

EXPANDED: Final = (
    "default_payment_method",
    "customer.invoice_settings.default_payment_method",
    "parent.subscription_details.subscription.default_payment_method",
)


async def read_card(api: StripeApi, invoice_id: str, method_id: str | None) -> Card | None:
    """The card of this method; without one, of the method that Stripe takes by default."""
    if method_id:
        method = await optional(api, path("payment_methods", method_id))
    else:
        invoice = await optional(api, path("invoices", invoice_id), expand=list(EXPANDED))
        method = _default(invoice) if invoice else None
    card = card_of_method(method) if method else None
    return card if card and card.fingerprint else None


def _default(invoice: Fields) -> Fields | None:
    """The invoice's own method goes first, then the subscription's, then the customer's."""
    customer = invoice.expanded("customer")
    subscription = invoice.child("parent").child("subscription_details").expanded("subscription")
    for owner in (invoice, subscription, customer.child("invoice_settings")):
        if method := owner.expanded("default_payment_method"):
            return method
    return None
