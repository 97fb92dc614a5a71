"""What is taken of payments, rescues, disputes and stored methods."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from core.payments import Card, EventKind, MethodRole
from providers.adyen.failures import SHOPPER, TOKEN, card_of, failure_of, first
from providers.adyen.item import Item
from providers.adyen.methods import kind_of, network_of
from providers.adyen.returns import failed_capture, restored
from providers.adyen.terms import LONGEST_RESCUE, terms_of
from providers.fields import Fields, Unfit

Taken: TypeAlias = dict[str, Any]
"""Fields of a ProviderEvent."""

_RECAPTURED: Final = re.compile(r"transaction (auto-)?recaptured", re.IGNORECASE)
"""After CAPTURE_FAILED Adyen may mend it: docs.adyen.com/online-payments/capture/failure-reasons, "Technical issue"."""
_NOTHING: Final[Taken] = {"kind": EventKind.OTHER, "detail": "nothing was to be paid: a check of the card"}


def authorisation(item: Item) -> Taken:
    """The result of a payment: of the merchant's billing, of Adyen's own retries, or of our own call."""
    if item.money()[0] == 0:
        return dict(_NOTHING)
    return _payment(item) | (_paid(item) if item.success else _refusal(item))


def captured(item: Item) -> Taken:
    """The money of a payment that was authorised before: the same money, not more of it."""
    if not item.success:
        return failed_capture(item)
    if _RECAPTURED.fullmatch(item.reason or ""):
        return restored(item)
    return _payment(item) | _paid(item) | {"payment_id": item.original or item.psp_reference}


def rescue_ended(item: Item) -> Taken:
    """Adyen's retries are over: with the money, or without it, and then it is our turn."""
    if item.success:
        return _payment(item) | _paid(item)
    return _payment(item) | _last_refusal(item) | {"kind": EventKind.PROVIDER_STOPPED}


def rescue_canceled(item: Item) -> Taken:
    """Somebody stopped Adyen's retries; what is known of the refusal still holds."""
    return _payment(item) | {"kind": EventKind.PROVIDER_STOPPED}


def dispute(item: Item) -> Taken:
    """A payment that a bank asks about, or calls fraud."""
    return item.named() | {"detail": item.reason}


def contract(item: Item) -> Taken:
    """A new token; its name is also the event's own reference."""
    token = first(item.additional.fields, TOKEN) or item.psp_reference
    shopper = first(item.additional.fields, SHOPPER)
    if shopper is None:
        return {"kind": EventKind.OTHER, "detail": "a stored method without its shopper can't be charged"}
    card = card_of(item.additional.fields, item.method).model_copy(update={"fingerprint": token})
    names = {"customer_id": shopper, "method_id": token, "method_version": token}
    return names | {"card": card, "method_role": _role(item)}


def _role(item: Item) -> MethodRole:
    """Adyen has no default methods: where it must choose, it takes the newest (`LATEST`).

    Source: docs.adyen.com, "Authorise a recurring payment", selectedRecurringDetailReference. What was stored for the
    shopper's own clicks (CardOnFile) is none for that.
    """
    model = item.additional.plain("recurringProcessingModel").replace(" ", "")
    return MethodRole.ATTACHED if model == "cardonfile" else MethodRole.DEFAULT


def _payment(item: Item) -> Taken:
    amount, currency = item.money()
    return {
        "invoice_id": item.need_reference(),
        "customer_id": first(item.additional.fields, SHOPPER),
        "payment_id": item.psp_reference,
        "amount": amount,
        "currency": currency,
        # Adyen doesn't count the tries of one reference, but they come one after another.
        "provider_attempt": int(item.occurred_at.timestamp()),
        "idempotency_key": item.additional.own_key,
        "terms": terms_of(item),
    }


def _paid(item: Item) -> Taken:
    """What came may be a part of what is open under this reference."""
    return {"kind": EventKind.INVOICE_PAID, "paid_amount": item.money()[0]}


def _refusal(item: Item) -> Taken:
    rescued = item.additional.flagged("retry.rescueScheduled")
    return {
        "kind": EventKind.PAYMENT_FAILED,
        "next_provider_attempt": item.occurred_at + LONGEST_RESCUE if rescued else None,
        "failure": failure_of(item.reason, item.additional.fields, item.method, item.psp_reference),
        "card": card_of(item.additional.fields, item.method),
        "detail": "Auto Rescue is scheduled" if rescued else None,
    }


def _last_refusal(item: Item) -> Taken:
    """Of the last try of a rescue; without a code it only tells the end of the process, and what can be charged."""
    refusal = _refusal(item)
    detail = item.reason if refusal["failure"].code is None else None
    # These items seldom show the card: then the one that is known stays known.
    return {"failure": refusal["failure"], "card": refusal["card"] if item.method else None, "detail": detail}


TOKEN_TYPES: Final[Mapping[str, str | None]] = {
    "recurring.token.created": None,
    "recurring.token.updated": None,
    "recurring.token.alreadyExisting": "the payment method was stored before",
    "recurring.token.disabled": "a payment method was removed",
}
"""Life-cycle events of tokens: what one without effect means; None for those that bring a new or renewed method."""


def token_meaning(kind: str, data: Fields, event_id: str) -> Taken:
    """What a token's life-cycle event means. Raises Unfit."""
    if detail := TOKEN_TYPES[kind]:
        return {"kind": EventKind.OTHER, "detail": detail}
    token, shopper, method = data.words("storedPaymentMethodId"), data.reference("shopperReference"), data.code("type")
    if token is None or shopper is None:
        raise Unfit("data.storedPaymentMethodId" if token is None else "data.shopperReference")
    renewed = kind.endswith("updated")
    return {
        "kind": EventKind.METHOD_UPDATED,
        "customer_id": shopper,
        "method_id": token,
        "method_version": f"{token}:{event_id}" if renewed else token,
        "method_role": MethodRole.UPDATED if renewed else MethodRole.DEFAULT,
        "card": Card(kind=kind_of(method), network=network_of(method), fingerprint=token) if method else None,
    }
