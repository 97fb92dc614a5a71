"""Customer ids that name a person: a keyed hash stands for them in names, workflow histories, log and lists.

Where merchants choose the id, some take an e-mail address, a name or a phone number: as Adyen's `shopperReference`,
though it "must not include personally identifiable information" (Checkout v72, PaymentRequest), and as Braintree's
customer id (letters, digits, `-` and `_`). Stripe's `cus_` ids are its own.
"""

import base64
import hashlib
import hmac
import re
from typing import Final

from core.redaction.text import redact_text

HASHED_PREFIX: Final = "hashed_"
_CONTEXT: Final = b"pri-customer-id.v1."
_HASH_BYTES: Final = 20

_PHONE_LETTERS: Final = frozenset("0123456789+()/.- ")
_PHONE_DIGITS: Final = range(7, 16)
"""ITU-T E.164 allows 15; shorter numbers than 7 digits are extensions."""
_BETWEEN_WORDS: Final = str.maketrans(".,", "  ")
_WITHIN_WORDS: Final = str.maketrans("", "", "'’-")
_CAPITALISED: Final = re.compile(r"[A-Z][a-z]+(?:[_-][A-Z][a-z]+)+")


def names_person(customer_id: str) -> bool:
    """Whether the id holds an address, or a card number, or looks like a phone number or a person's name.

    A plain number or a single word is an id: a user name can't be told from one.
    """
    text = customer_id.strip()
    return "@" in text or redact_text(text) != text or _looks_like_phone(text) or _looks_like_name(text)


def _looks_like_phone(text: str) -> bool:
    """7 to 15 digits with a plus, a leading zero or separators."""
    if not _PHONE_LETTERS.issuperset(text) or sum(map(str.isdigit, text)) not in _PHONE_DIGITS:
        return False
    return not text.isdigit() or text.startswith("0")


def _looks_like_name(text: str) -> bool:
    """Words with a blank, dot or comma between two of them, or capitalised ones with `_` or `-` in between."""
    words = text.translate(_BETWEEN_WORDS).split()
    divided = len(words) > 1 and all(word.translate(_WITHIN_WORDS).isalpha() for word in words)
    return divided or bool(_CAPITALISED.fullmatch(text))


def hash_customer_id(customer_id: str, key: bytes) -> str:
    """The name that stands for this id: `hashed_` and 32 letters and digits. Same id and key, same name."""
    digest = hmac.digest(key, _CONTEXT + customer_id.encode(errors="backslashreplace"), hashlib.sha256)
    # Base 32: a run of digits in a hexadecimal name could pass for a card number.
    return HASHED_PREFIX + base64.b32encode(digest[:_HASH_BYTES]).decode().lower()


def is_hashed(customer_id: str) -> bool:
    """Whether the id has the form of such a name."""
    return customer_id.startswith(HASHED_PREFIX)
