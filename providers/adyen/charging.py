"""A payment with a stored method, and what its answer means.

One law rules all of it: an outcome is definite only where Adyen said so. Everything else is UNKNOWN with a reason.
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
"""The error code of a request whose key is being worked on, or was."""
UNFIT_AMOUNT: Final = "amount_unfit"
"""Nothing, or what Adyen can't take in this currency."""
_METHOD_GONE_ERRORS: Final = frozenset({"800", "802", "803", "805"})
"""Errors that say: the shopper has no such stored method (docs.adyen.com/development-resources/error-codes)."""
_AUTHORISED_RESULTS: Final = frozenset({"Authorised", "PartiallyAuthorised"})
"""The second where the card's funds did not reach (Checkout v72, PaymentResponse.resultCode)."""
_REFUSED_RESULTS: Final = frozenset({"Refused", "Error", "Cancelled"})
_SHOPPER_RESULTS: Final = frozenset({"RedirectShopper", "IdentifyShopper", "ChallengeShopper", "PresentToShopper"})
_AUTH_ERRORS: Final[Mapping[int, str]] = {401: "authentication_error", 403: "permission_error"}


async def make_payment(api: AdyenApi, account: str, order: ChargeOrder) -> ChargeResult:
    """Send the order, or send it again. Raises ProviderUnavailable where it was surely not executed."""
    if why := _request_obstacle(order):
        return not_charged_result(why)
    request = payment_request(account, order)
    try:
        return _interpret_answer(order, await api.send_payment(request, order.idempotency_key))
    except CallFailed as failed:
        if failed.sent:
            return unknown_result(failed.reason)
        raise ProviderUnavailable("Adyen could not be reached; nothing was sent.") from None


def _request_obstacle(order: ChargeOrder) -> str | None:
    """Why no request can be made of this order: that is no refusal, since no bank was asked."""
    if not _stored_method_id(order) or not order.customer_id:
        return NO_METHOD
    if order.method_kind not in (None, MethodKind.CARD):
        return UNFIT_METHOD
    return None if from_iso(order.amount, order.currency) else UNFIT_AMOUNT


def payment_request(account: str, order: ChargeOrder) -> dict[str, Any]:
    """The body of the payment, made of the order alone, so that a repeat is the same. Only cards are `scheme`.

    Source: docs.adyen.com/online-payments/tokenization/make-token-payments, subscriptions.
    """
    return {
        "merchantAccount": account,
        "reference": order.invoice_id,
        "amount": {"value": from_iso(order.amount, order.currency), "currency": order.currency},
        "paymentMethod": {"type": "scheme", "storedPaymentMethodId": _stored_method_id(order)},
        "shopperReference": order.customer_id,
        "shopperInteraction": "ContAuth",
        "recurringProcessingModel": "Subscription",
        # Comes back in the webhook of this payment: that is how an answer that got lost is found out. At most 20 and 80
        # characters (Checkout v72, PaymentRequest.metadata).
        "metadata": {OWN_KEY.removeprefix("metadata."): order.idempotency_key},
    }


def _interpret_answer(order: ChargeOrder, answer: Answer) -> ChargeResult:
    if answer.status == 429:
        raise ProviderUnavailable("Adyen answered with HTTP 429.", answer.retry_after)
    if answer.is_success:
        return _interpret_payment(order, answer.fields)
    code = answer.fields.code("errorCode")
    if code == IN_PROGRESS:
        return unknown_result("in_progress")
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
    """Adyen looked at the payment: authorised, refused, or it goes on elsewhere."""
    result, psp = told.code("resultCode"), told.id("pspReference")
    if result is None or not _is_ours(order, told):
        return unknown_result("unfit_answer")
    if result in _AUTHORISED_RESULTS:
        return _authorised_result(order, told, psp)
    if result in _REFUSED_RESULTS:
        return declined_result(*_read_refusal(order, told, psp))
    if result in _SHOPPER_RESULTS:
        return declined_result(Failure(code="shopper_needed", method_id=_stored_method_id(order), charge_id=psp))
    return unknown_result("processing")


def _is_ours(order: ChargeOrder, told: Fields) -> bool:
    """Whether it answers this order; blanks at the ends of a reference may not come back."""
    reference = told.reference("merchantReference")
    return reference is None or reference.strip() == order.invoice_id.strip()


def _authorised_result(order: ChargeOrder, told: Fields, psp: str | None) -> ChargeResult:
    """What came may be less than was asked for: then Adyen's amount counts, and without one nobody knows."""
    amount = told.child("amount")
    value, currency = amount.integer("value"), amount.currency("currency")
    came = to_iso(value, currency) if value is not None and currency == order.currency.upper() else None
    if psp is None or (came is None and told.code("resultCode") != "Authorised"):
        return unknown_result("unfit_answer")
    part = came if came is not None and came < order.amount else None
    return succeeded_result(psp).model_copy(update={"amount": part})


def _read_refusal(order: ChargeOrder, told: Fields, psp: str | None) -> tuple[Failure, Card]:
    additional, method = told.child("additionalData"), _answer_brand(told)
    text, number = told.text("refusalReason"), told.code("refusalReasonCode")
    failure = failure_of(text or number, additional, method, psp)
    # The number says the same as the text, and still does where Adyen words it anew.
    failure = failure.model_copy(
        update={"method_id": _stored_method_id(order), "outcome_reason": number if text else None}
    )
    card = card_of_payment(additional, method).model_copy(update={"fingerprint": _stored_method_id(order)})
    return failure, card


def _stored_method_id(order: ChargeOrder) -> str | None:
    return order.method_id or order.last_method_id


def _answer_brand(told: Fields) -> str | None:
    named = (told.child("paymentMethod").code("brand"), told.child("additionalData").code("paymentMethod"))
    return next((name for name in named if not is_generic_method(name)), None) or told.child("paymentMethod").code(
        "type"
    )
