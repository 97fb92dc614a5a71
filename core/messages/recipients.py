"""Contacts of customers, and the tokens of unsubscribe links.

Contacts are personal data: they never appear in workflow history, search attributes, the event log or logs.
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
from core.payments import InvoiceView


class Contact(Value):
    """A customer's contact as the provider knows it. Every field may be missing."""

    email: str | None = None
    name: str | None = None
    phone: str | None = None
    language: str | None = None
    """As the provider spells it, e.g. `de` or `pt-BR`."""
    country: str | None = None
    """ISO 3166, upper case."""
    time_zone: str | None = None
    link: str | None = None
    """The provider's page where the invoice can be paid."""
    invoice_number: str | None = None
    """The merchant's number of that invoice, as printed on it; None where there is only the provider's id."""

    def __repr__(self) -> str:
        """A text without personal data, in case a contact is logged by mistake."""
        return "Contact(…)"

    __str__ = __repr__


class ContactUpdate(Value):
    """The contact that a webhook names for an invoice."""

    customer_id: str
    invoice_id: str
    contact: Contact


class MessageRecipient(Value):
    """What is read before a message is sent: the invoice, which may be paid by now, and the contact."""

    invoice: InvoiceView
    contact: Contact | None = None


_CONTEXT: Final = b"pri-unsubscribe.v1."
LONGEST_TOKEN_CHARS: Final = 2_000


class MessagePurpose(StrEnum):
    """Purpose of messages; a customer unsubscribes from all messages of a purpose."""

    FAILED_PAYMENTS = "failed_payments"
    """Every message that a recovery sends."""


class Subscription(Value):
    """What can be unsubscribed from: messages of one purpose to one customer over one channel."""

    provider: str
    customer_id: str
    channel: str
    purpose: MessagePurpose = MessagePurpose.FAILED_PAYMENTS


def create_unsubscribe_token(subscription: Subscription, key: bytes) -> str:
    """The signed token of an unsubscribe link. Same subscription and key, same token."""
    payload = _encode_base64(json.dumps(subscription.model_dump(mode="json"), separators=(",", ":")).encode())
    return f"{payload}.{_encode_base64(_sign_payload(payload, key))}"


def read_unsubscribe_token(token: str, keys: Sequence[bytes]) -> Subscription | None:
    """The subscription in a token that one of these keys signed; None for any other text.

    Older keys are accepted, so that links in old mail keep working after a key was rolled over.
    """
    payload, _, signature = token.partition(".")
    if len(token) > LONGEST_TOKEN_CHARS or not token.isascii():
        return None
    # Every key is compared, each in constant time: the time taken tells neither which key signed nor how much matches.
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
