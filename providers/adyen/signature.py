"""Adyen's HMAC signatures: one in each item of a standard webhook, or one over the body in a header.

The official library computes them, but only for the first item; here every item must be signed. A signature holds no
time, so an old webhook can't be distinguished from a new one: only its id, unique in the inbox, stops a replay.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Final

from Adyen import util

from core.errors import InvalidSignature

HEADER: Final = "hmacsignature"
MOST_ITEMS: Final = 1000
_LONGEST: Final = 100


def verify_hmac_signature(
    headers: Mapping[str, str], body: bytes, found: Mapping[str, Any], keys: Iterable[str]
) -> None:
    """Returns if one of our keys signed each item, or the body as a whole. Raises InvalidSignature."""
    keys = tuple(keys)
    if "notificationItems" not in found:
        return _verify_body(headers.get(HEADER), body, keys)
    items = found["notificationItems"]
    if not isinstance(items, list) or not 0 < len(items) <= MOST_ITEMS:
        raise InvalidSignature("The webhook holds no notification items, or too many.")
    for at, wrapped in enumerate(items):
        _verify_item(wrapped, at, keys)
    return None


def _verify_item(wrapped: object, at: int, keys: tuple[str, ...]) -> None:
    item = wrapped.get("NotificationRequestItem") if isinstance(wrapped, dict) else None
    if not isinstance(item, dict) or not isinstance(item.get("amount"), dict):
        raise InvalidSignature(f"Item {at} is no NotificationRequestItem with an amount.")
    additional = item.get("additionalData")
    signature = additional.get("hmacSignature") if isinstance(additional, dict) else None
    if not _is_plausible_signature(signature):
        raise InvalidSignature(f"Item {at} has no hmacSignature: switch HMAC on for this webhook.")
    if not any(_is_signed(item, key) for key in keys):
        raise InvalidSignature(
            f"Item {at} is not signed with a key we know: it was changed, or the key is another one."
        )


def _is_signed(item: dict[str, Any], key: str) -> bool:
    """Whether the key signed this item. Adyen signs an absent field as an empty text and a boolean in lower case."""
    # The library would sign JSON's null as "None" and true as "True": null fields are left out, booleans made text.
    told = {name: _as_signed_text(value) for name, value in item.items() if value is not None}
    try:
        return bool(util.is_valid_hmac_notification(told, key))
    except (KeyError, TypeError, ValueError):
        return False


def _as_signed_text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _verify_body(signature: str | None, body: bytes, keys: tuple[str, ...]) -> None:
    if signature is None or not _is_plausible_signature(signature):
        raise InvalidSignature("Neither notification items nor a fitting HmacSignature header: nothing is signed.")
    if not any(util.is_valid_hmac_payload(signature, key, body) for key in keys):
        raise InvalidSignature("The body is not signed with a key we know: it was changed, or the key is another one.")


def _is_plausible_signature(signature: object) -> bool:
    """Whether it is base64 of 32 bytes, a SHA-256 HMAC; the library's comparison may raise for anything else."""
    if not isinstance(signature, str) or len(signature) > _LONGEST or not signature.isascii():
        return False
    try:
        return len(base64.b64decode(signature, validate=True)) == 32
    except binascii.Error:
        return False
