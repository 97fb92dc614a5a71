"""Braintree's webhook kinds as data: what each one means for a recovery, and which reader takes its subject.

Source: the kinds of the official client's webhook_notification.py; developer.paypal.com/braintree webhooks reference.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from braintree import Subscription, Transaction

from core.payments import EventKind
from providers.braintree.invoices import read_tries
from providers.braintree.tries import Try, tried
from providers.fields import Fields, Unfit

Taken: TypeAlias = dict[str, Any]
"""Fields of a ProviderEvent."""


@dataclass(frozen=True)
class Notice:
    """One verified notification: when it was made, and its subject as the client reads XML."""

    kind: str
    at: datetime
    subject: Fields

    def part(self, name: str) -> dict[str, Any]:
        """A part of the subject, as the client's classes want it. Raises Unfit."""
        found = self.subject.raw.get(name)
        if not isinstance(found, dict):
            raise Unfit(f"subject.{name}")
        return dict(found)


@dataclass(frozen=True)
class Row:
    """A kind of webhook, and what is taken of it; without a reader it has no effect."""

    take: Callable[[Notice], Taken] | None = None
    detail: str | None = None


def meaning(notice: Notice) -> Taken:
    """The fields of the normalised event. Raises Unfit."""
    row = KINDS.get(notice.kind, Row(detail="kind not used"))
    if row.take is None:
        return {"kind": EventKind.OTHER, "detail": row.detail}
    return row.take(notice)


def _billed(notice: Notice) -> Taken:
    """Of a subscription's newest transaction, whatever became of it."""
    subscription = _made(Subscription, notice.part("subscription"))
    tries = read_tries(getattr(subscription, "transactions", None))
    if not tries:
        return {"kind": EventKind.OTHER, "detail": "no transaction: nothing was tried"}
    found = _outcome(tries[0], notice.at)
    return found | {"subscription_id": tries[0].subscription_id or subscription.id}


def _sold(notice: Notice) -> Taken:
    """Of one transaction."""
    return _outcome(tried(_made(Transaction, notice.part("transaction"))), notice.at)


def _outcome(one: Try, at: datetime) -> Taken:
    """Paid, failed, or under way: then only a fresh read will say."""
    if not one.sale:
        return {"kind": EventKind.OTHER, "detail": "not a sale"}
    if one.invoice_id is None:
        return {"kind": EventKind.OTHER, "detail": "neither order id nor billing period: it names no invoice"}
    kind = EventKind.INVOICE_PAID if one.paid else EventKind.PAYMENT_FAILED if one.failed else EventKind.WAKE
    tried_at = one.created_at or at
    return {
        "kind": kind,
        "occurred_at": tried_at if one.failed else at,
        "invoice_id": one.invoice_id,
        "customer_id": one.customer_id,
        "subscription_id": one.subscription_id,
        "payment_id": one.id,
        "amount": one.amount,
        "currency": one.currency,
        # Braintree doesn't count the tries of an invoice, but they come one after another.
        "provider_attempt": int(tried_at.timestamp()),
        "next_provider_attempt": one.next_try,
        "failure": one.failure if one.failed else None,
        "card": one.card if one.failed else None,
    }


def _ended(notice: Notice) -> Taken:
    subscription = Fields(notice.part("subscription"), "subscription.")
    return {"kind": EventKind.SUBSCRIPTION_ENDED, "subscription_id": subscription.need("id")}


def _disputed(notice: Notice) -> Taken:
    """Its transaction doesn't say which period it paid: that is asked for."""
    dispute = Fields(notice.part("dispute"), "dispute.", lenient=True)
    transaction = Fields(dispute.child("transaction").raw, "dispute.transaction.")
    return {
        "kind": EventKind.DISPUTE_OPENED,
        "payment_id": transaction.need("id"),
        "detail": dispute.code("reason"),
    }


def _reviewed(notice: Notice) -> Taken:
    review = Fields(notice.part("transaction_review"), "transaction_review.")
    if (review.words("decision") or "").lower() != "reject":
        return {"kind": EventKind.OTHER, "detail": "not rejected"}
    return {"kind": EventKind.FRAUD_WARNING, "payment_id": review.need("transaction_id"), "detail": "rejected"}


def _method_updated(notice: Notice) -> Taken:
    """The bank told new data of a stored method: the same token is worth a try."""
    updated = Fields(notice.part("payment_method_customer_data_updated_metadata"), "metadata.")
    held = updated.child("payment_method")
    first: Any = next((one for one in held.raw.values() if isinstance(one, Mapping)), held.raw)
    return {
        "kind": EventKind.METHOD_UPDATED,
        "method_id": updated.need("token"),
        "method_version": str(int(notice.at.timestamp())),
        "customer_id": Fields(first, "payment_method.").id("customer_id"),
    }


def _made(kind: Callable[[Any, dict[str, Any]], Any], attributes: dict[str, Any]) -> Any:
    """The client's own object; it trips over what is not as documented. Raises Unfit."""
    try:
        return kind(None, attributes)
    except Exception:
        raise Unfit("subject") from None


_ENDED: Final = Row(_ended)
_DISPUTED: Final = Row(_disputed)
_BILLED: Final = Row(_billed)
_SOLD: Final = Row(_sold)

KINDS: Final[Mapping[str, Row]] = {
    "subscription_charged_unsuccessfully": _BILLED,
    "subscription_went_past_due": _BILLED,
    "subscription_charged_successfully": _BILLED,
    "subscription_went_active": _BILLED,
    "subscription_canceled": _ENDED,
    "subscription_expired": _ENDED,
    "transaction_settled": _SOLD,
    "transaction_settlement_declined": _SOLD,
    "transaction_retried": _SOLD,
    "transaction_reviewed": Row(_reviewed),
    "dispute_opened": _DISPUTED,
    "dispute_accepted": _DISPUTED,
    "dispute_auto_accepted": _DISPUTED,
    "dispute_disputed": _DISPUTED,
    "dispute_expired": _DISPUTED,
    "dispute_lost": _DISPUTED,
    "dispute_under_review": _DISPUTED,
    "dispute_won": Row(detail="the dispute was won"),
    "payment_method_customer_data_updated": Row(_method_updated),
    "payment_method_revoked_by_customer": Row(detail="the next charge of this method will say so (2070)"),
    "granted_payment_method_revoked": Row(detail="the next charge of this method will say so"),
    "account_updater_daily_report": Row(detail="the report names no method: new data counts at the next charge"),
    "check": Row(detail="a test of the endpoint"),
}
