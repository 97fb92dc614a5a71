"""Who wants no more messages: a signed token names them in a link, without an address and without a login.

A token is `PAYLOAD.SIGNATURE`, both in base64url without padding: a JSON object, and HMAC-SHA256 (RFC 2104) over
`pri-unsubscribe.v1.` and the payload as it stands in the token. It has no end, as mail may be read late.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from pydantic import ValidationError

from core.base import Value

_CONTEXT: Final = b"pri-unsubscribe.v1."
LONGEST_TOKEN: Final = 2_000


class Purpose(StrEnum):
    """What messages are about; one wish is about all of a purpose."""

    FAILED_PAYMENTS = "failed_payments"
    """Every message that a recovery sends."""


class Subscription(Value):
    """What can be unsubscribed from: messages of one purpose to one customer of one account, over one channel."""

    provider: str
    customer_id: str
    channel: str
    purpose: Purpose = Purpose.FAILED_PAYMENTS


def token_for(subscription: Subscription, key: bytes) -> str:
    """The token that stands for it in a link. Same subscription and key, same token."""
    payload = _encoded(json.dumps(subscription.model_dump(mode="json"), separators=(",", ":")).encode())
    return f"{payload}.{_encoded(_signature(payload, key))}"


def read_token(token: str, keys: Sequence[bytes]) -> Subscription | None:
    """What a token that one of these keys signed stands for; None for any other text.

    Every key is tried, so that links in old mail go on working behind a new key, and the time that this takes says
    nothing of how much of a signature is right.
    """
    payload, _, signature = token.partition(".")
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    given = [hmac.compare_digest(_encoded(_signature(payload, key)), signature) for key in keys]
    if not any(given):
        return None
    try:
        return Subscription.model_validate_json(_decoded(payload))
    except (ValidationError, binascii.Error, ValueError):
        return None


def _signature(payload: str, key: bytes) -> bytes:
    return hmac.new(key, _CONTEXT + payload.encode(), hashlib.sha256).digest()


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
