"""Notification items, as Adyen's standard webhooks carry them."""

import base64
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime
from typing import Any

from sandbox.models import Document

DEFAULT_MERCHANT_ACCOUNT = "SandboxMerchant"
REFERENCE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ23456789"
FIRST_EVENTS = (
    "AUTHORISATION",
    "PENDING",
    "OFFER_CLOSED",
    "ORDER_OPENED",
    "ORDER_CLOSED",
    "EXPIRE",
    "REPORT_AVAILABLE",
)
"""Events that name no earlier payment; all others have an originalReference (Adyen's OpenAPI, Webhooks v1)."""
RESCUE_EVENTS = ("AUTORESCUE", "CANCEL_AUTORESCUE")
"""Their examples have neither a payment method nor anything of card and shopper."""
NON_CARD_METHODS = (
    "sepadirectdebit", "ach", "directdebit", "eft", "ideal", "sofort", "giropay", "bankTransfer", "boleto", "paypal",
    "klarna",
)  # fmt: skip
"""Beginnings of methods of which no card can be told; docs.adyen.com/payment-methods/payment-method-types."""


def new_psp_reference() -> str:
    """A fresh pspReference: 16 characters."""
    return "".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(16))


def build_item(payment: Document, event_code: str, success: bool, moment: int, **fields: Any) -> Document:
    """One NotificationRequestItem about a payment, not signed yet."""
    date = datetime.fromtimestamp(moment, UTC).isoformat()
    told = rescue_data(payment) if event_code in RESCUE_EVENTS else additional_data(payment)
    made = {
        "additionalData": {**told, **fields.pop("additional", {})},
        "amount": {"currency": payment["currency"], "value": fields.pop("amount", None) or payment["amount"]},
        "eventCode": event_code,
        "eventDate": date,
        "merchantAccountCode": payment.get("account") or DEFAULT_MERCHANT_ACCOUNT,
        "merchantReference": fields.pop("reference", None) or payment["reference"],
        "paymentMethod": payment["brand"],
        "pspReference": fields.pop("psp", None) or new_psp_reference(),
        "reason": fields.pop("reason", ""),
        "success": "true" if success else "false",
    }
    if event_code in RESCUE_EVENTS:
        del made["paymentMethod"]
    if event_code not in FIRST_EVENTS and payment.get("psp"):
        made["originalReference"] = payment["psp"]
    return {**made, **fields}


def additional_data(payment: Document) -> Document:
    """What every item says of card and shopper, with the extra settings of the webhook switched on."""
    return {
        "shopperReference": payment["shopper"],
        **_stored_method_data(payment),
        **_card_data(payment),
        **_shopper_data(payment),
    }


def rescue_data(payment: Document) -> Document:
    """What the end of a rescue says, and each of its tries beside that it is one."""
    rescue = payment.get("psp") or ""
    return {"retry.rescueReference": rescue, "merchantOrderReference": payment["reference"]}


def _stored_method_data(payment: Document) -> Document:
    if not payment.get("stored", True):
        return {}
    names = ("recurring.shopperReference", "recurring.recurringDetailReference")
    return dict(zip(names, (payment["shopper"], payment["token"]), strict=True))


def _card_data(payment: Document) -> Document:
    if payment["brand"].startswith(NON_CARD_METHODS):
        return {}
    names = {"cardIssuingCountry": "country", "fundingSource": "funding", "cardSummary": "last4"}
    return {name: payment[field] for name, field in names.items()}


def _shopper_data(payment: Document) -> Document:
    """Who it was, and whether they were there: webhook settings "shopper details" and "shopper interaction"."""
    told = {"shopperInteraction": payment.get("interaction"), "recurringProcessingModel": payment.get("model")}
    return {**payment.get("person", {}), **{name: text for name, text in told.items() if text is not None}}


def webhook_body(items: list[Document], *, live: bool = False) -> bytes:
    """The JSON of one webhook; signatures come when it is sealed."""
    wrapped = [{"NotificationRequestItem": one} for one in items]
    return json.dumps({"live": "true" if live else "false", "notificationItems": wrapped}).encode()


def event_body(event: Document) -> bytes:
    """A recorded event in a body of its own."""
    return webhook_body([event["item"]])


def sign_adyen_webhook(payload: bytes, secret: str, _: int) -> tuple[bytes, dict[str, str]]:
    """The payload with each of its items signed; anything else as it is."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    try:
        found = json.loads(payload)
        for wrapped in found["notificationItems"]:
            one = wrapped["NotificationRequestItem"]
            one["additionalData"] = {**one.get("additionalData", {}), "hmacSignature": sign_item(one, secret)}
    except (ValueError, LookupError, TypeError, AttributeError):
        return payload, headers
    return json.dumps(found).encode(), headers


def describe_adyen_webhook(payload: bytes) -> dict[str, str]:
    """The name of a webhook's first item."""
    try:
        one = json.loads(payload)["notificationItems"][0]["NotificationRequestItem"]
        return {"event": str(one["pspReference"]), "type": str(one["eventCode"])}
    except (ValueError, LookupError, TypeError):
        return {"event": "", "type": ""}


SIGNED_FIELDS = ("pspReference", "originalReference", "merchantAccountCode", "merchantReference")


def sign_item(item: dict[str, Any], key: str) -> str:
    """The `hmacSignature` of one NotificationRequestItem; the key is hexadecimal, a missing field is empty."""
    amount = item.get("amount") or {}
    fields = [item.get(name) for name in SIGNED_FIELDS]
    fields += [amount.get("value"), amount.get("currency"), item.get("eventCode"), item.get("success")]
    return _hmac_digest(":".join("" if field is None else str(field) for field in fields).encode(), key)


def sign_body(body: bytes, key: str) -> str:
    """The `HmacSignature` header over a whole body."""
    return _hmac_digest(body, key)


def _hmac_digest(content: bytes, key: str) -> str:
    return base64.b64encode(hmac.new(bytes.fromhex(key), content, hashlib.sha256).digest()).decode()
