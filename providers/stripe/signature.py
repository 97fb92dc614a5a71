"""Whether a webhook comes from Stripe and is recent (docs.stripe.com/webhooks, "Verify webhook signatures").

The library checks the signature itself and nothing more: it accepts a time in the future, and for some headers and
bodies it raises errors of other types than its own. Those are caught here before it is called.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from stripe import SignatureVerificationError, WebhookSignature

from core.errors import InvalidSignature

TOLERANCE_SECONDS: Final = 300
"""How far the signed time may be from ours, before or after; the library's default tolerance."""
MAX_HEADER: Final = 4096
_TIME: Final = re.compile(r"[0-9]{1,12}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


def verify_signature_header(header: str | None, body: bytes, secrets: Iterable[str], now: datetime) -> None:
    """Returns if one of the secrets signed this body within five minutes of `now`. Raises InvalidSignature."""
    seconds = _signed_timestamp(_header_pairs(header))
    if abs(now.timestamp() - seconds) > TOLERANCE_SECONDS:
        raise InvalidSignature("The signature's time is more than five minutes away from now: check the clock.")
    text = _decode_body(body)
    if not any(_is_signed(text, header or "", secret) for secret in secrets):
        raise InvalidSignature("No signature matches: the body was changed or the endpoint's secret is another one.")


def _header_pairs(header: str | None) -> list[tuple[str, str]]:
    if not header:
        raise InvalidSignature("The Stripe-Signature header is missing.")
    if len(header) > MAX_HEADER or not header.isascii():
        raise InvalidSignature("The Stripe-Signature header is too long or not plain ASCII.")
    pairs = [part.partition("=") for part in header.split(",")]
    if not all(separator for _, separator, _ in pairs):
        raise InvalidSignature("The Stripe-Signature header is not of the form t=…,v1=….")
    return [(name, value) for name, _, value in pairs]


def _signed_timestamp(parts: list[tuple[str, str]]) -> int:
    """The signed time in seconds since 1970. Raises InvalidSignature unless the header holds exactly one time."""
    # With two times, the library could verify the signature of one while we check the age of the other.
    times = [value for name, value in parts if name == "t"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]):
        raise InvalidSignature("The Stripe-Signature header needs exactly one time t=.")
    if not any(name == "v1" and _SIGNATURE.fullmatch(value) for name, value in parts):
        raise InvalidSignature("The Stripe-Signature header holds no v1 signature.")
    return int(times[0])


def _decode_body(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidSignature("The body is not UTF-8, so Stripe can't have signed it.") from None


def _is_signed(text: str, header: str, secret: str) -> bool:
    """Whether this secret signed the text; the age was already checked in both directions, hence no tolerance."""
    try:
        return bool(WebhookSignature.verify_header(text, header, secret, tolerance=None))
    except SignatureVerificationError:
        return False
