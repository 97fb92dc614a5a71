"""Extractors: each kind of notification as fields of a ProviderEvent, amounts in minor units.

All raise InvalidField if the subject has another form than documented.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from braintree import Dispute, Subscription, Transaction

from core.collection_terms import CollectionTerms
from core.payments import EventKind, MethodRole
from providers.braintree.client_objects import ID, attribute, minor_units, text_attribute
from providers.braintree.invoices import Billing, build_billing, read_transactions, shopper_presence
from providers.braintree.notification import EventFields, Notification
from providers.braintree.transactions import DECLINED_STATUS, TransactionView, parse_transaction
from providers.fields import Fields, InvalidField

REFERENCE_REFUSED: Final = "reference can't be taken: "
"""Prefix of the detail of an event whose order id can't name an invoice: operators are notified of those."""
_NO_REASON: Final = Transaction.Status.ProcessorDeclined


def extract_billing(notice: Notification) -> EventFields:
    """The outcome of a subscription's newest transaction."""
    return _period_outcome(notice, lambda tries: tries[0])


def extract_failed_billing(notice: Notification) -> EventFields:
    """The failure of a billing, even if its newest transaction still reads as paid.

    If that is under way, only a fresh read can say what became of it, and the kind is WAKE.
    """
    return _period_outcome(notice, _failed_transaction)


def _failed_transaction(tries: tuple[TransactionView, ...]) -> TransactionView:
    """The transaction that a failure is about: the newest, or the newest failed one if that reads as paid."""
    newest = tries[0]
    if not newest.is_paid:
        return newest
    failed = (one for one in tries if one.has_failed and one.invoice_id == newest.invoice_id)
    return next(failed, newest.as_failed(_NO_REASON, None))


def extract_past_due(notice: Notification) -> EventFields:
    """A past due subscription: its failed transaction, or WAKE if the newest is paid: only a read says what is due."""
    taken = extract_billing(notice)
    return taken | {"kind": EventKind.WAKE} if taken["kind"] is EventKind.INVOICE_PAID else taken


def _period_outcome(
    notice: Notification, chosen: Callable[[tuple[TransactionView, ...]], TransactionView]
) -> EventFields:
    subscription, billing = _read_subscription(notice)
    tries = read_transactions(attribute(subscription, "transactions"))
    if not tries:
        return _without_effect("no transaction: nothing was tried")
    # Transactions inside a subscription needn't repeat its id and period, of which the invoice id is made.
    named = tuple(billing.name_transaction(one) for one in tries)
    if named[0].period is None:
        named = (replace(named[0], period=billing.period), *named[1:])
    one = chosen(named)
    made = [each.created_at for each in named if each.invoice_id == one.invoice_id and each.created_at]
    terms = billing.collection_terms().model_copy(update={"created_at": min(made, default=None)})
    part_paid = one.amount if (billing.balance or 0) > 0 else None
    return _transaction_outcome(one, notice.at, terms, part_paid)


def _read_subscription(notice: Notification) -> tuple[Any, Billing]:
    """The client's subscription object and its billing; the status may be missing, as in Braintree's samples."""
    subscription = _build_object(Subscription, notice.subject_part("subscription"))
    named, status = text_attribute(subscription, "id", ID), attribute(subscription, "status")
    if named is None:
        raise InvalidField("subscription.id")
    return subscription, build_billing(subscription, named, status if isinstance(status, str) else "")


def extract_subscription_end(notice: Notification) -> EventFields:
    """The end of a subscription, with the invoice of its period and its customer."""
    subscription, billing = _read_subscription(notice)
    newest = next(iter(read_transactions(attribute(subscription, "transactions"))), None)
    period = billing.period or (newest.period if newest else None)
    return {
        "kind": EventKind.SUBSCRIPTION_ENDED,
        "subscription_id": billing.id,
        "invoice_id": f"{billing.id}-{period.isoformat()}" if period else None,
        "customer_id": newest.customer_id if newest else None,
        "payment_id": newest.id if newest else None,
    }


def extract_transaction(notice: Notification) -> EventFields:
    """The outcome of one transaction; a credit is a refund of a debit (webhooks reference, Transaction)."""
    one = _read_transaction(notice)
    if one.sale and one.was_taken_back:
        return _returned_payment_fields(one, notice.at)
    return (
        _transaction_outcome(one, notice.at, _transaction_terms(one), one.amount) if one.sale else _refund_fields(one)
    )


def extract_disbursement(notice: Notification) -> EventFields:
    """A card's refund, which no other notification reports; without effect for the payout of a sale.

    Source: developer.paypal.com/braintree/docs/reference/general/webhooks/disbursement: a transaction, sale or credit,
    was marked for disbursement; for accounts that Braintree funds. Refunds of debits: `transaction_settled`.
    """
    told = notice.subject_part("transaction")
    if told.get("type") != Transaction.Type.Credit:
        return _without_effect("a payout of this payment to the merchant's bank: the customer had paid before")
    one = parse_transaction(
        _build_object(Transaction, told | {"status": told.get("status") or Transaction.Status.Settled})
    )
    return _without_effect("a debit's refund, told when it settled") if one.is_debit else _refund_fields(one)


def _refund_fields(one: TransactionView) -> EventFields:
    """A refund under the id of its sale, by which the invoice is resolved: the refund's order id is another."""
    if one.refund_of is None:
        return _without_effect("a credit that gives no sale back")
    if one.has_failed:
        return _without_effect("a refund failed: the money stays with the merchant")
    return _returned_money(EventKind.PAYMENT_REFUNDED, "refund", one.amount, one.currency) | {
        "payment_id": one.refund_of
    }


def extract_settlement_decline(notice: Notification) -> EventFields:
    """A failure, whatever the transaction's status reads: a bank may return money after `transaction_settled`.

    A debit that never settled has failed; money that already counted as paid is reversed.
    Source: developer.paypal.com/braintree/docs/reference/general/webhooks/transaction.
    """
    one = _read_transaction(notice)
    if not one.sale:
        return _without_effect("a refund was declined at settlement: the money stays with the merchant")
    return _returned_payment_fields(one.as_failed(DECLINED_STATUS, DECLINED_STATUS), notice.at)


def _returned_payment_fields(one: TransactionView, at: datetime) -> EventFields:
    """A failed or reversed payment."""
    # A settled debit that is returned weeks later is a new failure: without terms, the age of the sale doesn't count.
    taken = _transaction_outcome(one, at, None if one.settled else _transaction_terms(one), None)
    pending = one.is_debit and not one.settled
    if pending or taken["kind"] is not EventKind.PAYMENT_FAILED:
        return taken
    kind = "returned_debit" if one.is_debit else "failed_capture"
    return taken | _returned_money(EventKind.PAYMENT_REVERSED, kind, one.amount, one.currency)


def extract_local_payment(notice: Notification) -> EventFields:
    """A shopper's payment with a local method; without effect until it has a transaction."""
    held = notice.subject.child("local_payment") or notice.subject.child("local_payment_funded")
    told = held.raw.get("transaction")
    if not isinstance(told, dict):
        return _without_effect("a shopper's local payment, of which no transaction was made yet")
    one = parse_transaction(_build_object(Transaction, dict(told)))
    return _transaction_outcome(one, notice.at, CollectionTerms(shopper_present=True), one.amount)


def extract_opened_dispute(notice: Notification) -> EventFields:
    """An opened dispute: a chargeback with the withdrawn amount; a retrieval is an inquiry without one.

    A pre-arbitration continues an earlier chargeback, whose amount was counted then.
    Source: developer.paypal.com/braintree/docs/reference/general/webhooks/dispute, status `open`.
    """
    taken, dispute = extract_dispute_state(notice), _dispute_fields(notice)
    if taken["kind"] is EventKind.DISPUTE_INQUIRY or dispute.text("kind") == Dispute.Kind.PreArbitration:
        return taken
    currency = dispute.currency("currency_iso_code")
    amount = dispute.raw.get("amount_disputed") or dispute.raw.get("amount")
    return taken | _returned_money(EventKind.DISPUTE_OPENED, "chargeback", minor_units(amount, currency), currency)


def extract_won_dispute(notice: Notification) -> EventFields:
    """A won dispute, with the amount that the merchant has again (`amount_won` of the official client's Dispute)."""
    dispute, taken = _dispute_fields(notice), extract_dispute_state(notice)
    if taken["kind"] is EventKind.DISPUTE_INQUIRY:
        return taken | _without_effect("the bank's question is answered: no money had moved")
    currency = dispute.currency("currency_iso_code")
    amount = minor_units(dispute.raw.get("amount_won") or dispute.raw.get("amount_disputed"), currency)
    return taken | _returned_money(EventKind.PAYMENT_RESTORED, "restored", amount, currency)


def extract_dispute_state(notice: Notification) -> EventFields:
    """The state of a dispute and its payment's id; the invoice is resolved later, the subject doesn't name it."""
    dispute = _dispute_fields(notice)
    transaction = Fields(dispute.child("transaction").raw, "dispute.transaction.")
    asked = dispute.text("kind") == Dispute.Kind.Retrieval
    return {
        "kind": EventKind.DISPUTE_INQUIRY if asked else EventKind.DISPUTE_OPENED,
        "payment_id": transaction.require_id("id"),
        "detail": dispute.code("reason"),
    }


def _dispute_fields(notice: Notification) -> Fields:
    return Fields(notice.subject_part("dispute"), "dispute.", lenient=True)


def extract_review(notice: Notification) -> EventFields:
    """A merchant's manual review of a suspicious transaction; without effect unless it was rejected."""
    review = Fields(notice.subject_part("transaction_review"), "transaction_review.")
    if (review.text("decision") or "").lower() != "reject":
        return _without_effect("not rejected")
    return {"kind": EventKind.FRAUD_WARNING, "payment_id": review.require_id("transaction_id"), "detail": "rejected"}


def extract_updated_method(notice: Notification) -> EventFields:
    """New data of a stored method under the same token: a charge may succeed now."""
    updated = Fields(notice.subject_part("payment_method_customer_data_updated_metadata"), "metadata.")
    held = updated.child("payment_method")
    first: Any = next((one for one in held.raw.values() if isinstance(one, Mapping)), held.raw)
    return {
        "kind": EventKind.METHOD_UPDATED,
        "method_role": MethodRole.UPDATED,
        "method_id": updated.require_id("token"),
        "method_version": str(int(notice.at.timestamp())),
        "customer_id": Fields(first, "payment_method.").id("customer_id"),
    }


def _transaction_outcome(
    one: TransactionView, at: datetime, terms: CollectionTerms | None, paid_amount: int | None
) -> EventFields:
    """The fields of a paid, failed or pending transaction; WAKE for a pending one, which only a fresh read decides.

    A failure that names no invoice is kept, since its invoice may be resolved by the transaction; others without one
    have no effect.
    """
    if not one.sale:
        return _without_effect("not a sale")
    if one.reference_fault and not one.subscription_id:
        return _without_effect(f"{REFERENCE_REFUSED}{one.reference_fault}")
    if one.invoice_id is None and one.subscription_id is None and not one.has_failed:
        return _without_effect("neither order id nor billing period: it names no invoice")
    kind = EventKind.INVOICE_PAID if one.is_paid else EventKind.PAYMENT_FAILED if one.has_failed else EventKind.WAKE
    tried_at = one.created_at or at
    return {
        "kind": kind,
        # A failure counts from its attempt, not from the notification, so that delays and windows begin there.
        "occurred_at": tried_at if one.has_failed and not one.has_failed_later else at,
        "invoice_id": one.invoice_id,
        "customer_id": one.customer_id,
        "subscription_id": one.subscription_id,
        "payment_id": one.id,
        "amount": one.amount,
        "currency": one.currency,
        # Braintree doesn't number the attempts of an invoice; their times order them as a number would.
        "provider_attempt": int(tried_at.timestamp()),
        "next_provider_attempt": one.next_try,
        "failure": one.failure if one.has_failed else None,
        "card": one.card if one.has_failed else None,
        "terms": terms,
        "paid_amount": paid_amount if one.is_paid else None,
    }


def _transaction_terms(one: TransactionView) -> CollectionTerms:
    """The collection terms of a single transaction: when it was created, and no shopper at a recurring one."""
    return CollectionTerms(shopper_present=shopper_presence(one), created_at=one.created_at)


def _returned_money(kind: EventKind, returned: str, amount: int | None, currency: str | None) -> EventFields:
    return {"kind": kind, "returned_kind": returned, "returned_amount": amount, "currency": currency}


def _without_effect(detail: str) -> EventFields:
    return {"kind": EventKind.OTHER, "detail": detail}


def _read_transaction(notice: Notification) -> TransactionView:
    return parse_transaction(_build_object(Transaction, notice.subject_part("transaction")))


def _build_object(kind: Callable[[Any, dict[str, Any]], Any], attributes: dict[str, Any]) -> Any:
    """The client's own object. Raises InvalidField, in place of whatever the client raises."""
    try:
        return kind(None, attributes)
    except Exception:
        raise InvalidField("subject") from None
