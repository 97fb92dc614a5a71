"""Adyen's two webhook signatures: one in each item of a standard webhook, one over the body of the newer kinds."""

import base64
import hashlib
import hmac
from typing import Any

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
