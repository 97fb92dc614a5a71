"""Extractors for events about an invoice or a subscription.

Each gets the event's object and its previous attributes. It may set `kind` and `detail` if the event's type alone
doesn't say what happened. All raise InvalidField, naming the field.
"""

from typing import Any, Final, TypeAlias

from core.payments import EventKind, Failure, MethodRole
from providers.fields import Fields
from providers.stripe import failures
from providers.stripe.actions import needs_authentication
from providers.stripe.invoices import amount_remaining, link_of, subscription_of, terms_of_invoice

EventFields: TypeAlias = dict[str, Any]
"""Fields of a ProviderEvent."""

_CLOSING_KINDS: Final = {
    "paid": EventKind.INVOICE_PAID,
    "void": EventKind.INVOICE_VOIDED,
    "uncollectible": EventKind.INVOICE_UNCOLLECTIBLE,
}
_DEBT_ATTRIBUTES: Final = frozenset({"amount_remaining", "amount_due", "collection_method", "amount_paid"})
"""Attributes of an open invoice whose change only a fresh read can judge."""
_FAILURE_SOURCES: Final = ("payment_intent", "charge", "last_finalization_error")
"""Fields of an invoice that may tell why its payment failed."""
_ENDED_STATUSES: Final = frozenset({"canceled", "incomplete_expired"})


def extract_nothing(_: Fields, __: Fields) -> EventFields:
    """No fields: for events that are only stored."""
    return {}


def event_without_effect(detail: str) -> EventFields:
    """The fields of an event without effect on a recovery; `detail` is stored as the reason."""
    return {"kind": EventKind.OTHER, "detail": detail}


def extract_invoice(found: Fields, _: Fields) -> EventFields:
    """Ids, open amount in minor units, Stripe's attempt count and collection terms of an invoice, in either shape."""
    lenient = found.leniently()
    return {
        "invoice_id": found.require_id("id"),
        "customer_id": found.id("customer"),
        "subscription_id": subscription_of(found),
        "amount": amount_remaining(found),
        "currency": found.currency("currency"),
        "provider_attempt": found.integer("attempt_count"),
        # Without a readable time there is no retry of Stripe's to wait for; the failure counts all the same.
        "next_provider_attempt": lenient.unix_time("next_payment_attempt"),
        "terms": terms_of_invoice(lenient),
    }


def extract_failed_invoice(found: Fields, before: Fields) -> EventFields:
    """The invoice, and the failure's codes as far as the older shape or expanded objects carry them."""
    link = link_of(found)
    return extract_invoice(found, before) | {
        "payment_id": link.intent_id or link.charge_id,
        "failure": _shown_failure(found),
    }


def _shown_failure(found: Fields) -> Failure | None:
    """The failure in the event; usually None, since current events don't carry it and it must be read from Stripe."""
    if not any(found.raw.get(name) for name in _FAILURE_SOURCES):
        return None
    lenient = found.leniently()
    told = failures.merge_failures(
        failures.failure_of_payment(lenient.expanded_object("payment_intent"), lenient.expanded_object("charge")),
        failures.failure_of_error(lenient.child("last_finalization_error")),
        Failure(charge_id=lenient.id("charge")),
    )
    return None if told == failures.NO_FAILURE else told


def extract_invoice_action(found: Fields, before: Fields) -> EventFields:
    """The invoice, with the code for 3-D Secure if its expanded payment waits for authentication."""
    taken = extract_failed_invoice(found, before)
    if needs_authentication(found.leniently().expanded_object("payment_intent")):
        return taken | {"failure": Failure(code=failures.AUTHENTICATION_REQUIRED)}
    return taken


def extract_updated_invoice(found: Fields, before: Fields) -> EventFields:
    """The end of an invoice, a changed amount, or Stripe's next retry, which with automations only this event has."""
    taken = extract_invoice(found, before)
    status = found.code("status")
    if status in _CLOSING_KINDS:
        return taken | {"kind": _CLOSING_KINDS[status]}
    if status == "open" and _DEBT_ATTRIBUTES & before.raw.keys():
        return taken | {"kind": EventKind.WAKE, "detail": "what is owed, or how it is collected, changed"}
    if status == "open" and taken["next_provider_attempt"]:
        return taken | {"kind": EventKind.RETRY_SCHEDULED}
    return taken | event_without_effect("nothing changed that matters here")


def extract_invoice_payment(found: Fields, _: Fields) -> EventFields:
    """The invoice that a payment belongs to."""
    return {"invoice_id": found.require_id("invoice"), "payment_id": found.child("payment").id("payment_intent")}


def extract_credit_note(found: Fields, _: Fields) -> EventFields:
    """The credited invoice; only a fresh read says what is still open."""
    return {"invoice_id": found.require_id("invoice"), "customer_id": found.id("customer")}


def extract_subscription(found: Fields, _: Fields) -> EventFields:
    """A subscription and its customer."""
    return {"subscription_id": found.require_id("id"), "customer_id": found.id("customer")}


def extract_updated_subscription(found: Fields, before: Fields) -> EventFields:
    """The end of a subscription, another default method, or the end of a pause, for which recoveries wait.

    Any other change is only named in the detail: it is read again before each charge.
    """
    taken = extract_subscription(found, before)
    if found.code("status") in _ENDED_STATUSES:
        return taken | {"kind": EventKind.SUBSCRIPTION_ENDED}
    for name in ("default_payment_method", "default_source"):
        method = found.id(name)
        if name in before.raw and method:
            chosen = {"method_id": method, "method_version": method, "method_role": MethodRole.DEFAULT}
            return taken | chosen | {"kind": EventKind.METHOD_UPDATED}
    if "pause_collection" in before.raw and not found.child("pause_collection"):
        return taken | {"kind": EventKind.WAKE, "detail": "the collection goes on"}
    return taken | event_without_effect(_describe_change(found, before))


def _describe_change(found: Fields, before: Fields) -> str:
    """The detail of a change that takes effect only at the invoice check before the next charge."""
    if "collection_method" in before.raw:
        return f"collected by {found.code('collection_method') or 'nothing'} from now on: read before each charge"
    if "pause_collection" in before.raw:
        return "the collection is paused: read before each charge"
    if found.flag("cancel_at_period_end") and "cancel_at_period_end" in before.raw:
        return "the subscription ends with its period: what is owed until then stays owed"
    return f"the subscription is {found.code('status') or 'without status'}"
