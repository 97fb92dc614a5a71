"""The pay call, and what its answer means.

One law rules all of it: an outcome is definite only where Stripe said so. Everything else is UNKNOWN with a reason.
"""

import asyncio
from datetime import datetime

from core.errors import ProviderUnavailable
from core.payments import NO_METHOD, UNFIT_METHOD, Card, ChargeOrder, ChargeResult, Failure, Outcome
from providers.base import declined_result, not_charged_result, succeeded_result, unknown_result
from providers.fields import Fields, InvalidField
from providers.stripe import failures
from providers.stripe import failures as refusals
from providers.stripe.actions import kind_of_intent, needs_customer
from providers.stripe.api import Answer, StripeApi, api_path, read_optional, unavailable_error
from providers.stripe.cards import card_of_charge, card_of_error, merge_cards
from providers.stripe.invoice_reader import read_invoice, read_main_payment, require_invoice
from providers.stripe.payments import Payment
from providers.stripe.reconciliation import amount_paid_since, decline_of, is_newer_charge, reconcile_by_payment
from providers.transport import CallFailed


async def pay_invoice(api: StripeApi, order: ChargeOrder, now: datetime) -> ChargeResult:
    """Send the order, or send it again. Raises ProviderUnavailable where it was surely not executed."""
    try:
        return await _interpret_answer(api, order, await _send_payment(api, order), now)
    except CallFailed as failed:
        if failed.sent:
            return unknown_result(failed.reason)
        raise ProviderUnavailable("Stripe could not be reached; nothing was sent.") from None
    except InvalidField:
        return unknown_result("unfit_answer")


async def _send_payment(api: StripeApi, order: ChargeOrder) -> Answer:
    """Off-session is the default of this call and left out, as is everything that the order doesn't ask for."""
    method = {"payment_method": order.method_id} if order.method_id else {}
    where = api_path("invoices", order.invoice_id, "pay")
    return await api.post(where, order.idempotency_key, expand=["payments"], **method)


async def _interpret_answer(api: StripeApi, order: ChargeOrder, answer: Answer, now: datetime) -> ChargeResult:
    if answer.is_rate_limited:
        raise unavailable_error(answer)
    if answer.is_success:
        return await _interpret_accepted(api, order, answer, now)
    match answer.status:
        case 402 if not refusals.is_method_refusal(order, answer.error):
            return await _interpret_decline(api, order, answer.error)
        case 401:
            return declined_result(Failure(code="authentication_error"))
        case 403:
            return declined_result(Failure(code="permission_error"))
        case 409:
            busy = answer.error.code("code") == "idempotency_key_in_use"
            return unknown_result("in_progress" if busy else "http_409")
    return (
        await _interpret_refusal(api, order, answer, now)
        if answer.is_refused
        else unknown_result(f"http_{answer.status}")
    )


async def _interpret_accepted(api: StripeApi, order: ChargeOrder, answer: Answer, now: datetime) -> ChargeResult:
    """Executed: paid, or waiting for a bank or the customer. Raises Unfit where the answer doesn't even say that."""
    invoice = require_invoice(answer.fields, order.invoice_id)
    payment = await _read_payment_afterwards(api, invoice)
    if invoice.code("status") == "paid":
        fresh = payment.charge.id("id") not in {None, order.charge_before}
        return succeeded_result(payment.charge.id("id") if fresh else None)
    if needs_customer(payment.intent):
        return decline_of(payment)
    if part := amount_paid_since(order, invoice):
        return succeeded_result(None).model_copy(update={"amount": part})
    result = reconcile_by_payment(order, invoice, payment, now)
    return unknown_result("processing") if result.outcome is Outcome.UNKNOWN else result


async def _read_payment_afterwards(api: StripeApi, invoice: Fields) -> Payment:
    """The payment, if it can be read soon; the charge is made and its outcome must not depend on this."""
    try:
        async with asyncio.timeout(api.optional_seconds):
            payment = await read_main_payment(api, invoice)
    except (ProviderUnavailable, InvalidField, TimeoutError):
        return Payment()
    return Payment(_lenient_fields(payment.intent), _lenient_fields(payment.charge))


def _lenient_fields(fields: Fields) -> Fields:
    return Fields(fields.raw, fields.path, lenient=True)


async def _interpret_decline(api: StripeApi, order: ChargeOrder, error: Fields) -> ChargeResult:
    """HTTP 402: a decline, as a result. Raises Unfit where the body names no reason at all."""
    if not error:
        raise InvalidField("error")
    failure, card = failures.failure_of_error(error), merge_cards(card_of_error(error), _awaited_card(error))
    charge = await _read_charge_behind(api, failure)
    tried = Failure(method_id=order.method_id or error.expanded_object("payment_intent").id("payment_method"))
    failure = failures.merge_failures(failure, failures.failure_of_charge(charge), tried)
    return declined_result(failure, merge_cards(card, card_of_charge(charge)))


def _awaited_card(error: Fields) -> Card:
    """What a payment that waits for the customer is to be paid with."""
    intent = error.expanded_object("payment_intent")
    return Card(kind=kind_of_intent(intent)) if needs_customer(intent) else Card()


async def _read_charge_behind(api: StripeApi, failure: Failure) -> Fields:
    """The charge, where the error alone says little: a block by Radar stands only in the charge's outcome."""
    if failure.charge_id is None or not failures.is_generic_failure(failure):
        return Fields({})
    return await read_optional(api, api_path("charges", failure.charge_id)) or Fields({})


async def _interpret_refusal(api: StripeApi, order: ChargeOrder, answer: Answer, now: datetime) -> ChargeResult:
    """HTTP 400, 404 and the like: not executed now, which says nothing of an earlier try with the same key."""
    if answer.error.code("type") == "idempotency_error":
        return unknown_result("idempotency_mismatch")
    try:
        async with asyncio.timeout(api.seconds):
            invoice = await read_invoice(api, order.invoice_id)
            if invoice is None:
                return not_charged_result("invoice_missing")
            payment = await read_main_payment(api, invoice)
            return _explain_refusal(order, invoice, payment, answer.error, now)
    except (ProviderUnavailable, InvalidField, TimeoutError):
        return unknown_result(f"http_{answer.status}")


def _explain_refusal(
    order: ChargeOrder, invoice: Fields, payment: Payment, error: Fields, now: datetime
) -> ChargeResult:
    """Why the call wasn't taken, by the invoice as it is: paid (by us before, or by others), closed, or still open."""
    fresh = is_newer_charge(order, payment.charge)
    if invoice.code("status") == "paid":
        return reconcile_by_payment(order, invoice, payment, now) if fresh else not_charged_result("invoice_paid")
    if fresh or payment.is_processing:
        return reconcile_by_payment(order, invoice, payment, now)
    if invoice.code("status") != "open":
        return not_charged_result("invoice_not_payable")
    if refusals.is_method_refusal(order, error):
        return not_charged_result(UNFIT_METHOD if order.method_id else NO_METHOD)
    return declined_result(Failure(code=error.code("code") or error.code("type"), method_id=order.method_id))
