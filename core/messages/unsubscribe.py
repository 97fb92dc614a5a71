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
LONGEST_TOKEN_CHARS: Final = 2_000


class MessagePurpose(StrEnum):
    """What messages are about; one wish is about all of a purpose."""

    FAILED_PAYMENTS = "failed_payments"
    """Every message that a recovery sends."""


class Subscription(Value):
    """What can be unsubscribed from: messages of one purpose to one customer of one account, over one channel."""

    provider: str
    customer_id: str
    channel: str
    purpose: MessagePurpose = MessagePurpose.FAILED_PAYMENTS


def create_unsubscribe_token(subscription: Subscription, key: bytes) -> str:
    """The token that stands for it in a link. Same subscription and key, same token."""
    payload = _encode_base64(json.dumps(subscription.model_dump(mode="json"), separators=(",", ":")).encode())
    return f"{payload}.{_encode_base64(_sign_payload(payload, key))}"


def read_unsubscribe_token(token: str, keys: Sequence[bytes]) -> Subscription | None:
    """What a token that one of these keys signed stands for; None for any other text.

    Every key is tried, so that links in old mail go on working behind a new key, and the time that this takes says
    nothing of how much of a signature is right.
    """
    payload, _, signature = token.partition(".")
    if len(token) > LONGEST_TOKEN_CHARS or not token.isascii():
        return None
    given = [hmac.compare_digest(_encode_base64(_sign_payload(payload, key)), signature) for key in keys]
    if not any(given):
        return None
    try:
        return Subscription.model_validate_json(_decode_base64(payload))
    except (ValidationError, binascii.Error, ValueError):
        return None


def _sign_payload(payload: str, key: bytes) -> bytes:
    return hmac.new(key, _CONTEXT + payload.encode(), hashlib.sha256).digest()


def _encode_base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
