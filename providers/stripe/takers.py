"""What to take from the invoice or subscription of an event. Each reader gets the object and its attributes before.

A reader may set `kind` and `detail` where the event's type alone doesn't tell. All raise Unfit, naming the field.
"""

from typing import Any, Final, TypeAlias

from core.payments import EventKind, Failure, MethodRole
from providers.fields import Fields
from providers.stripe import failures
from providers.stripe.actions import needs_authentication
from providers.stripe.invoices import link_of, remaining, subscription_of
from providers.stripe.terms import terms_of

Taken: TypeAlias = dict[str, Any]
"""Fields of a ProviderEvent."""

_CLOSED: Final = {
    "paid": EventKind.INVOICE_PAID,
    "void": EventKind.INVOICE_VOIDED,
    "uncollectible": EventKind.INVOICE_UNCOLLECTIBLE,
}
_OWED: Final = frozenset({"amount_remaining", "amount_due", "collection_method", "amount_paid"})
"""Attributes of an open invoice whose change only a fresh read can judge."""
_OVER: Final = frozenset({"canceled", "incomplete_expired"})


def nothing(_: Fields, __: Fields) -> Taken:
    """For events that are only kept."""
    return {}


def other(detail: str) -> Taken:
    """For an event that turns out to mean nothing to a recovery."""
    return {"kind": EventKind.OTHER, "detail": detail}


def invoice(found: Fields, _: Fields) -> Taken:
    """Ids, money, counters and terms of an invoice, in either shape."""
    return {
        "invoice_id": found.need("id"),
        "customer_id": found.id("customer"),
        "subscription_id": subscription_of(found),
        "amount": remaining(found),
        "currency": found.currency("currency"),
        "provider_attempt": found.whole("attempt_count"),
        "next_provider_attempt": found.moment("next_payment_attempt"),
        "terms": terms_of(Fields(found.raw, found.path, lenient=True)),
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
    """The invoice; what the customer must do stands in its payment: to authenticate, or to transfer money."""
    taken = failed_invoice(found, before)
    if needs_authentication(Fields(found.raw, found.path, lenient=True).expanded("payment_intent")):
        return taken | {"failure": Failure(code=failures.AUTHENTICATION_REQUIRED)}
    return taken


def updated_invoice(found: Fields, before: Fields) -> Taken:
    """A new status, another sum, or Stripe's own next try, which with automations is told nowhere else."""
    taken = invoice(found, before)
    status = found.code("status")
    if status in _CLOSED:
        return taken | {"kind": _CLOSED[status]}
    if status == "open" and _OWED & before.raw.keys():
        return taken | {"kind": EventKind.WAKE, "detail": "what is owed, or how it is collected, changed"}
    if status == "open" and taken["next_provider_attempt"]:
        return taken | {"kind": EventKind.RETRY_SCHEDULED}
    return taken | other("nothing changed that matters here")


def invoice_payment(found: Fields, _: Fields) -> Taken:
    """The invoice that a payment belongs to."""
    return {"invoice_id": found.need("invoice"), "payment_id": found.child("payment").id("payment_intent")}


def credit_note(found: Fields, _: Fields) -> Taken:
    """The invoice that is credited; how much is open now only a read tells."""
    return {"invoice_id": found.need("invoice"), "customer_id": found.id("customer")}


def subscription(found: Fields, _: Fields) -> Taken:
    """A subscription and its customer."""
    return {"subscription_id": found.need("id"), "customer_id": found.id("customer")}


def updated_subscription(found: Fields, before: Fields) -> Taken:
    """Its end, another default method, or a pause that is over, for which recoveries wait.

    All else is read before each charge, and only named here.
    """
    taken = subscription(found, before)
    if found.code("status") in _OVER:
        return taken | {"kind": EventKind.SUBSCRIPTION_ENDED}
    for name in ("default_payment_method", "default_source"):
        method = found.id(name)
        if name in before.raw and method:
            chosen = {"method_id": method, "method_version": method, "method_role": MethodRole.DEFAULT}
            return taken | chosen | {"kind": EventKind.METHOD_UPDATED}
    if "pause_collection" in before.raw and not found.child("pause_collection"):
        return taken | {"kind": EventKind.WAKE, "detail": "the collection goes on"}
    return taken | other(_changed(found, before))


def _changed(found: Fields, before: Fields) -> str:
    """What is worth knowing of a change that is heeded only before the next charge."""
    if "collection_method" in before.raw:
        return f"collected by {found.code('collection_method') or 'nothing'} from now on: read before each charge"
    if "pause_collection" in before.raw:
        return "the collection is paused: read before each charge"
    if found.flag("cancel_at_period_end") and "cancel_at_period_end" in before.raw:
        return "the subscription ends with its period: what is owed until then stays owed"
    return f"the subscription is {found.code('status') or 'without status'}"
