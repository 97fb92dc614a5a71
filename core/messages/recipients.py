"""Whom to write to, and where they can pay. Never in workflow history, search attributes, the event log or logs."""

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
from core.payments import InvoiceView


class Contact(Value):
    """What the provider knows of a customer as a person. Every field may be missing."""

    email: str | None = None
    name: str | None = None
    phone: str | None = None
    language: str | None = None
    """As the provider spells it, e.g. `de` or `pt-BR`."""
    country: str | None = None
    """ISO 3166, upper case."""
    time_zone: str | None = None
    link: str | None = None
    """The provider's own page for the invoice in question, where it can be paid."""
    invoice_number: str | None = None
    """The merchant's number of that invoice, as it stands on it; None where the provider's id is all there is."""

    def __repr__(self) -> str:
        """Nothing personal, wherever it is printed by accident."""
        return "Contact(…)"

    __str__ = __repr__


class ContactUpdate(Value):
    """Whom a webhook says to write to about an invoice."""

    customer_id: str
    invoice_id: str
    contact: Contact


class MessageRecipient(Value):
    """What is read before a message: whether there is still something to pay, and whom to write to."""

    invoice: InvoiceView
    contact: Contact | None = None


_CONTEXT: Final = b"pri-unsubscribe.v1."
LONGEST_TOKEN_CHARS: Final = 2_000


class MessagePurpose(StrEnum):
    """What messages are about; one command is about all of a purpose."""

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
