"""What to take from the object of an event. Each reader gets the object and its attributes before the change.

A reader may set `kind` and `detail` where the event's type alone doesn't tell. All raise Unfit, naming the field.
"""

from typing import Any, Final, TypeAlias

from core.payments import EventKind, Failure
from providers.fields import Fields
from providers.stripe import failures
from providers.stripe.invoices import link_of, remaining, subscription_of

Taken: TypeAlias = dict[str, Any]
"""Fields of a ProviderEvent."""

_CLOSED: Final = {
    "paid": EventKind.INVOICE_PAID,
    "void": EventKind.INVOICE_VOIDED,
    "uncollectible": EventKind.INVOICE_UNCOLLECTIBLE,
}
_RENEWED_BY: Final = frozenset({"exp_month", "exp_year", "fingerprint", "last4"})
"""The attributes of a card whose change may turn a decline into a success."""


def nothing(_: Fields, __: Fields) -> Taken:
    """For events that are only kept."""
    return {}


def _other(detail: str) -> Taken:
    return {"kind": EventKind.OTHER, "detail": detail}


def invoice(found: Fields, _: Fields) -> Taken:
    """Ids, money and counters of an invoice, in either shape."""
    return {
        "invoice_id": found.need("id"),
        "customer_id": found.id("customer"),
        "subscription_id": subscription_of(found),
        "amount": remaining(found),
        "currency": found.currency("currency"),
        "provider_attempt": found.whole("attempt_count"),
        "next_provider_attempt": found.moment("next_payment_attempt"),
    }


def failed_invoice(found: Fields, before: Fields) -> Taken:
    """The invoice, and whatever codes the older shape or expanded objects carry."""
    link = link_of(found)
    return invoice(found, before) | {
        "payment_id": link.intent_id or link.charge_id,
        "failure": _told(found),
    }


def _told(found: Fields) -> Failure | None:
    """Mostly None: the decline itself must be read from Stripe."""
    lenient = Fields(found.raw, found.path, lenient=True)
    told = failures.merged(
        failures.of_payment(lenient.expanded("payment_intent"), lenient.expanded("charge")),
        failures.of_error(lenient.child("last_finalization_error")),
        Failure(charge_id=lenient.id("charge")),
    )
    return None if told == failures.NOTHING else told


def invoice_needing_action(found: Fields, before: Fields) -> Taken:
    """The invoice; the customer must authenticate, which is the reason of the failure."""
    told = Failure(code=failures.AUTHENTICATION_REQUIRED)
    return failed_invoice(found, before) | {"failure": told}


def updated_invoice(found: Fields, before: Fields) -> Taken:
    """A new status, or Stripe's own next try, which with automations is told nowhere else."""
    taken = invoice(found, before)
    status = found.code("status")
    if status in _CLOSED:
        return taken | {"kind": _CLOSED[status]}
    if status == "open" and taken["next_provider_attempt"]:
        return taken | {"kind": EventKind.RETRY_SCHEDULED}
    return taken | _other("nothing changed that matters here")


def invoice_payment(found: Fields, _: Fields) -> Taken:
    """The invoice that a payment belongs to."""
    return {"invoice_id": found.need("invoice"), "payment_id": found.child("payment").id("payment_intent")}


def dispute(found: Fields, _: Fields) -> Taken:
    """The disputed payment and the bank's reason."""
    return {"payment_id": _payment(found), "detail": found.code("reason")}


def closed_dispute(found: Fields, _: Fields) -> Taken:
    """How the dispute ended; lifting a hold is a person's decision."""
    return {"payment_id": _payment(found), "detail": f"dispute closed: {found.code('status') or 'no status'}"}


def fraud_warning(found: Fields, _: Fields) -> Taken:
    """The payment that an issuer suspects. After a dispute or a full refund a warning is no news."""
    taken = {"payment_id": _payment(found), "detail": found.code("fraud_type")}
    return taken if found.flag("actionable") else taken | _other("the warning is not actionable")


def _payment(found: Fields) -> str:
    return found.id("payment_intent") or found.need("charge")


def subscription(found: Fields, _: Fields) -> Taken:
    """A subscription and its customer."""
    return {"subscription_id": found.need("id"), "customer_id": found.id("customer")}


def updated_subscription(found: Fields, before: Fields) -> Taken:
    """Only the end of a subscription matters; past_due and unpaid are what a recovery is about."""
    taken = subscription(found, before)
    status = found.code("status")
    if status == "canceled":
        return taken | {"kind": EventKind.SUBSCRIPTION_ENDED}
    return taken | _other(f"the subscription is {status or 'without status'}")


def attached_method(found: Fields, _: Fields) -> Taken:
    """A method that is new to the customer; becoming the default is the same change, hence the plain id."""
    method = found.need("id")
    return {"method_id": method, "method_version": method, "customer_id": found.need("customer")}


def changed_method(found: Fields, before: Fields) -> Taken:
    """The same method with other card data; both events of one change give the same version."""
    if before and not _RENEWED_BY & before.child("card").raw.keys():
        return _other("the card did not change")
    card = found.child("card")
    expiry = f"{card.whole('exp_year') or 0}-{card.whole('exp_month') or 0}"
    version = f"{found.need('id')}:{expiry}:{card.code('fingerprint') or ''}"
    return attached_method(found, before) | {"method_version": version}


def updated_customer(found: Fields, before: Fields) -> Taken:
    """Another default method. A new default source changes nothing while the settings name a method."""
    method = found.child("invoice_settings").id("default_payment_method")
    if "default_payment_method" not in before.child("invoice_settings").raw:
        if method or "default_source" not in before.raw:
            return _other("the default method did not change")
        method = found.id("default_source")
    if method is None:
        return _other("the default method was removed")
    return {"method_id": method, "method_version": method, "customer_id": found.need("id")}
