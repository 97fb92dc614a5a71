"""What each kind of notification says, in fields of a ProviderEvent. Every reader raises Unfit."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from braintree import Dispute, Subscription, Transaction

from core.payments import EventKind, MethodRole
from core.terms import CollectionTerms
from providers.braintree.invoices import Billing, billing_in, read_tries, shopper_of
from providers.braintree.notice import Notice, Taken
from providers.braintree.reading import ID, minor_units, part, text
from providers.braintree.tries import DECLINED, Try, tried
from providers.fields import Fields, Unfit

NOT_TAKEN: Final = "reference can't be taken: "
"""How the detail begins of an event whose order id can't name an invoice: operators hear of those."""
_NO_REASON: Final = Transaction.Status.ProcessorDeclined


def billed(notice: Notice) -> Taken:
    """Of a subscription's newest transaction, whatever became of it."""
    return _of_period(notice, lambda tries: tries[0])


def billed_in_vain(notice: Notice) -> Taken:
    """The same, where the kind says that it failed: a transaction that reads as paid doesn't speak against it.

    One that is still under way does: what became of it, only a fresh read says.
    """
    return _of_period(notice, _failed_of)


def _failed_of(tries: tuple[Try, ...]) -> Try:
    """The try that a notification of a failure is about: the newest, or the one before it that did fail."""
    newest = tries[0]
    if not newest.paid:
        return newest
    failed = (one for one in tries if one.failed and one.invoice_id == newest.invoice_id)
    return next(failed, newest.as_failed(_NO_REASON, None))


def past_due(notice: Notice) -> Taken:
    """A subscription owes: by its newest transaction where that failed; else only a fresh read says what."""
    taken = billed(notice)
    return taken | {"kind": EventKind.WAKE} if taken["kind"] is EventKind.INVOICE_PAID else taken


def _of_period(notice: Notice, chosen: Callable[[tuple[Try, ...]], Try]) -> Taken:
    subscription, billing = _subscription(notice)
    tries = read_tries(part(subscription, "transactions"))
    if not tries:
        return _nothing("no transaction: nothing was tried")
    named = tuple(billing.named(one) for one in tries)
    if named[0].period is None:
        named = (replace(named[0], period=billing.period), *named[1:])
    one = chosen(named)
    made = [each.created_at for each in named if each.invoice_id == one.invoice_id and each.created_at]
    terms = billing.terms().model_copy(update={"created_at": min(made, default=None)})
    part_paid = one.amount if (billing.balance or 0) > 0 else None
    return _outcome(one, notice.at, terms, part_paid)


def _subscription(notice: Notice) -> tuple[Any, Billing]:
    """The client's subscription, and what matters of it; its samples have no status."""
    subscription = _made(Subscription, notice.part("subscription"))
    named, status = text(subscription, "id", ID), part(subscription, "status")
    if named is None:
        raise Unfit("subscription.id")
    return subscription, billing_in(subscription, named, status if isinstance(status, str) else "")


def ended(notice: Notice) -> Taken:
    """A subscription is over: told to the recovery of its period, and to those of its customer."""
    subscription, billing = _subscription(notice)
    newest = next(iter(read_tries(part(subscription, "transactions"))), None)
    period = billing.period or (newest.period if newest else None)
    return {
        "kind": EventKind.SUBSCRIPTION_ENDED,
        "subscription_id": billing.id,
        "invoice_id": f"{billing.id}-{period.isoformat()}" if period else None,
        "customer_id": newest.customer_id if newest else None,
        "payment_id": newest.id if newest else None,
    }


def sold(notice: Notice) -> Taken:
    """Of one transaction; a credit is a refund. Braintree tells of those of debits here (webhooks, Transaction)."""
    one = _transaction(notice)
    if one.sale and one.taken_back:
        return _taken_back(one, notice.at)
    return _outcome(one, notice.at, _terms(one), one.amount) if one.sale else _refunded(one)


def disbursed(notice: Notice) -> Taken:
    """A payout of a sale says nothing new. Of a card's refund no other notification tells.

    Source: developer.paypal.com/braintree/docs/reference/general/webhooks/disbursement: a transaction, sale or credit,
    was marked for disbursement; for accounts that Braintree funds. Refunds of debits: `transaction_settled`.
    """
    told = notice.part("transaction")
    if told.get("type") != Transaction.Type.Credit:
        return _nothing("a payout of this payment to the merchant's bank: the customer had paid before")
    one = tried(_made(Transaction, told | {"status": told.get("status") or Transaction.Status.Settled}))
    return _nothing("a debit's refund, told when it settled") if one.debit else _refunded(one)


def _refunded(one: Try) -> Taken:
    """Told of the sale, whose invoice is asked for: a refund has an order id of its own."""
    if one.refund_of is None:
        return _nothing("a credit that gives no sale back")
    if one.failed:
        return _nothing("a refund failed: the money stays with the merchant")
    return _returned(EventKind.PAYMENT_REFUNDED, "refund", one.amount, one.currency) | {"payment_id": one.refund_of}


def settlement_declined(notice: Notice) -> Taken:
    """A failure, whatever the transaction still reads: a bank may send money back behind `transaction_settled`.

    A debit that never settled has failed; whatever counted as paid before is taken back.
    Source: developer.paypal.com/braintree/docs/reference/general/webhooks/transaction.
    """
    one = _transaction(notice)
    if not one.sale:
        return _nothing("a refund was declined at settlement: the money stays with the merchant")
    return _taken_back(one.as_failed(DECLINED, DECLINED), notice.at)


def _taken_back(one: Try, at: datetime) -> Taken:
    """The age of a debit that comes back weeks later doesn't count: it is a new failure."""
    taken = _outcome(one, at, None if one.settled else _terms(one), None)
    pending = one.debit and not one.settled
    if pending or taken["kind"] is not EventKind.PAYMENT_FAILED:
        return taken
    kind = "returned_debit" if one.debit else "failed_capture"
    return taken | _returned(EventKind.PAYMENT_REVERSED, kind, one.amount, one.currency)


def local_payment(notice: Notice) -> Taken:
    """A shopper paid with a local method: of its transaction, where one is told."""
    held = notice.subject.child("local_payment") or notice.subject.child("local_payment_funded")
    told = held.raw.get("transaction")
    if not isinstance(told, dict):
        return _nothing("a shopper's local payment, of which no transaction was made yet")
    one = tried(_made(Transaction, dict(told)))
    return _outcome(one, notice.at, CollectionTerms(shopper_present=True), one.amount)


def dispute_opened(notice: Notice) -> Taken:
    """Money was withdrawn with a chargeback; a retrieval is a question and takes none.

    A pre-arbitration goes on about the chargeback before it, whose money was counted then.
    Source: developer.paypal.com/braintree/docs/reference/general/webhooks/dispute, status `open`.
    """
    taken, dispute = disputed(notice), _dispute(notice)
    if taken["kind"] is EventKind.DISPUTE_INQUIRY or dispute.words("kind") == Dispute.Kind.PreArbitration:
        return taken
    currency = dispute.currency("currency_iso_code")
    amount = dispute.raw.get("amount_disputed") or dispute.raw.get("amount")
    return taken | _returned(EventKind.DISPUTE_OPENED, "chargeback", minor_units(amount, currency), currency)


def dispute_won(notice: Notice) -> Taken:
    """What the dispute took is the merchant's again; `amount_won` says how much (the official client's Dispute)."""
    dispute, taken = _dispute(notice), disputed(notice)
    if taken["kind"] is EventKind.DISPUTE_INQUIRY:
        return taken | _nothing("the bank's question is answered: no money had moved")
    currency = dispute.currency("currency_iso_code")
    amount = minor_units(dispute.raw.get("amount_won") or dispute.raw.get("amount_disputed"), currency)
    return taken | _returned(EventKind.PAYMENT_RESTORED, "restored", amount, currency)


def disputed(notice: Notice) -> Taken:
    """A dispute and how it goes on; its transaction doesn't say which period it paid: that is asked for."""
    dispute = _dispute(notice)
    transaction = Fields(dispute.child("transaction").raw, "dispute.transaction.")
    asked = dispute.words("kind") == Dispute.Kind.Retrieval
    return {
        "kind": EventKind.DISPUTE_INQUIRY if asked else EventKind.DISPUTE_OPENED,
        "payment_id": transaction.need("id"),
        "detail": dispute.code("reason"),
    }


def _dispute(notice: Notice) -> Fields:
    return Fields(notice.part("dispute"), "dispute.", lenient=True)


def reviewed(notice: Notice) -> Taken:
    """A person at the merchant looked at a suspicious transaction."""
    review = Fields(notice.part("transaction_review"), "transaction_review.")
    if (review.words("decision") or "").lower() != "reject":
        return _nothing("not rejected")
    return {"kind": EventKind.FRAUD_WARNING, "payment_id": review.need("transaction_id"), "detail": "rejected"}


def method_updated(notice: Notice) -> Taken:
    """New data of a stored method: the same token may be worth a try."""
    updated = Fields(notice.part("payment_method_customer_data_updated_metadata"), "metadata.")
    held = updated.child("payment_method")
    first: Any = next((one for one in held.raw.values() if isinstance(one, Mapping)), held.raw)
    return {
        "kind": EventKind.METHOD_UPDATED,
        "method_role": MethodRole.UPDATED,
        "method_id": updated.need("token"),
        "method_version": str(int(notice.at.timestamp())),
        "customer_id": Fields(first, "payment_method.").id("customer_id"),
    }


def _outcome(one: Try, at: datetime, terms: CollectionTerms | None, paid_amount: int | None) -> Taken:
    """Paid, failed, or under way: then only a fresh read will say.

    A failure that names no invoice is asked for by its transaction, since a lost failure is lost money.
    """
    if not one.sale:
        return _nothing("not a sale")
    if one.reference_fault and not one.subscription_id:
        return _nothing(f"{NOT_TAKEN}{one.reference_fault}")
    if one.invoice_id is None and one.subscription_id is None and not one.failed:
        return _nothing("neither order id nor billing period: it names no invoice")
    kind = EventKind.INVOICE_PAID if one.paid else EventKind.PAYMENT_FAILED if one.failed else EventKind.WAKE
    tried_at = one.created_at or at
    return {
        "kind": kind,
        "occurred_at": tried_at if one.failed and not one.failed_later else at,
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
        "terms": terms,
        "paid_amount": paid_amount if one.paid else None,
    }


def _terms(one: Try) -> CollectionTerms:
    """Of a single transaction: when it was made, and that a recurring one has no shopper."""
    return CollectionTerms(shopper_present=shopper_of(one), created_at=one.created_at)


def _returned(kind: EventKind, returned: str, amount: int | None, currency: str | None) -> Taken:
    return {"kind": kind, "returned_kind": returned, "returned_amount": amount, "currency": currency}


def _nothing(detail: str) -> Taken:
    return {"kind": EventKind.OTHER, "detail": detail}


def _transaction(notice: Notice) -> Try:
    return tried(_made(Transaction, notice.part("transaction")))


def _made(kind: Callable[[Any, dict[str, Any]], Any], attributes: dict[str, Any]) -> Any:
    """The client's own object; it trips over what is not as documented. Raises Unfit."""
    try:
        return kind(None, attributes)
    except Exception:
        raise Unfit("subject") from None
