"""Names that are derived, never drawn: the same inputs give the same name on every machine and in every run."""

import hashlib
import re
from typing import Final

MAX_KEY: Final = 64
_HEADER_SAFE: Final = re.compile(r"[A-Za-z0-9._~:/+=-]+")
"""Keys travel in HTTP headers, and a merchant's own invoice names may hold anything."""


def recovery_id(provider: str, invoice_id: str) -> str:
    """The recovery's name, which is also its workflow id."""
    return f"recovery-{provider}-{invoice_id}"


def idempotency_key(provider: str, invoice_id: str, attempt: int) -> str:
    """The key of one charge attempt, at most 64 characters (Adyen's limit, the smallest of the three).

    It depends on the invoice and the attempt number only, so that every repeat of an attempt carries it.
    """
    plain = f"pri-{provider}-{invoice_id}-{attempt}"
    if len(plain) <= MAX_KEY and _HEADER_SAFE.fullmatch(plain):
        return plain
    return f"pri-{hashlib.sha256(plain.encode(errors='backslashreplace')).hexdigest()[:60]}"


def spread(invoice_id: str, attempt: int) -> int:
    """An integer of 32 bits that is evenly spread over invoices and attempts, and always the same for one.

    Seeds jitter: an outage of an issuer must not turn into all retries at one moment, yet a plan must be
    computable again by anybody, also on arrays.
    """
    mixed = (spread_seed(invoice_id) ^ (attempt * 0x9E3779B1)) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return mixed ^ (mixed >> 16)


def spread_seed(invoice_id: str) -> int:
    """The 32 bits of an invoice that `spread` mixes its attempts into."""
    return int.from_bytes(hashlib.blake2b(invoice_id.encode(), digest_size=4).digest(), "big")


def message_name(recovery_id: str, step: str, channel: str) -> str:
    """The name of one message to a customer: the same for every try, so that mail programs see a repeat as one."""
    return hashlib.sha256(f"{recovery_id}\n{step}\n{channel}".encode(errors="backslashreplace")).hexdigest()[:32]
