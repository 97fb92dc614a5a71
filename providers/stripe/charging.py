"""The pay call of an invoice, and what its answer means.

An outcome is definite only if Stripe said so. Everything else is UNKNOWN with a reason, and is reconciled before
another attempt. Sources: docs.stripe.com/api/invoices/pay, docs.stripe.com/api/errors,
docs.stripe.com/api/idempotent_requests, docs.stripe.com/error-low-level.
"""

import asyncio
from datetime import datetime

from core.errors import NotAllowed, ProviderUnavailable
from core.payments import NO_METHOD, UNFIT_METHOD, Card, ChargeOrder, ChargeResult, Failure, Outcome
from providers.base import declined_result, no_attempt_result, not_charged_result, succeeded_result, unknown_result
from providers.fields import Fields, InvalidField
from providers.stripe import failures
from providers.stripe.actions import kind_of_intent, needs_customer
from providers.stripe.api import Answer, StripeApi, api_path, read_optional, unavailable_error
from providers.stripe.cards import card_of_charge, card_of_error, merge_cards
from providers.stripe.invoice_reader import (
    EXPAND_INTENTS,
    EXPAND_PAYMENTS,
    read_invoice,
    read_main_payment,
    require_invoice,
)
from providers.stripe.invoices import link_of
from providers.stripe.payments import Payment, shown_intent
from providers.stripe.reconciliation import amount_paid_since, decline_of, is_newer_charge, reconcile_by_payment
from providers.transport import CallFailed


async def pay_invoice(api: StripeApi, order: ChargeOrder, now: datetime) -> ChargeResult:
    """Sends the order, or sends it again under the same key. A decline is a result.

    UNKNOWN after a time-out, a lost connection, a 5xx or an unreadable answer. Raises ProviderUnavailable if the order
    was certainly not executed: not connected, or rate limited.
    """
    try:
        return await _interpret_answer(api, order, await _send_payment(api, order), now)
    except CallFailed as failed:
        # Once the request has left, Stripe may have charged, whatever became of the answer. "Not charged" would let
        # the next attempt, with a new key, take the money a second time.
        if failed.sent:
            return unknown_result(failed.reason)
        raise ProviderUnavailable("Stripe could not be reached; nothing was sent.") from None
    except InvalidField:
        # Stripe answered and may have charged: that the answer can't be read doesn't undo it.
        return unknown_result("unfit_answer")


async def _send_payment(api: StripeApi, order: ChargeOrder) -> Answer:
    """The answer to the pay call. The body holds what the stored order names, and how the answer shall be shown."""
    # A repeat must have the same parameters: for others under one key Stripe answers with an idempotency_error.
    # `off_session` is this call's default and left out.
    method = {"payment_method": order.method_id} if order.method_id else {}
    where = api_path("invoices", order.invoice_id, "pay")
    answer = await api.post(where, order.idempotency_key, expand=list(EXPAND_INTENTS), **method)
    if not _is_mismatch(answer.error):
        return answer
    # Releases before 0.2 expanded less: this may be the repeat of a charge that one of them sent.
    return await api.post(where, order.idempotency_key, expand=list(EXPAND_PAYMENTS), **method)


def _is_mismatch(error: Fields) -> bool:
    """Whether the key was used with other parameters (HTTP 400); the same type with HTTP 409 means "in progress"."""
    return error.code("type") == "idempotency_error" and error.code("code") != "idempotency_key_in_use"


async def _interpret_answer(api: StripeApi, order: ChargeOrder, answer: Answer, now: datetime) -> ChargeResult:
    # Stripe refuses for a limit before it executes and stores no answer under the key: the same key may go again.
    if answer.is_rate_limited:
        raise unavailable_error(answer)
    if answer.is_success:
        return await _interpret_accepted(api, order, answer, now)
    match answer.status:
        # 402 is also the answer for a customer without a usable method: no bank declined then.
        case 402 if not failures.is_method_refusal(order, answer.error):
            return await _interpret_decline(api, order, answer.error)
        # Definite, since a refused key executes nothing; the decline table files it under CONFIGURATION.
        case 401:
            return declined_result(Failure(code="authentication_error"))
        case 403:
            return await _interpret_forbidden(api, order, now)
        case 409:
            # The first request with this key is still being executed: its result will be read, or the repeat gets it.
            busy = answer.error.code("code") == "idempotency_key_in_use"
            return unknown_result("in_progress" if busy else "http_409")
    return (
        await _interpret_refusal(api, order, answer, now)
        if answer.is_refused
        else unknown_result(f"http_{answer.status}")
    )


async def _interpret_accepted(api: StripeApi, order: ChargeOrder, answer: Answer, now: datetime) -> ChargeResult:
    """The result of an executed call: paid, paid in part, declined, or waiting for a bank (UNKNOWN).

    Raises InvalidField if the answer isn't this invoice, or has no known status.
    """
    invoice = require_invoice(answer.fields, order.invoice_id)
    shown = shown_intent(invoice.items("payments"), link_of(invoice))
    if invoice.code("status") == "paid" and shown:
        return _succeeded_with(order, shown.id("latest_charge"))
    payment = await _read_payment_afterwards(api, invoice)
    if invoice.code("status") == "paid":
        return _succeeded_with(order, payment.charge.id("id"))
    # Before the charge is looked at: an intent that waits for the customer still names the charge of its last failure.
    if needs_customer(payment.intent):
        return decline_of(payment)
    if part := amount_paid_since(order, invoice):
        return succeeded_result(None).model_copy(update={"amount": part})
    # Stripe accepted the call, so something is under way even if no charge can be seen yet.
    result = reconcile_by_payment(order, invoice, payment, now)
    return unknown_result("processing") if result.outcome is Outcome.UNKNOWN else result


def _succeeded_with(order: ChargeOrder, charge_id: str | None) -> ChargeResult:
    """The success, with the charge if it is new.

    A balance or credit can pay an invoice without one: the latest charge is then the one that failed before.
    """
    return succeeded_result(charge_id if charge_id != order.charge_before else None)


async def _read_payment_afterwards(api: StripeApi, invoice: Fields) -> Payment:
    """The payment, empty if it can't be read soon: the charge is already made, and this read must not change that."""
    try:
        async with asyncio.timeout(api.optional_seconds):
            payment = await read_main_payment(api, invoice)
    except (ProviderUnavailable, InvalidField, TimeoutError):
        return Payment()
    return Payment(payment.intent.leniently(), payment.charge.leniently())


async def _interpret_decline(api: StripeApi, order: ChargeOrder, error: Fields) -> ChargeResult:
    """HTTP 402: a decline with its codes and its card. Raises InvalidField if the body has no `error`."""
    if not error:
        raise InvalidField("error")
    # The error answers this call, so its codes come first; the charge and the order only fill what it leaves out.
    failure, card = failures.failure_of_error(error), merge_cards(card_of_error(error), _awaited_card(error))
    charge = await _read_charge_behind(api, failure)
    tried = Failure(method_id=order.method_id or error.expanded_object("payment_intent").id("payment_method"))
    failure = failures.merge_failures(failure, failures.failure_of_charge(charge), tried)
    return declined_result(failure, merge_cards(card, card_of_charge(charge)))


def _awaited_card(error: Fields) -> Card:
    """The kind of method that a payment waits for, if it waits for the customer; otherwise an empty card."""
    intent = error.expanded_object("payment_intent")
    return Card(kind=kind_of_intent(intent)) if needs_customer(intent) else Card()


async def _read_charge_behind(api: StripeApi, failure: Failure) -> Fields:
    """The charge of a generic error, empty otherwise: only a charge's outcome says that Radar blocked the payment."""
    if failure.charge_id is None or not failures.is_generic_failure(failure):
        return Fields({})
    return await read_optional(api, api_path("charges", failure.charge_id)) or Fields({})


async def _interpret_forbidden(api: StripeApi, order: ChargeOrder, now: datetime) -> ChargeResult:
    """HTTP 403: the key may not charge, or may not see what the answer should show. The invoice tells them apart.

    Stripe doesn't document whether it checks the permissions for `expand` before it executes. A key that may not read
    the invoice either was refused as a whole.
    """
    try:
        async with asyncio.timeout(api.seconds):
            invoice = await read_invoice(api, order.invoice_id)
            payment = await read_main_payment(api, invoice) if invoice else Payment()
    except NotAllowed:
        return declined_result(Failure(code="permission_error"))
    except (ProviderUnavailable, InvalidField, TimeoutError):
        return unknown_result("http_403")
    found = reconcile_by_payment(order, invoice, payment, now) if invoice else no_attempt_result("invoice_missing")
    # No attempt to be seen: then the key was refused before anything was executed.
    return declined_result(Failure(code="permission_error")) if found.no_attempt else found


async def _interpret_refusal(api: StripeApi, order: ChargeOrder, answer: Answer, now: datetime) -> ChargeResult:
    """HTTP 400, 404 and the like: this request was not executed, but an earlier one with the same key may have been.

    So the invoice is read before the refusal counts; UNKNOWN if it can't be read.
    """
    # The key was used with other parameters: whatever was done under it, this answer doesn't say.
    if _is_mismatch(answer.error):
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
    """Why the call was refused, by the invoice as it is: paid (by this order before, or by others), closed, or open."""
    # A charge made since the order is this order's: an earlier request with the key went through.
    fresh = is_newer_charge(order, payment.charge)
    if invoice.code("status") == "paid":
        return reconcile_by_payment(order, invoice, payment, now) if fresh else not_charged_result("invoice_paid")
    if fresh or payment.is_processing:
        return reconcile_by_payment(order, invoice, payment, now)
    if invoice.code("status") != "open":
        return not_charged_result("invoice_not_payable")
    if failures.is_method_refusal(order, error):
        return not_charged_result(UNFIT_METHOD if order.method_id else NO_METHOD)
    return declined_result(Failure(code=error.code("code") or error.code("type"), method_id=order.method_id))
