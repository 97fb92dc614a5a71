"""A payment with a stored method, and what its answer means.

One law rules all of it: an outcome is definite only where Adyen said so. Everything else is UNKNOWN with a reason.
"""

from collections.abc import Mapping
from typing import Any, Final

from core.errors import ProviderUnavailable
from core.payments import Card, ChargeOrder, ChargeResult, Failure
from providers.adyen.api import AdyenApi, Answer
from providers.adyen.failures import card_of, failure_of
from providers.adyen.item import OWN_KEY
from providers.adyen.minor import from_iso
from providers.fields import Fields
from providers.results import declined, succeeded, unknown
from providers.transport import CallFailed

IN_PROGRESS: Final = "704"
"""The error code of a request whose key is being worked on, or was."""
_REFUSED: Final = frozenset({"Refused", "Error", "Cancelled"})
_SHOPPER: Final = frozenset({"RedirectShopper", "IdentifyShopper", "ChallengeShopper", "PresentToShopper"})
_OWN_WORDS: Final[Mapping[int, str]] = {401: "authentication_error", 403: "permission_error"}


async def pay(api: AdyenApi, account: str, order: ChargeOrder) -> ChargeResult:
    """Send the order, or send it again. Raises ProviderUnavailable where it was surely not executed."""
    request = request_of(account, order)
    if request is None:
        return declined(Failure(code="no_stored_payment_method"))
    try:
        return _judged(order, await api.pay(request, order.idempotency_key))
    except CallFailed as failed:
        if failed.sent:
            return unknown(failed.reason)
        raise ProviderUnavailable("Adyen could not be reached; nothing was sent.") from None


def request_of(account: str, order: ChargeOrder) -> dict[str, Any] | None:
    """The body of the payment, made of the order alone, so that a repeat is the same; None without a stored method.

    Source: docs.adyen.com/online-payments/tokenization/make-token-payments, subscriptions.
    """
    token, value = order.method_id or order.last_method_id, from_iso(order.amount, order.currency)
    if not token or not order.customer_id or not value:
        return None
    return {
        "merchantAccount": account,
        "reference": order.invoice_id,
        "amount": {"value": value, "currency": order.currency},
        "paymentMethod": {"type": "scheme", "storedPaymentMethodId": token},
        "shopperReference": order.customer_id,
        "shopperInteraction": "ContAuth",
        "recurringProcessingModel": "Subscription",
        # Comes back in the webhook of this payment: that is how an answer that got lost is found out. At most 20 and 80
        # characters (Checkout v72, PaymentRequest.metadata).
        "metadata": {OWN_KEY.removeprefix("metadata."): order.idempotency_key},
    }


def _judged(order: ChargeOrder, answer: Answer) -> ChargeResult:
    if answer.status == 429:
        raise ProviderUnavailable("Adyen answered with HTTP 429.", answer.retry_after)
    if answer.ok:
        return _executed(order, answer.fields)
    code = answer.fields.code("errorCode")
    if code == IN_PROGRESS:
        return unknown("in_progress")
    if answer.status in _OWN_WORDS or answer.status in (400, 422):
        return declined(Failure(code=_OWN_WORDS.get(answer.status) or code or f"http_{answer.status}"))
    return unknown(f"http_{answer.status}")


def _executed(order: ChargeOrder, told: Fields) -> ChargeResult:
    """Adyen looked at the payment: authorised, refused, or it goes on elsewhere."""
    result, psp = told.code("resultCode"), told.id("pspReference")
    if result is None or told.words("merchantReference") not in {None, order.invoice_id}:
        return unknown("unfit_answer")
    if result == "Authorised":
        return succeeded(psp) if psp else unknown("unfit_answer")
    if result in _REFUSED:
        return declined(*_refusal(order, told, psp))
    if result in _SHOPPER:
        return declined(Failure(code="shopper_needed", method_id=_method(order), charge_id=psp))
    return unknown("processing")


def _refusal(order: ChargeOrder, told: Fields, psp: str | None) -> tuple[Failure, Card]:
    additional, method = told.child("additionalData"), _brand(told)
    reason = told.words("refusalReason") or told.code("refusalReasonCode")
    failure = failure_of(reason, additional, method, psp).model_copy(update={"method_id": _method(order)})
    card = card_of(additional, method).model_copy(update={"fingerprint": _method(order)})
    return failure, card


def _method(order: ChargeOrder) -> str | None:
    return order.method_id or order.last_method_id


def _brand(told: Fields) -> str | None:
    return told.child("paymentMethod").code("brand") or told.child("additionalData").code("paymentMethod")
