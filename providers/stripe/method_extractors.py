"""Extractors for events about a payment method, source, mandate or customer."""

from typing import Final

from core.payments import EventKind, MethodRole
from providers.fields import Fields
from providers.stripe.cards import card_of_method
from providers.stripe.invoice_extractors import EventFields, event_without_effect

_RENEWING_ATTRIBUTES: Final = frozenset({"exp_month", "exp_year", "fingerprint", "last4"})
"""The attributes of a card whose change may turn a decline into a success."""


def extract_attached_method(found: Fields, _: Fields) -> EventFields:
    """A method that is new to the customer. Raises InvalidField without an id."""
    # The version is the plain id: attaching a method and making it the default are one change with two events.
    method = found.require_id("id")
    if found.id("customer") is None:
        return event_without_effect("the method belongs to no customer") | {"method_id": method}
    return {
        "method_id": method,
        "method_version": method,
        "customer_id": found.id("customer"),
        "method_role": MethodRole.ATTACHED,
        "card": card_of_method(found.leniently()),
    }


def extract_changed_method(found: Fields, before: Fields) -> EventFields:
    """The same method with new card data; both events of one change give the same version. Raises InvalidField."""
    card = found.child("card") or (found if found.raw.get("object") == "card" else Fields({}))
    changed = before.child("card").raw.keys() | (before.raw.keys() if card is found else set())
    if before and not _RENEWING_ATTRIBUTES & changed:
        return event_without_effect("the card did not change")
    taken = extract_attached_method(found, before)
    if taken.get("customer_id") is None:
        return taken
    expiry = f"{card.integer('exp_year') or 0}-{card.integer('exp_month') or 0}"
    version = f"{found.require_id('id')}:{expiry}:{card.code('fingerprint') or ''}"
    return taken | {"method_version": version, "method_role": MethodRole.UPDATED}


def extract_detached_method(found: Fields, before: Fields) -> EventFields:
    """A method that was removed. A charge that names it is refused by Stripe, and the method then counts as unfit."""
    return {"method_id": found.require_id("id"), "customer_id": before.id("customer")}


def extract_mandate(found: Fields, _: Fields) -> EventFields:
    """Whether a method may still be debited; without effect, since a charge without a mandate is declined anyway."""
    return event_without_effect(f"the mandate is {found.code('status') or 'without status'}") | {
        "method_id": found.id("payment_method")
    }


def extract_deleted_customer(found: Fields, _: Fields) -> EventFields:
    """The customer that was deleted, and with it all methods. Raises InvalidField without an id."""
    return {"customer_id": found.require_id("id")}


def extract_updated_customer(found: Fields, before: Fields) -> EventFields:
    """Another default method. Raises InvalidField without an id.

    A new default source changes nothing while `invoice_settings` names a method, which takes precedence.
    """
    method = found.child("invoice_settings").id("default_payment_method")
    if "default_payment_method" not in before.child("invoice_settings").raw:
        if method or "default_source" not in before.raw:
            return event_without_effect("the default method did not change")
        method = found.id("default_source")
    if method is None:
        return event_without_effect("the default method was removed")
    return {
        "kind": EventKind.METHOD_UPDATED,
        "method_id": method,
        "method_version": method,
        "method_role": MethodRole.DEFAULT,
        "customer_id": found.require_id("id"),
    }
