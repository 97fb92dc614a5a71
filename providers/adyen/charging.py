"""A payment with a stored method, and what its answer means.

One law rules all of it: an outcome is definite only where Adyen said so. Everything else is UNKNOWN with a reason.
"""

from collections.abc import Mapping
from typing import Any, Final

from core.errors import ProviderUnavailable
from core.payments import NO_METHOD, UNFIT_METHOD, Card, ChargeOrder, ChargeResult, Failure, MethodKind
from providers.adyen.api import AdyenApi, Answer
from providers.adyen.failures import card_of, failure_of
from providers.adyen.item import OWN_KEY
from providers.adyen.methods import says_little
from providers.adyen.minor import from_iso, to_iso
from providers.fields import Fields
from providers.results import declined, not_charged, succeeded, unknown
from providers.transport import CallFailed

IN_PROGRESS: Final = "704"
"""The error code of a request whose key is being worked on, or was."""
UNFIT_AMOUNT: Final = "amount_unfit"
"""Nothing, or what Adyen can't take in this currency."""
_GONE: Final = frozenset({"800", "802", "803", "805"})
"""Errors that say: the shopper has no such stored method (docs.adyen.com/development-resources/error-codes)."""
_AUTHORISED: Final = frozenset({"Authorised", "PartiallyAuthorised"})
"""The second where the card's funds did not reach (Checkout v72, PaymentResponse.resultCode)."""
_REFUSED: Final = frozenset({"Refused", "Error", "Cancelled"})
_SHOPPER: Final = frozenset({"RedirectShopper", "IdentifyShopper", "ChallengeShopper", "PresentToShopper"})
_OWN_WORDS: Final[Mapping[int, str]] = {401: "authentication_error", 403: "permission_error"}


async def pay(api: AdyenApi, account: str, order: ChargeOrder) -> ChargeResult:
    """Send the order, or send it again. Raises ProviderUnavailable where it was surely not executed."""
    if why := _hindrance(order):
        return not_charged(why)
    request = request_of(account, order)
    try:
        return _judged(order, await api.pay(request, order.idempotency_key))
    except CallFailed as failed:
        if failed.sent:
            return unknown(failed.reason)
        raise ProviderUnavailable("Adyen could not be reached; nothing was sent.") from None


def _hindrance(order: ChargeOrder) -> str | None:
    """Why no request can be made of this order: that is no refusal, since no bank was asked."""
    if not _method(order) or not order.customer_id:
        return NO_METHOD
    if order.method_kind not in (None, MethodKind.CARD):
        return UNFIT_METHOD
    return None if from_iso(order.amount, order.currency) else UNFIT_AMOUNT


def request_of(account: str, order: ChargeOrder) -> dict[str, Any]:
    """The body of the payment, made of the order alone, so that a repeat is the same. Only cards are `scheme`.

    Source: docs.adyen.com/online-payments/tokenization/make-token-payments, subscriptions.
    """
    return {
        "merchantAccount": account,
        "reference": order.invoice_id,
        "amount": {"value": from_iso(order.amount, order.currency), "currency": order.currency},
        "paymentMethod": {"type": "scheme", "storedPaymentMethodId": _method(order)},
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
        return not_charged(UNFIT_METHOD) if code in _GONE else declined(Failure(code=_own_word(answer) or code))
    return unknown(f"http_{answer.status}")


def _own_word(answer: Answer) -> str | None:
    return _OWN_WORDS.get(answer.status)


def _executed(order: ChargeOrder, told: Fields) -> ChargeResult:
    """Adyen looked at the payment: authorised, refused, or it goes on elsewhere."""
    result, psp = told.code("resultCode"), told.id("pspReference")
    if result is None or not _is_ours(order, told):
        return unknown("unfit_answer")
    if result in _AUTHORISED:
        return _paid(order, told, psp)
    if result in _REFUSED:
        return declined(*_refusal(order, told, psp))
    if result in _SHOPPER:
        return declined(Failure(code="shopper_needed", method_id=_method(order), charge_id=psp))
    return unknown("processing")


def _is_ours(order: ChargeOrder, told: Fields) -> bool:
    """Whether it answers this order; blanks at the ends of a reference may not come back."""
    reference = told.reference("merchantReference")
    return reference is None or reference.strip() == order.invoice_id.strip()


def _paid(order: ChargeOrder, told: Fields, psp: str | None) -> ChargeResult:
    """What came may be less than was asked for: then Adyen's amount counts, and without one nobody knows."""
    amount = told.child("amount")
    value, currency = amount.whole("value"), amount.currency("currency")
    came = to_iso(value, currency) if value is not None and currency == order.currency.upper() else None
    if psp is None or (came is None and told.code("resultCode") != "Authorised"):
        return unknown("unfit_answer")
    part = came if came is not None and came < order.amount else None
    return succeeded(psp).model_copy(update={"amount": part})


def _refusal(order: ChargeOrder, told: Fields, psp: str | None) -> tuple[Failure, Card]:
    additional, method = told.child("additionalData"), _brand(told)
    text, number = told.words("refusalReason"), told.code("refusalReasonCode")
    failure = failure_of(text or number, additional, method, psp)
    # The number says the same as the text, and still does where Adyen words it anew.
    failure = failure.model_copy(update={"method_id": _method(order), "outcome_reason": number if text else None})
    card = card_of(additional, method).model_copy(update={"fingerprint": _method(order)})
    return failure, card


def _method(order: ChargeOrder) -> str | None:
    return order.method_id or order.last_method_id


def _brand(told: Fields) -> str | None:
    named = (told.child("paymentMethod").code("brand"), told.child("additionalData").code("paymentMethod"))
    return next((name for name in named if not says_little(name)), None) or told.child("paymentMethod").code("type")
