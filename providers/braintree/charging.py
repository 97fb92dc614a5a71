"""The pay calls, what their answers mean, and how a charge with a lost answer is reconciled.

An outcome is definite only if Braintree said so. Everything else is UNKNOWN with a reason. Braintree has no idempotency
keys, so no charge is repeated: its transactions are searched until one is found. Source:
developer.paypal.com/braintree/docs/reference/request/transaction/sale and .../request/subscription/retry-charge.
"""

from datetime import timedelta
from typing import Any, Final

from braintree.exceptions.not_found_error import NotFoundError

from core.errors import ProviderUnavailable
from core.payments import NO_METHOD, UNFIT_METHOD, ChargeOrder, ChargeResult, Failure, InvoiceStatus
from providers.base import (
    declined_result,
    no_attempt_result,
    not_charged_result,
    succeeded_result,
    unknown_result,
)
from providers.braintree.api import BraintreeApi
from providers.braintree.client_objects import to_amount_text
from providers.braintree.invoices import Billing, Invoice, find_invoice
from providers.braintree.transactions import TransactionView, parse_transaction
from providers.fields import InvalidField
from providers.transport import CallFailed

CLOCK_SKEW: Final = timedelta(seconds=5)
"""How far Braintree's clock, which counts whole seconds, may be behind ours."""
NOT_PAST_DUE: Final = "91531"
"""Validation: only a past due subscription can be charged again (ErrorCodes.Transaction of the official client)."""
FOREIGN_METHOD_ERRORS: Final = frozenset({"91518", "91903", "91905", "91516", "91527"})
"""Validation: there is no such token, or it is another customer's (ErrorCodes.Transaction and .Subscription)."""
_AUTH_ERRORS: Final = {401: "authentication_error", 403: "authorization_error"}
_API_SOURCES: Final = frozenset({None, "api"})


async def charge_invoice(api: BraintreeApi, order: ChargeOrder) -> ChargeResult:
    """Sends the order, once. A decline is a result; UNKNOWN after a time-out, a lost connection or a 5xx.

    Raises ProviderUnavailable if the order was certainly not executed, NotAllowed if the key may not read the invoice,
    and InvalidField for an unreadable invoice, before anything was sent.
    """
    # Read here, although the activity has read it: without a key nothing else stops a charge of what was paid since.
    found = await find_invoice(api, order.invoice_id)
    if found is None:
        return not_charged_result("invoice_missing")
    # The failed transaction that the order knew may still read as paid, if it is a debit that its bank returned.
    invoice = found.without_transaction(order.charge_before)
    if invoice.status is not InvoiceStatus.OPEN:
        return not_charged_result("invoice_paid" if invoice.status is InvoiceStatus.PAID else "invoice_not_payable")
    # A pay call names no currency: the order's amount would be charged in that of the merchant account.
    if invoice.newest_transaction and invoice.newest_transaction.currency not in {None, order.currency}:
        return declined_result(Failure(code="currency_mismatch", method_id=order.method_id))
    if invoice.billing:
        return await _retry_subscription(api, order, invoice.billing)
    return await _charge_by_sale(api, order, invoice)


async def _retry_subscription(api: BraintreeApi, order: ChargeOrder, billing: Billing) -> ChargeResult:
    """Charges a subscription by Braintree's own retry, which takes the subscription's method and no other.

    Another method of the order therefore becomes the subscription's first, also for its later periods.
    """
    if order.method_id and order.method_id != billing.method_id:
        refused = await _switch_method(api, billing.id, order.method_id)
        if refused:
            return refused
    try:
        return interpret_result(order, await api.retry_charge(billing.id, to_amount_text(order.amount, order.currency)))
    except CallFailed as failed:
        return _interpret_failed_call(failed)


async def _switch_method(api: BraintreeApi, subscription_id: str, token: str) -> ChargeResult | None:
    """Makes the method the subscription's; None if that succeeded. Raises ProviderUnavailable without an answer."""
    try:
        answer = await api.change_method(subscription_id, token)
    except CallFailed as failed:
        if failed.status in _AUTH_ERRORS:
            return declined_result(Failure(code=_AUTH_ERRORS[failed.status]))
        # Not UNKNOWN, even if it was sent: this call charges nothing, and it may be made again.
        raise ProviderUnavailable("The subscription's method could not be changed.", failed.retry_after) from None
    except NotFoundError:
        return not_charged_result("invoice_missing")
    if getattr(answer, "is_success", False):
        return None
    code = _first_error_code(answer)
    if code in FOREIGN_METHOD_ERRORS:
        return not_charged_result(UNFIT_METHOD)
    return declined_result(Failure(code=code or "method_not_taken", method_id=token))


async def _charge_by_sale(api: BraintreeApi, order: ChargeOrder, invoice: Invoice) -> ChargeResult:
    """Charges a single order by a new sale on the stored method, with the newest transaction's merchant account."""
    before, token = invoice.newest_transaction, order.method_id or invoice.method_token or order.last_method_id
    if not token:
        return not_charged_result(NO_METHOD)
    params = {
        "amount": to_amount_text(order.amount, order.currency),
        "order_id": order.invoice_id,
        "payment_method_token": token,
        # Marks a merchant-initiated charge without a fixed schedule, as the card networks require.
        "transaction_source": "unscheduled",
        "options": {"submit_for_settlement": True},
    }
    # A sale is in the currency of its merchant account; the default account may have another than the order.
    account = {"merchant_account_id": before.merchant_account} if before and before.merchant_account else {}
    try:
        return interpret_result(order, await api.create_sale(params | account))
    except CallFailed as failed:
        return _interpret_failed_call(failed)


def _interpret_failed_call(failed: CallFailed) -> ChargeResult:
    """The result of a call without a usable answer. Raises ProviderUnavailable if Braintree certainly did nothing."""
    if failed.status in _AUTH_ERRORS:
        return declined_result(Failure(code=_AUTH_ERRORS[failed.status]))
    # Once the request has left, a transaction may exist, and a second sale would charge it again.
    if failed.sent:
        return unknown_result(failed.reason)
    raise ProviderUnavailable(f"Braintree did not take the charge: {failed.reason}.", failed.retry_after)


def interpret_result(order: ChargeOrder, answer: Any) -> ChargeResult:
    """The result of an answered pay call: its transaction, or its validation errors; UNKNOWN if it has neither."""
    if answer is None:
        return unknown_result("unfit_answer")
    if getattr(answer, "transaction", None) is None:
        return _interpret_validation(order, answer)
    try:
        return _interpret_status(order, parse_transaction(answer.transaction))
    except InvalidField:
        return unknown_result("unfit_answer")


def _interpret_validation(order: ChargeOrder, answer: Any) -> ChargeResult:
    """A refusal by validation: no transaction was made, so the result is definite. UNKNOWN without an error code."""
    code = _first_error_code(answer)
    if code is None:
        return unknown_result("unfit_answer")
    if code == NOT_PAST_DUE:
        return not_charged_result("not_past_due")
    if code in FOREIGN_METHOD_ERRORS:
        return not_charged_result(UNFIT_METHOD if order.method_id else NO_METHOD)
    return declined_result(Failure(code=code, method_id=order.method_id or order.last_method_id))


def _first_error_code(answer: Any) -> str | None:
    errors = getattr(getattr(answer, "errors", None), "deep_errors", None) or ()
    return next((str(error.code) for error in errors), None)


def _interpret_status(order: ChargeOrder, ours: TransactionView) -> ChargeResult:
    """The result of a transaction; one that is still under way (a debit, say) is UNKNOWN."""
    if ours.is_paid:
        return _paid_result(order, ours)
    return declined_result(ours.failure, ours.card) if ours.has_failed else unknown_result("processing")


def _paid_result(order: ChargeOrder, ours: TransactionView) -> ChargeResult:
    """A success, with the amount if it is less than ordered (1004, partial approval); UNKNOWN without an amount."""
    if ours.amount is None:
        return unknown_result("no_amount")
    less = ours.amount < order.amount
    return succeeded_result(ours.id).model_copy(update={"amount": ours.amount if less else None})


def reconcile_by_search(order: ChargeOrder, invoice: Invoice | None) -> ChargeResult:
    """The outcome of an order whose answer was lost, by its invoice's transactions; UNKNOWN until one is found.

    A success since the order counts, whoever requested it; one for less only if the order's amount was requested. A
    failure counts only if it came over the API: Braintree's own retry may have failed beside ours.
    """
    fresh = [one for one in (invoice.transactions if invoice else ()) if is_newer_transaction(order, one)]
    if paid := next((one for one in fresh if one.is_paid and _is_answer_to(order, one)), None):
        return _paid_result(order, paid)
    # A decline is definite only if nothing else since the order is paid or may still be.
    if any(one.is_paid or one.is_under_way for one in fresh):
        return unknown_result("processing")
    ours = next((one for one in fresh if one.has_failed and one.source in _API_SOURCES), None)
    if ours:
        return declined_result(ours.failure, ours.card)
    # Without its invoice nothing was searched: a 404 may come from a proxy on the way.
    return no_attempt_result("not_found") if invoice else unknown_result("not_found")


def _is_answer_to(order: ChargeOrder, one: TransactionView) -> bool:
    """Whether a success covers the order: by its amount, or as a partial approval of just this request."""
    enough = (one.amount or 0) >= order.amount
    return enough or (one.requested == order.amount and one.source in _API_SOURCES)


def is_newer_transaction(order: ChargeOrder, one: TransactionView) -> bool:
    """Whether a transaction came after the order: created since, and not the latest one that the order already knew."""
    if one.id == order.charge_before or one.created_at is None:
        return False
    return one.created_at >= order.requested_at - CLOCK_SKEW
