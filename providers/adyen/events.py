"""Adyen's event codes as data: what each one means for a recovery, and which reader takes its fields.

Source: docs.adyen.com/development-resources/webhooks/webhook-types, Adyen's OpenAPI Webhooks v1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias

from core.payments import EventKind
from providers.adyen.failures import SHOPPER, TOKEN, card_of, failure_of, first
from providers.adyen.item import Item
from providers.fields import Unfit

Taken: TypeAlias = dict[str, Any]
"""Fields of a ProviderEvent."""

LONGEST_RESCUE: Final = timedelta(days=48)
"""`maxDaysToRescue` goes no further; Adyen doesn't tell when its next try is, but tells when it has stopped."""


@dataclass(frozen=True)
class Row:
    """An event code: what it means, by whether it says success, and what is taken of it."""

    kind: EventKind = EventKind.OTHER
    take: Callable[[Item], Taken] = lambda item: item.named()
    detail: str | None = None
    otherwise: str | None = None
    """What `success=false` means, where it means nothing to a recovery; None: it makes no difference."""


def meaning(item: Item) -> Taken:
    """The fields of the normalised event. Raises Unfit."""
    row = EVENTS.get(item.code)
    if row is None:
        return {"kind": EventKind.OTHER, "detail": "event code not used"}
    if row.otherwise and not item.success:
        return {"kind": EventKind.OTHER, "detail": row.otherwise}
    return {"kind": row.kind, "detail": row.detail} | row.take(item)


def _authorisation(item: Item) -> Taken:
    """The result of a payment: of the merchant's billing, of Adyen's own retries, or of our own call."""
    taken = _payment(item)
    if taken["amount"] == 0:
        return {"kind": EventKind.OTHER, "detail": "nothing was to be paid: a check of the card"}
    return taken | ({"kind": EventKind.INVOICE_PAID} if item.success else _refusal(item))


def _refusal(item: Item) -> Taken:
    rescued = item.additional.flagged("retry.rescueScheduled")
    return {
        "kind": EventKind.PAYMENT_FAILED,
        "next_provider_attempt": item.occurred_at + LONGEST_RESCUE if rescued else None,
        "failure": failure_of(item.reason, item.additional.fields, item.method, item.psp_reference),
        "card": card_of(item.additional.fields, item.method),
        "detail": "Auto Rescue is scheduled" if rescued else None,
    }


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
    }


def _rescue_ended(item: Item) -> Taken:
    """Adyen's retries are over: with the money, or without it, and then it is our turn."""
    if item.success:
        return _payment(item) | {"kind": EventKind.INVOICE_PAID}
    return _payment(item) | _refusal_if_told(item) | {"kind": EventKind.PROVIDER_STOPPED}


def _rescue_canceled(item: Item) -> Taken:
    return {**_payment(item), "kind": EventKind.PROVIDER_STOPPED}


def _refusal_if_told(item: Item) -> Taken:
    """Of the last try of a rescue; without a reason, what was known before still holds."""
    return {name: value for name, value in _refusal(item).items() if name in ("failure", "card") and item.reason}


def _dispute(item: Item) -> Taken:
    return item.named() | {"payment_id": item.original or item.psp_reference, "detail": item.reason}


def _contract(item: Item) -> Taken:
    """A new token; its name is also the event's own reference."""
    token = first(item.additional.fields, TOKEN) or item.psp_reference
    shopper = first(item.additional.fields, SHOPPER)
    if shopper is None:
        raise Unfit("additionalData.shopperReference")
    return {"customer_id": shopper, "method_id": token, "method_version": token}


_DISPUTED: Final = Row(EventKind.DISPUTE_OPENED, _dispute)
EVENTS: Final[Mapping[str, Row]] = {
    "AUTHORISATION": Row(EventKind.OTHER, _authorisation),
    "AUTORESCUE": Row(EventKind.OTHER, _rescue_ended),
    "CANCEL_AUTORESCUE": Row(EventKind.OTHER, _rescue_canceled, otherwise="Auto Rescue was not canceled: it goes on"),
    "CAPTURE": Row(EventKind.INVOICE_PAID, otherwise="the capture failed: look at this payment in the Customer Area"),
    "CAPTURE_FAILED": Row(detail="the capture failed: look at this payment in the Customer Area"),
    "NOTIFICATION_OF_CHARGEBACK": _DISPUTED,
    "CHARGEBACK": _DISPUTED,
    "SECOND_CHARGEBACK": _DISPUTED,
    "NOTIFICATION_OF_FRAUD": Row(EventKind.FRAUD_WARNING, _dispute),
    "REQUEST_FOR_INFORMATION": Row(detail="the bank asks about a payment: answer it in the Customer Area"),
    "CHARGEBACK_REVERSED": Row(detail="the dispute was won; lifting a hold is a person's decision"),
    "PREARBITRATION_WON": Row(detail="the dispute was won; lifting a hold is a person's decision"),
    "PREARBITRATION_LOST": Row(detail="the dispute was lost"),
    "RECURRING_CONTRACT": Row(EventKind.METHOD_UPDATED, _contract, otherwise="the payment method was not stored"),
    "CANCELLATION": Row(detail="an authorisation was canceled"),
    "TECHNICAL_CANCEL": Row(detail="an authorisation was canceled"),
    "CANCEL_OR_REFUND": Row(detail="an authorisation was canceled or refunded"),
    "REFUND": Row(detail="a refund: the payment itself was told by AUTHORISATION"),
    "REFUND_FAILED": Row(detail="a refund failed"),
    "PENDING": Row(detail="the result comes as AUTHORISATION"),
    "OFFER_CLOSED": Row(detail="an unfinished checkout"),
    "REPORT_AVAILABLE": Row(detail="a report"),
}

_TOKEN_TYPES: Final[Mapping[str, str | None]] = {
    "recurring.token.created": None,
    "recurring.token.updated": None,
    "recurring.token.alreadyExisting": "the payment method was stored before",
    "recurring.token.disabled": "a payment method was removed",
}
"""Life-cycle events of tokens: what one without effect means; None for those that bring a new or renewed method."""


def token_meaning(kind: str, token: str | None, shopper: str | None, event_id: str) -> Taken:
    """What a token's life-cycle event means. Raises Unfit."""
    if _TOKEN_TYPES.get(kind, "event type not used") is not None:
        return {"kind": EventKind.OTHER, "detail": _TOKEN_TYPES.get(kind, "event type not used")}
    if token is None or shopper is None:
        raise Unfit("data.storedPaymentMethodId")
    version = f"{token}:{event_id}" if kind.endswith("updated") else token
    return {"kind": EventKind.METHOD_UPDATED, "customer_id": shopper, "method_id": token, "method_version": version}
