"""Identifiers that look like Stripe's."""

import hashlib
import secrets
import string

ID_ALPHABET = string.ascii_letters + string.digits


def new_object_id(prefix: str) -> str:
    """A fresh identifier such as `in_1Sb8…`: the prefix, `_1`, and 23 random letters and digits."""
    return f"{prefix}_1{''.join(secrets.choice(ID_ALPHABET) for _ in range(23))}"


def stable_fingerprint(*parts: object) -> str:
    """16 characters that are the same for the same card."""
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]
