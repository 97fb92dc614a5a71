"""Which method Stripe charges when a pay call names none, by Stripe's own order.

Invoice, subscription, customer: docs.stripe.com/api/invoices/object (`default_payment_method`,
`default_source`), docs.stripe.com/api/subscriptions/object (the same), docs.stripe.com/api/customers/object
(`invoice_settings.default_payment_method` takes precedence over `default_source`). At each of them a payment method
goes before a source.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from core.payments import Card, PaymentMethod
from providers.fields import Fields
from providers.stripe.api import StripeApi, api_path, read_optional
from providers.stripe.cards import card_of_method

_METHOD: Final = "default_payment_method"
_SOURCE: Final = "default_source"
_LINKS: Final = frozenset({"parent", "subscription"})
"""Fields in which an invoice names its subscription: since API version 2025-03-31, and before."""


@dataclass(frozen=True)
class DefaultMethods:
    """The default methods in Stripe's order, and whether the first of them is certainly what would be charged."""

    methods: tuple[PaymentMethod, ...] = ()
    is_certain: bool = False

    @property
    def effective_method(self) -> PaymentMethod | None:
        """What a pay call that names no method charges; None if there is none, or if it isn't certain."""
        return self.methods[0] if self.methods and self.is_certain else None

    @property
    def method_ids(self) -> tuple[str, ...]:
        """The ids of all defaults, each once."""
        return tuple(dict.fromkeys(method.method_id for method in self.methods))


async def read_default_methods(
    api: StripeApi, invoice: Fields, subscription: Fields | None, customer: Fields | None
) -> DefaultMethods:
    """The defaults with their cards. An owner is None if it exists but could not be read, and empty if there is none.

    That there is no default at all must be stated: Stripe always shows these fields, as null if nothing is set, but a
    server that is only compatible with Stripe leaves out what it doesn't know. Raises InvalidField.
    """
    settings = None if customer is None else customer.child("invoice_settings")
    places = [(owner, name) for owner in (invoice, subscription) for name in (_METHOD, _SOURCE)]
    places += [(settings, _METHOD), (customer, _SOURCE)]
    named = [(owner, name) for owner, name in places if owner and owner.id(name)]
    # An owner that could not be read may hold a default that goes before all later ones.
    unread = next((at for at, (owner, _) in enumerate(places) if owner is None), len(places))
    before = any(owner and owner.id(name) for owner, name in places[:unread])
    found = await asyncio.gather(*(_read_default_method(api, owner, name) for owner, name in named))
    # A default found in an owner that was read goes before all that could stand in a later one.
    sure = bool(found) or _is_complete(invoice, subscription, customer)
    return DefaultMethods(tuple(found), is_certain=before or (unread == len(places) and sure))


def _is_complete(invoice: Fields, subscription: Fields | None, customer: Fields | None) -> bool:
    """Whether every field was delivered in which a default could stand; a deleted customer has no defaults."""
    if customer is None or subscription is None:
        return False
    both = {_METHOD, _SOURCE}
    linked = bool(_LINKS & invoice.raw.keys()) and (not subscription or both <= subscription.raw.keys())
    own = _METHOD in customer.child("invoice_settings").raw and _SOURCE in customer.raw
    return bool(customer.flag("deleted")) or (both <= invoice.raw.keys() and linked and own)


async def defaults_unless_stored(
    api: StripeApi, known: DefaultMethods, charged_id: str | None, customer_id: str | None
) -> DefaultMethods:
    """The defaults; uncertain if there are none but the method charged last is still stored with the customer.

    Only the pay call then shows whether Stripe charges that method. A method that was removed leaves them certain.
    """
    if known.methods or not known.is_certain or charged_id is None or customer_id is None:
        return known
    method = await read_method(api, charged_id)
    removed = method is not None and "customer" in method.raw and method.id("customer") != customer_id
    return known if removed else DefaultMethods()


async def _read_default_method(api: StripeApi, owner: Fields, name: str) -> PaymentMethod:
    method = owner.expanded_object(name)
    read = method or await read_method(api, owner.require_id(name)) or Fields({})
    return PaymentMethod(method_id=owner.require_id(name), card=card_of_method(read) if read else Card())


async def read_method(api: StripeApi, method_id: str) -> Fields | None:
    """A stored method, lenient; Stripe shows cards of older integrations here too. None if it can't be read."""
    return await read_optional(api, api_path("payment_methods", method_id))


async def read_card(api: StripeApi, method_id: str) -> Card | None:
    """The card or other kind of this method; None if it can't be read."""
    method = await read_method(api, method_id)
    card = card_of_method(method) if method else None
    return card if card and (card.fingerprint or card.kind) else None
