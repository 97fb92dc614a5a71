"""A payment with a stored method, and what its answer means.

An outcome is definite only if Adyen said so. Everything else is UNKNOWN with a reason: the webhook of the payment or a
repeat with the same key then tells the result, since payments can't be read. Sources: Checkout v72, PaymentResponse;
docs.adyen.com/development-resources/api-idempotency, docs.adyen.com/development-resources/error-codes.
"""

from collections.abc import Mapping
from typing import Any, Final

from core.errors import ProviderUnavailable
from core.payments import NO_METHOD, UNFIT_METHOD, Card, ChargeOrder, ChargeResult, Failure, MethodKind
from providers.adyen.api import AdyenApi, Answer
from providers.adyen.failures import card_of_payment, failure_of
from providers.adyen.methods import is_generic_method
from providers.adyen.notification import OWN_KEY, from_iso, to_iso
from providers.base import declined_result, not_charged_result, succeeded_result, unknown_result
from providers.fields import Fields
from providers.transport import CallFailed

IN_PROGRESS: Final = "704"
"""The error code of a request with a key that another request is using, or has used (error-codes, "704")."""
UNFIT_AMOUNT: Final = "amount_unfit"
"""The reason of a zero amount, or one that Adyen's decimals of the currency can't express."""
_METHOD_GONE_ERRORS: Final = frozenset({"800", "802", "803", "805"})
"""Error codes: the shopper has no such stored method (docs.adyen.com/development-resources/error-codes)."""
_AUTHORISED_RESULTS: Final = frozenset({"Authorised", "PartiallyAuthorised"})
"""PartiallyAuthorised: the card's funds covered a part (Checkout v72, PaymentResponse.resultCode)."""
_REFUSED_RESULTS: Final = frozenset({"Refused", "Error", "Cancelled"})
_SHOPPER_RESULTS: Final = frozenset({"RedirectShopper", "IdentifyShopper", "ChallengeShopper", "PresentToShopper"})
_AUTH_ERRORS: Final[Mapping[int, str]] = {401: "authentication_error", 403: "permission_error"}


async def make_payment(api: AdyenApi, account: str, order: ChargeOrder) -> ChargeResult:
    """Sends the order, or sends it again under the same key. A decline is a result.

    UNKNOWN after a time-out, a lost connection, a 5xx or an unreadable answer. Raises ProviderUnavailable if the order
    was certainly not executed: not connected, or rate limited.
    """
    if why := _request_obstacle(order):
        return not_charged_result(why)
    request = payment_request(account, order)
    try:
        return _interpret_answer(order, await api.send_payment(request, order.idempotency_key))
    except CallFailed as failed:
        # Once the request has left, Adyen may have authorised, whatever became of the answer.
        if failed.sent:
            return unknown_result(failed.reason)
        raise ProviderUnavailable("Adyen could not be reached; nothing was sent.") from None


def _request_obstacle(order: ChargeOrder) -> str | None:
    """Why no request can be made of this order, as a NOT_CHARGED reason: no bank was asked. None if one can be made."""
    if not _stored_method_id(order) or not order.customer_id:
        return NO_METHOD
    if order.method_kind not in (None, MethodKind.CARD):
        return UNFIT_METHOD
    return None if from_iso(order.amount, order.currency) else UNFIT_AMOUNT


def payment_request(account: str, order: ChargeOrder) -> dict[str, Any]:
    """The body of the payment, made of the stored order alone, so that a repeat is identical.

    `scheme` is Adyen's type for cards, the only methods that are charged.
    Source: docs.adyen.com/online-payments/tokenization/make-token-payments, subscriptions.
    """
    return {
        "merchantAccount": account,
        "reference": order.invoice_id,
        "amount": {"value": from_iso(order.amount, order.currency), "currency": order.currency},
        "paymentMethod": {"type": "scheme", "storedPaymentMethodId": _stored_method_id(order)},
        "shopperReference": order.customer_id,
        # Merchant-initiated: the shopper isn't present and can't authenticate.
        "shopperInteraction": "ContAuth",
        "recurringProcessingModel": "Subscription",
        # Returned in the webhook of this payment: an unknown charge is reconciled by it. Names are limited to 20
        # characters, values to 80 (Checkout v72, PaymentRequest.metadata).
        "metadata": {OWN_KEY.removeprefix("metadata."): order.idempotency_key},
    }


def _interpret_answer(order: ChargeOrder, answer: Answer) -> ChargeResult:
    # A limit is checked before anything is executed: the same key may go again.
    if answer.status == 429:
        raise ProviderUnavailable("Adyen answered with HTTP 429.", answer.retry_after)
    if answer.is_success:
        return _interpret_payment(order, answer.fields)
    code = answer.fields.code("errorCode")
    # Checked before the status: 704 comes with HTTP 422, but says that an earlier request with this key is executed.
    if code == IN_PROGRESS:
        return unknown_result("in_progress")
    # Refused by validation, before any bank was asked: definite for this request. If it was a repeat, the activity
    # keeps the charge unknown, since the first request may have gone through.
    if answer.status in _AUTH_ERRORS or answer.status in (400, 422):
        return (
            not_charged_result(UNFIT_METHOD)
            if code in _METHOD_GONE_ERRORS
            else declined_result(Failure(code=_auth_error_code(answer) or code))
        )
    return unknown_result(f"http_{answer.status}")


def _auth_error_code(answer: Answer) -> str | None:
    return _AUTH_ERRORS.get(answer.status)


def _interpret_payment(order: ChargeOrder, told: Fields) -> ChargeResult:
    """The result of a payment that Adyen executed: authorised, refused, waiting for the shopper, or pending."""
    result, psp = told.code("resultCode"), told.id("pspReference")
    if result is None or not _is_ours(order, told):
        return unknown_result("unfit_answer")
    if result in _AUTHORISED_RESULTS:
        return _authorised_result(order, told, psp)
    if result in _REFUSED_RESULTS:
        return declined_result(*_read_refusal(order, told, psp))
    # Nobody is there to be redirected: it ends as a decline, whose cause sends the customer a link.
    if result in _SHOPPER_RESULTS:
        return declined_result(Failure(code="shopper_needed", method_id=_stored_method_id(order), charge_id=psp))
    return unknown_result("processing")


def _is_ours(order: ChargeOrder, told: Fields) -> bool:
    """Whether the answer is about this order; Adyen may strip spaces at the ends of a reference."""
    reference = told.reference("merchantReference")
    return reference is None or reference.strip() == order.invoice_id.strip()


def _authorised_result(order: ChargeOrder, told: Fields, psp: str | None) -> ChargeResult:
    """A success, with the amount if it is less than was requested.

    UNKNOWN without a PSP reference, or for a partial authorisation that doesn't say how much was authorised.
    """
    amount = told.child("amount")
    value, currency = amount.integer("value"), amount.currency("currency")
    # An amount in another currency can't be compared with the order's.
    came = to_iso(value, currency) if value is not None and currency == order.currency.upper() else None
    if psp is None or (came is None and told.code("resultCode") != "Authorised"):
        return unknown_result("unfit_answer")
    part = came if came is not None and came < order.amount else None
    return succeeded_result(psp).model_copy(update={"amount": part})


def _read_refusal(order: ChargeOrder, told: Fields, psp: str | None) -> tuple[Failure, Card]:
    additional, method = told.child("additionalData"), _answer_brand(told)
    text, number = told.text("refusalReason"), told.code("refusalReasonCode")
    failure = failure_of(text or number, additional, method, psp)
    # The number is kept beside the text: it stays the same if Adyen rewords the text.
    known = {"method_id": _stored_method_id(order), "outcome_reason": number if text else None}
    failure = Failure.model_validate(failure.model_dump(exclude_unset=True) | known)
    # The token identifies the card for network limits: webhooks of later payments have it, card aliases they may lack.
    card = card_of_payment(additional, method).model_copy(update={"fingerprint": _stored_method_id(order)})
    return failure, card


def _stored_method_id(order: ChargeOrder) -> str | None:
    return order.method_id or order.last_method_id


def _answer_brand(told: Fields) -> str | None:
    named = (told.child("paymentMethod").code("brand"), told.child("additionalData").code("paymentMethod"))
    return next((name for name in named if not is_generic_method(name)), None) or told.child("paymentMethod").code(
        "type"
    )
