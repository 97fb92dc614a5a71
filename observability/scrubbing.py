"""Removes card numbers, e-mail addresses and secrets from log lines, error reports and traces."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

REDACTED: Final = "[redacted]"
DEEPEST: Final = 12
LARGEST: Final = 10**100
LONGEST: Final = 20_000
"""Characters of one text that are scrubbed and kept; the rest is cut off."""

_SECRET_NAMES: Final = re.compile(
    r"authorization|cookie|password|passwd|secret|api[-_]?key|token|signature|dsn|encryption[-_]?keys?", re.IGNORECASE
)
# Quantifiers are bounded, so that a long text without a match costs no quadratic time.
_EMAIL: Final = re.compile(r"[\w.%+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_SECRET: Final = re.compile(r"(?:\b|_)(?:sk|rk|whsec|pri)_[A-Za-z0-9+/=_-]{4,}")
_CREDENTIALS: Final = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{4,}", re.IGNORECASE)
_HEADER: Final = re.compile(r"\b(authorization['\"]?\s*[:=]\s*)[^\s,;}]{1,400}(?:\s+[\w.~+/=-]{4,})?", re.IGNORECASE)
_URL_PASSWORD: Final = re.compile(r"(://[^/\s:@]{0,64}:)[^@\s/]{1,256}@")
_NO_DIGIT: Final = re.compile(r"\D")
_DIGITS: Final = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")


def scrub_text(text: str) -> str:
    """The text with card numbers, e-mail addresses and secrets replaced, cut off at 20,000 characters."""
    short = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    clean = _URL_PASSWORD.sub(rf"\g<1>{REDACTED}@", short)
    clean = _HEADER.sub(rf"\g<1>{REDACTED}", clean)
    clean = _CREDENTIALS.sub(rf"\g<1> {REDACTED}", clean)
    clean = _SECRET.sub(REDACTED, clean)
    return _DIGITS.sub(_redact_card, _EMAIL.sub(REDACTED, clean))


def scrub_value(value: Any, depth: int = 0) -> Any:
    """The value, safe to be logged: values under names of secrets are replaced, texts are scrubbed.

    Containers become plain dicts and lists, at most 12 levels deep. Any other object becomes its scrubbed `repr`, since
    the renderer would call `repr` later, after the scrubbing.
    """
    if depth > DEEPEST:
        return "…"
    for kind, clean in _CLEANERS:
        if isinstance(value, kind):
            return clean(value, depth)
    return scrub_text(repr(value))


def _scrub_mapping(value: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
    return {key: _scrub_field(key, item, depth) for key, item in value.items()}


def _scrub_field(key: Any, item: Any, depth: int) -> Any:
    secret = isinstance(key, str) and _SECRET_NAMES.search(key) and isinstance(item, str | bytes | list | tuple)
    return REDACTED if secret else scrub_value(item, depth + 1)


def _scrub_sequence(value: Any, depth: int) -> list[Any]:
    return [scrub_value(item, depth + 1) for item in value]


def _scrub_number(value: int, _: int) -> Any:
    # Python refuses to write integers of thousands of digits, so that the renderer would fail.
    if abs(value) >= LARGEST:
        return "…"
    return REDACTED if _is_card(str(value)) else value


_CLEANERS: Final[tuple[tuple[Any, Callable[[Any, int], Any]], ...]] = (
    ((bool, float, type(None)), lambda value, _: value),
    (str, lambda value, _: scrub_text(value)),
    (int, _scrub_number),
    (Mapping, _scrub_mapping),
    ((list, tuple, set, frozenset), _scrub_sequence),
)


def _redact_card(found: re.Match[str]) -> str:
    digits = _NO_DIGIT.sub("", found.group())
    return REDACTED if _is_card(digits) else found.group()


def _is_card(digits: str) -> bool:
    """Whether the digits could be a card number: 13 to 19 digits that pass the Luhn check (ISO/IEC 7812)."""
    return digits.isdecimal() and 13 <= len(digits) <= 19 and _luhn_sum(digits) % 10 == 0


def _luhn_sum(digits: str) -> int:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return sum(doubled) + sum(map(int, digits[-1::-2]))
