"""Extractors for Adyen's events about payments, rescues, disputes and stored methods.

Each gets one notification item; amounts are in minor units of ISO 4217. All raise InvalidField, naming the field, and
InvalidReference if the item must name an invoice and doesn't.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from core.payments import Card, EventKind, MethodRole
from providers.adyen.failures import SHOPPER, TOKEN, card_of_payment, failure_of, first_reference
from providers.adyen.methods import kind_of_method, network_of_method
from providers.adyen.notification import NotificationItem
from providers.adyen.returns import extract_failed_capture, extract_restored_money
from providers.adyen.shopper_interaction import LONGEST_RESCUE, shopper_terms
from providers.fields import Fields, InvalidField

EventFields: TypeAlias = dict[str, Any]
"""Fields of a ProviderEvent."""

_RECAPTURE_REASON: Final = re.compile(r"transaction (auto-)?recaptured", re.IGNORECASE)
"""The reason of a CAPTURE by which Adyen repaired a failed one (docs.adyen.com/online-payments/capture/failure-reasons,
"Technical issue")."""
_NOTHING_DUE: Final[EventFields] = {"kind": EventKind.OTHER, "detail": "nothing was to be paid: a check of the card"}


def extract_authorisation(item: NotificationItem) -> EventFields:
    """The result of a payment, made by the merchant's billing, by Adyen's own retries or by our charge."""
    if item.amount_and_currency()[0] == 0:
        return dict(_NOTHING_DUE)
    return _payment_fields(item) | (_paid_fields(item) if item.is_success else _refusal_fields(item))


def extract_capture(item: NotificationItem) -> EventFields:
    """The capture of an authorised payment, under that payment's id, so that its money is not counted again."""
    if not item.is_success:
        return extract_failed_capture(item)
    if _RECAPTURE_REASON.fullmatch(item.reason or ""):
        return extract_restored_money(item)
    return _payment_fields(item) | _paid_fields(item) | {"payment_id": item.original_reference or item.psp_reference}


def extract_rescue_end(item: NotificationItem) -> EventFields:
    """The end of Adyen's retries (Auto Rescue): paid, or not, and then the failure is for us to recover."""
    if item.is_success:
        return _payment_fields(item) | _paid_fields(item)
    return _payment_fields(item) | _last_refusal_fields(item) | {"kind": EventKind.PROVIDER_STOPPED}


def extract_rescue_cancel(item: NotificationItem) -> EventFields:
    """Adyen's retries were stopped; the failure known so far is kept, since this item has none."""
    return _payment_fields(item) | {"kind": EventKind.PROVIDER_STOPPED}


def extract_dispute_notice(item: NotificationItem) -> EventFields:
    """A payment about which a bank requests information, or which it reports as fraud."""
    return item.reference_fields() | {"detail": item.reason}


def extract_stored_method(item: NotificationItem) -> EventFields:
    """A newly stored method; its token may be the item's own PSP reference. Without effect if no shopper is named."""
    token = first_reference(item.additional.fields, TOKEN) or item.psp_reference
    shopper = first_reference(item.additional.fields, SHOPPER)
    if shopper is None:
        return {"kind": EventKind.OTHER, "detail": "a stored method without its shopper can't be charged"}
    card = card_of_payment(item.additional.fields, item.method).model_copy(update={"fingerprint": token})
    names = {"customer_id": shopper, "method_id": token, "method_version": token}
    return names | {"card": card, "method_role": _method_role(item)}


def _method_role(item: NotificationItem) -> MethodRole:
    """DEFAULT, except for a method stored for the shopper's own purchases (CardOnFile).

    Adyen has no default methods, but its `LATEST` takes the newest. Source: docs.adyen.com, "Authorise a recurring
    payment", selectedRecurringDetailReference.
    """
    model = item.additional.lower_text("recurringProcessingModel").replace(" ", "")
    return MethodRole.ATTACHED if model == "cardonfile" else MethodRole.DEFAULT


def _payment_fields(item: NotificationItem) -> EventFields:
    amount, currency = item.amount_and_currency()
    return {
        "invoice_id": item.require_reference(),
        "customer_id": first_reference(item.additional.fields, SHOPPER),
        "payment_id": item.psp_reference,
        "amount": amount,
        "currency": currency,
        # Adyen doesn't number the attempts of a reference; their times order them as a number would.
        "provider_attempt": int(item.occurred_at.timestamp()),
        "idempotency_key": item.additional.own_key,
        "terms": shopper_terms(item),
    }


def _paid_fields(item: NotificationItem) -> EventFields:
    """The amount of this payment, which may be a part of what is open under its reference."""
    return {"kind": EventKind.INVOICE_PAID, "paid_amount": item.amount_and_currency()[0]}


def _refusal_fields(item: NotificationItem) -> EventFields:
    # Adyen doesn't say when it retries: charges wait for the latest end of the rescue, or for AUTORESCUE before that.
    rescued = item.additional.is_true("retry.rescueScheduled")
    return {
        "kind": EventKind.PAYMENT_FAILED,
        "next_provider_attempt": item.occurred_at + LONGEST_RESCUE if rescued else None,
        "failure": failure_of(item.reason, item.additional.fields, item.method, item.psp_reference),
        "card": card_of_payment(item.additional.fields, item.method),
        "detail": "Auto Rescue is scheduled" if rescued else None,
    }


def _last_refusal_fields(item: NotificationItem) -> EventFields:
    """The failure of a rescue's last attempt; a reason without a code only names why the process ended."""
    refusal = _refusal_fields(item)
    detail = item.reason if refusal["failure"].code is None else None
    # These items seldom name the method; an unnamed one must not replace the card known from before.
    return {"failure": refusal["failure"], "card": refusal["card"] if item.method else None, "detail": detail}


TOKEN_TYPES: Final[Mapping[str, str | None]] = {
    "recurring.token.created": None,
    "recurring.token.updated": None,
    "recurring.token.alreadyExisting": "the payment method was stored before",
    "recurring.token.disabled": "a payment method was removed",
}
"""Life-cycle events of tokens with the detail of those without effect; None: a method was stored or renewed."""


def interpret_token_event(kind: str, data: Fields, event_id: str) -> EventFields:
    """The fields of a token's life-cycle event. Raises InvalidField if it names no token or no shopper."""
    if detail := TOKEN_TYPES[kind]:
        return {"kind": EventKind.OTHER, "detail": detail}
    token, shopper, method = data.text("storedPaymentMethodId"), data.reference("shopperReference"), data.code("type")
    if token is None or shopper is None:
        raise InvalidField("data.storedPaymentMethodId" if token is None else "data.shopperReference")
    renewed = kind.endswith("updated")
    return {
        "kind": EventKind.METHOD_UPDATED,
        "customer_id": shopper,
        "method_id": token,
        "method_version": f"{token}:{event_id}" if renewed else token,
        "method_role": MethodRole.UPDATED if renewed else MethodRole.DEFAULT,
        "card": Card(kind=kind_of_method(method), network=network_of_method(method), fingerprint=token)
        if method
        else None,
    }
