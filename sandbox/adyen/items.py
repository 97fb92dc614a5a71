"""Notification items, as Adyen's standard webhooks carry them."""

import json
import secrets
from datetime import UTC, datetime
from typing import Any

from sandbox.adyen.signing import sign_item
from sandbox.models import Document

ACCOUNT = "SandboxMerchant"
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ23456789"


def reference() -> str:
    """A fresh pspReference: 16 characters."""
    return "".join(secrets.choice(ALPHABET) for _ in range(16))


def item(payment: Document, event_code: str, success: bool, moment: int, **fields: Any) -> Document:
    """One NotificationRequestItem about a payment, not signed yet."""
    date = datetime.fromtimestamp(moment, UTC).isoformat()
    made = {
        "additionalData": {**additional(payment), **fields.pop("additional", {})},
        "amount": {"currency": payment["currency"], "value": payment["amount"]},
        "eventCode": event_code,
        "eventDate": date,
        "merchantAccountCode": payment.get("account") or ACCOUNT,
        "merchantReference": payment["reference"],
        "paymentMethod": payment["brand"],
        "pspReference": fields.pop("psp", None) or reference(),
        "reason": fields.pop("reason", ""),
        "success": "true" if success else "false",
    }
    return {**made, **fields}


def additional(payment: Document) -> Document:
    """What every item says of card and shopper, with the extra settings of the webhook switched on."""
    return {
        "shopperReference": payment["shopper"],
        "recurring.shopperReference": payment["shopper"],
        "recurring.recurringDetailReference": payment["token"],
        "cardIssuingCountry": payment["country"],
        "fundingSource": payment["funding"],
        "cardSummary": payment["last4"],
        **payment.get("person", {}),
    }


def body(items: list[Document], *, live: bool = False) -> bytes:
    """The JSON of one webhook; signatures come when it is sealed."""
    wrapped = [{"NotificationRequestItem": one} for one in items]
    return json.dumps({"live": "true" if live else "false", "notificationItems": wrapped}).encode()


def seal(payload: bytes, secret: str, _: int) -> tuple[bytes, dict[str, str]]:
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


def named(payload: bytes) -> dict[str, str]:
    """The name of a webhook's first item."""
    try:
        one = json.loads(payload)["notificationItems"][0]["NotificationRequestItem"]
        return {"event": str(one["pspReference"]), "type": str(one["eventCode"])}
    except (ValueError, LookupError, TypeError):
        return {"event": "", "type": ""}
