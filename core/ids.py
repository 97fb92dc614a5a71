"""Derived ids and keys: the same inputs give the same id on every machine and in every run; none is random."""

import hashlib
import re
import unicodedata
from typing import Final

MAX_KEY_LENGTH: Final = 64
_HEADER_SAFE: Final = re.compile(r"[A-Za-z0-9._~:/+=-]+")
"""Characters that a key may hold in an HTTP header; a merchant's own invoice ids may hold any others."""

MAX_ID_LENGTH: Final = 255
"""Characters of any id; PostgreSQL can't index texts of some thousand, and no provider has ids that long."""
_MAX_ID_BYTES: Final = 900
"""Temporal limits workflow ids to 1000 bytes (limit.maxIDLength), and ours have a prefix before the invoice's id."""
_CONTROLS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters, halves of pairs, line and paragraph separators."""
_DIRECTION_CONTROLS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the order in which text is displayed, so that one id can look like another."""


def find_id_problem(name: str) -> str | None:
    """Why a name from outside can't be used as an id; None if it can, in any script, spaces and emoji included."""
    if not name.strip():
        return "it is empty"
    if name.isascii() and name.isprintable() and len(name) <= MAX_ID_LENGTH:
        return None
    if any(unicodedata.category(letter) in _CONTROLS for letter in name):
        return "it holds control characters"
    if not _DIRECTION_CONTROLS.isdisjoint(name):
        return "it holds characters that change the direction of writing"
    if len(name) > MAX_ID_LENGTH or len(name.encode()) > _MAX_ID_BYTES:
        return f"it is longer than {MAX_ID_LENGTH} characters or {_MAX_ID_BYTES} bytes"
    return None


def recovery_id(provider: str, invoice_id: str) -> str:
    """The id of an invoice's recovery, which is also its workflow id: so an invoice has one workflow."""
    return f"recovery-{provider}-{invoice_id}"


def idempotency_key(provider: str, invoice_id: str, attempt: int) -> str:
    """The key of one charge attempt, at most 64 characters (Adyen's limit, the smallest of the three).

    It depends on the invoice and the attempt number only, so that every repeat of an attempt has the same key. A key
    that is too long, or not safe in a header, is replaced by a hash of it.
    """
    plain = f"pri-{provider}-{invoice_id}-{attempt}"
    if len(plain) <= MAX_KEY_LENGTH and _HEADER_SAFE.fullmatch(plain):
        return plain
    return f"pri-{hashlib.sha256(plain.encode(errors='backslashreplace')).hexdigest()[:60]}"


def spread_attempt(invoice_id: str, attempt: int) -> int:
    """A 32-bit integer, evenly distributed over invoices and attempts, and always the same for one attempt.

    It seeds jitter, which keeps all failures of an issuer's outage from being retried at the same moment.
    """
    # Integer operations only (the finaliser of MurmurHash3): a plan can be rederived, and the array engine computes
    # the same numbers on numpy columns.
    mixed = (spread_seed(invoice_id) ^ (attempt * 0x9E3779B1)) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return mixed ^ (mixed >> 16)


def spread_seed(invoice_id: str) -> int:
    """The 32 bits of an invoice that `spread_attempt` mixes the attempt into."""
    return int.from_bytes(hashlib.blake2b(invoice_id.encode(), digest_size=4).digest(), "big")


def message_name(recovery_id: str, step: str, channel: str) -> str:
    """The id of one message to a customer, the same for every try, so that mail programs recognise a repeat."""
    return hashlib.sha256(f"{recovery_id}\n{step}\n{channel}".encode(errors="backslashreplace")).hexdigest()[:32]
