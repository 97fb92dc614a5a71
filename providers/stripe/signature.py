"""Whether a webhook comes from Stripe, and is of now.

The library's check is used for the signature itself only. It looks at the age of an event only when asked to and
never minds a time in the future, and some headers and bodies make it raise errors that are not its own.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from stripe import SignatureVerificationError, WebhookSignature

from core.errors import InvalidSignature

TOLERANCE_SECONDS: Final = 300
MAX_HEADER: Final = 4096
_TIME: Final = re.compile(r"[0-9]{1,12}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


def verify_signature_header(header: str | None, body: bytes, secrets: Iterable[str], now: datetime) -> None:
    """Return where one of the secrets signed this body within five minutes of now. Raises InvalidSignature."""
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
    """The one time; two times would let the checked one differ from the signed one."""
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
    """The age was checked already, in both directions: hence no tolerance here."""
    try:
        return bool(WebhookSignature.verify_header(text, header, secret, tolerance=None))
    except SignatureVerificationError:
        return False
