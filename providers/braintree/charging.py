"""The pay calls, what their answers mean, and how a lost answer is found out.

One law rules all of it: an outcome is definite only where Braintree said so. Everything else is UNKNOWN with a reason.
"""

from datetime import timedelta
from typing import Any, Final

from braintree.exceptions.not_found_error import NotFoundError

from core.errors import ProviderUnavailable
from core.payments import NO_METHOD, UNFIT_METHOD, ChargeOrder, ChargeResult, Failure, InvoiceStatus
from providers.braintree.api import BraintreeApi
from providers.braintree.invoices import Billing, Invoice, find
from providers.braintree.minor import to_text
from providers.braintree.tries import Try, tried
from providers.fields import Unfit
from providers.results import declined, not_charged, succeeded, unknown
from providers.transport import CallFailed

CLOCK_SKEW: Final = timedelta(seconds=5)
"""How far Braintree's clock, which counts whole seconds, may be behind ours."""
NOT_PAST_DUE: Final = "91531"
"""Validation: only a past due subscription can be charged again (ErrorCodes.Transaction of the official client)."""
NOT_THEIRS: Final = frozenset({"91518", "91903", "91905", "91516", "91527"})
"""Validation: there is no such token, or it is another customer's (ErrorCodes.Transaction and .Subscription)."""
_OWN_WORDS: Final = {401: "authentication_error", 403: "authorization_error"}
_OURS: Final = frozenset({None, "api"})


async def pay(api: BraintreeApi, order: ChargeOrder) -> ChargeResult:
    """Send the order, once. Raises ProviderUnavailable where it was surely not executed, Unfit before it was sent."""
    found = await find(api, order.invoice_id)
    if found is None:
        return not_charged("invoice_missing")
    invoice = found.without(order.charge_before)
    if invoice.status is not InvoiceStatus.OPEN:
        return not_charged("invoice_paid" if invoice.status is InvoiceStatus.PAID else "invoice_not_payable")
    if invoice.newest and invoice.newest.currency not in {None, order.currency}:
        return declined(Failure(code="currency_mismatch", method_id=order.method_id))
    if invoice.billing:
        return await _retry(api, order, invoice.billing)
    return await _sell(api, order, invoice)


async def _retry(api: BraintreeApi, order: ChargeOrder, billing: Billing) -> ChargeResult:
    """A subscription is charged by Braintree's own retry; a new method must be the subscription's first."""
    if order.method_id and order.method_id != billing.method_id:
        refused = await _switched(api, billing.id, order.method_id)
        if refused:
            return refused
    try:
        return judged(order, await api.retry(billing.id, to_text(order.amount, order.currency)))
    except CallFailed as failed:
        return _not_answered(failed)


async def _switched(api: BraintreeApi, subscription_id: str, token: str) -> ChargeResult | None:
    """None once the method is the subscription's. Nothing is charged by this: ProviderUnavailable is safe."""
    try:
        answer = await api.use_method(subscription_id, token)
    except CallFailed as failed:
        if failed.status in _OWN_WORDS:
            return declined(Failure(code=_OWN_WORDS[failed.status]))
        raise ProviderUnavailable("The subscription's method could not be changed.", failed.retry_after) from None
    except NotFoundError:
        return not_charged("invoice_missing")
    if getattr(answer, "is_success", False):
        return None
    code = _first_error(answer)
    if code in NOT_THEIRS:
        return not_charged(UNFIT_METHOD)
    return declined(Failure(code=code or "method_not_taken", method_id=token))


async def _sell(api: BraintreeApi, order: ChargeOrder, invoice: Invoice) -> ChargeResult:
    """A single order is sold again on the stored method, by the merchant account of the try before."""
    before, token = invoice.newest, order.method_id or invoice.token or order.last_method_id
    if not token:
        return not_charged(NO_METHOD)
    params = {
        "amount": to_text(order.amount, order.currency),
        "order_id": order.invoice_id,
        "payment_method_token": token,
        "transaction_source": "unscheduled",
        "options": {"submit_for_settlement": True},
    }
    # The currency is that of the merchant account: the default one might charge another.
    account = {"merchant_account_id": before.merchant_account} if before and before.merchant_account else {}
    try:
        return judged(order, await api.sale(params | account))
    except CallFailed as failed:
        return _not_answered(failed)


def _not_answered(failed: CallFailed) -> ChargeResult:
    """Raises ProviderUnavailable where Braintree surely did nothing."""
    if failed.status in _OWN_WORDS:
        return declined(Failure(code=_OWN_WORDS[failed.status]))
    if failed.sent:
        return unknown(failed.reason)
    raise ProviderUnavailable(f"Braintree did not take the charge: {failed.reason}.", failed.retry_after)


def judged(order: ChargeOrder, answer: Any) -> ChargeResult:
    """What the client's result means."""
    if answer is None:
        return unknown("unfit_answer")
    if getattr(answer, "transaction", None) is None:
        return _not_taken(order, answer)
    try:
        return _by_status(order, tried(answer.transaction))
    except Unfit:
        return unknown("unfit_answer")


def _not_taken(order: ChargeOrder, answer: Any) -> ChargeResult:
    """Validation errors: no transaction was made."""
    code = _first_error(answer)
    if code is None:
        return unknown("unfit_answer")
    if code == NOT_PAST_DUE:
        return not_charged("not_past_due")
    if code in NOT_THEIRS:
        return not_charged(UNFIT_METHOD if order.method_id else NO_METHOD)
    return declined(Failure(code=code, method_id=order.method_id or order.last_method_id))


def _first_error(answer: Any) -> str | None:
    errors = getattr(getattr(answer, "errors", None), "deep_errors", None) or ()
    return next((str(error.code) for error in errors), None)


def _by_status(order: ChargeOrder, ours: Try) -> ChargeResult:
    """A success for less than ordered (1004: the bank authorised a part) says how much came."""
    if ours.paid:
        return _came(order, ours)
    return declined(ours.failure, ours.card) if ours.failed else unknown("processing")


def _came(order: ChargeOrder, ours: Try) -> ChargeResult:
    """How much came is said where it is less; nobody knows it of a success without an amount."""
    if ours.amount is None:
        return unknown("no_amount")
    less = ours.amount < order.amount
    return succeeded(ours.id).model_copy(update={"amount": ours.amount if less else None})


def settled(order: ChargeOrder, invoice: Invoice | None) -> ChargeResult:
    """What searching tells of an order whose answer was lost: UNKNOWN until its transaction is found.

    A success since the order is the money, whoever asked for it; one for less is ours only where it was asked for as
    much. A failure counts only where the API was the source: Braintree's own retry may have failed beside ours.
    """
    fresh = [one for one in (invoice.tries if invoice else ()) if is_fresh(order, one)]
    if paid := next((one for one in fresh if one.paid and _answers(order, one)), None):
        return _came(order, paid)
    if any(one.paid or one.under_way for one in fresh):
        return unknown("processing")
    ours = next((one for one in fresh if one.failed and one.source in _OURS), None)
    return declined(ours.failure, ours.card) if ours else unknown("not_found")


def _answers(order: ChargeOrder, one: Try) -> bool:
    """Whether this success can be the end of that order."""
    enough = (one.amount or 0) >= order.amount
    return enough or (one.requested == order.amount and one.source in _OURS)


def is_fresh(order: ChargeOrder, one: Try) -> bool:
    """Whether a try came after the order: one that the invoice didn't have yet, made since."""
    if one.id == order.charge_before or one.created_at is None:
        return False
    return one.created_at >= order.requested_at - CLOCK_SKEW
