"""The pay call, and what its answer means.

One law rules all of it: an outcome is definite only where Stripe said so. Everything else is UNKNOWN with a reason.
"""

import asyncio
from datetime import datetime

from core.errors import ProviderUnavailable
from core.payments import NO_METHOD, UNFIT_METHOD, Card, ChargeOrder, ChargeResult, Failure, Outcome
from providers.fields import Fields, Unfit
from providers.results import declined, not_charged, succeeded, unknown
from providers.stripe import failures, refusals
from providers.stripe.actions import kind_of_intent, needs_customer
from providers.stripe.api import Answer, StripeApi, path, unavailable
from providers.stripe.asides import optional
from providers.stripe.cards import card_of_charge, card_of_error, cards_merged
from providers.stripe.payments import Payment
from providers.stripe.reading import checked, payment_of, read_invoice
from providers.stripe.settling import decline_of, is_fresh, part_since, settled
from providers.transport import CallFailed


async def pay(api: StripeApi, order: ChargeOrder, now: datetime) -> ChargeResult:
    """Send the order, or send it again. Raises ProviderUnavailable where it was surely not executed."""
    try:
        return await _judged(api, order, await _sent(api, order), now)
    except CallFailed as failed:
        if failed.sent:
            return unknown(failed.reason)
        raise ProviderUnavailable("Stripe could not be reached; nothing was sent.") from None
    except Unfit:
        return unknown("unfit_answer")


async def _sent(api: StripeApi, order: ChargeOrder) -> Answer:
    """Off-session is the default of this call and left out, as is everything that the order doesn't ask for."""
    method = {"payment_method": order.method_id} if order.method_id else {}
    where = path("invoices", order.invoice_id, "pay")
    return await api.post(where, order.idempotency_key, expand=["payments"], **method)


async def _judged(api: StripeApi, order: ChargeOrder, answer: Answer, now: datetime) -> ChargeResult:
    if answer.limited:
        raise unavailable(answer)
    if answer.ok:
        return await _accepted(api, order, answer, now)
    match answer.status:
        case 402 if not refusals.about_method(order, answer.error):
            return await _refused_by_bank(api, order, answer.error)
        case 401:
            return declined(Failure(code="authentication_error"))
        case 403:
            return declined(Failure(code="permission_error"))
        case 409:
            busy = answer.error.code("code") == "idempotency_key_in_use"
            return unknown("in_progress" if busy else "http_409")
    return await _not_taken(api, order, answer, now) if answer.refused else unknown(f"http_{answer.status}")


async def _accepted(api: StripeApi, order: ChargeOrder, answer: Answer, now: datetime) -> ChargeResult:
    """Executed: paid, or waiting for a bank or the customer. Raises Unfit where the answer doesn't even say that."""
    invoice = checked(answer.fields, order.invoice_id)
    payment = await _payment_afterwards(api, invoice)
    if invoice.code("status") == "paid":
        fresh = payment.charge.id("id") not in {None, order.charge_before}
        return succeeded(payment.charge.id("id") if fresh else None)
    if needs_customer(payment.intent):
        return decline_of(payment)
    if part := part_since(order, invoice):
        return succeeded(None).model_copy(update={"amount": part})
    result = settled(order, invoice, payment, now)
    return unknown("processing") if result.outcome is Outcome.UNKNOWN else result


async def _payment_afterwards(api: StripeApi, invoice: Fields) -> Payment:
    """The payment, if it can be read soon; the charge is made and its outcome must not depend on this."""
    try:
        async with asyncio.timeout(api.aside_seconds):
            payment = await payment_of(api, invoice)
    except (ProviderUnavailable, Unfit, TimeoutError):
        return Payment()
    return Payment(_lenient(payment.intent), _lenient(payment.charge))


def _lenient(fields: Fields) -> Fields:
    return Fields(fields.raw, fields.path, lenient=True)


async def _refused_by_bank(api: StripeApi, order: ChargeOrder, error: Fields) -> ChargeResult:
    """HTTP 402: a decline, as a result. Raises Unfit where the body names no reason at all."""
    if not error:
        raise Unfit("error")
    failure, card = failures.of_error(error), cards_merged(card_of_error(error), _awaited(error))
    charge = await _charge_behind(api, failure)
    tried = Failure(method_id=order.method_id or error.expanded("payment_intent").id("payment_method"))
    failure = failures.merged(failure, failures.of_charge(charge), tried)
    return declined(failure, cards_merged(card, card_of_charge(charge)))


def _awaited(error: Fields) -> Card:
    """What a payment that waits for the customer is to be paid with."""
    intent = error.expanded("payment_intent")
    return Card(kind=kind_of_intent(intent)) if needs_customer(intent) else Card()


async def _charge_behind(api: StripeApi, failure: Failure) -> Fields:
    """The charge, where the error alone says little: a block by Radar stands only in the charge's outcome."""
    if failure.charge_id is None or not failures.says_little(failure):
        return Fields({})
    return await optional(api, path("charges", failure.charge_id)) or Fields({})


async def _not_taken(api: StripeApi, order: ChargeOrder, answer: Answer, now: datetime) -> ChargeResult:
    """HTTP 400, 404 and the like: not executed now, which says nothing of an earlier try with the same key."""
    if answer.error.code("type") == "idempotency_error":
        return unknown("idempotency_mismatch")
    try:
        async with asyncio.timeout(api.seconds):
            invoice = await read_invoice(api, order.invoice_id)
            if invoice is None:
                return not_charged("invoice_missing")
            payment = await payment_of(api, invoice)
            return _explained(order, invoice, payment, answer.error, now)
    except (ProviderUnavailable, Unfit, TimeoutError):
        return unknown(f"http_{answer.status}")


def _explained(order: ChargeOrder, invoice: Fields, payment: Payment, error: Fields, now: datetime) -> ChargeResult:
    """Why the call wasn't taken, by the invoice as it is: paid (by us before, or by others), closed, or still open."""
    fresh = is_fresh(order, payment.charge)
    if invoice.code("status") == "paid":
        return settled(order, invoice, payment, now) if fresh else not_charged("invoice_paid")
    if fresh or payment.processing:
        return settled(order, invoice, payment, now)
    if invoice.code("status") != "open":
        return not_charged("invoice_not_payable")
    if refusals.about_method(order, error):
        return not_charged(UNFIT_METHOD if order.method_id else NO_METHOD)
    return declined(Failure(code=error.code("code") or error.code("type"), method_id=order.method_id))
