"""Removes card numbers, e-mail addresses and secrets from text.

It is called where text comes in: what is once written to the log can't be erased. Ids, times and amounts are not given
to it; see `core.redaction.trees` for values that hold both.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from core.redaction.card_numbers import find_card_numbers
from core.redaction.secrets import find_secrets, find_url_passwords
from core.redaction.views import Span, views_of

REDACTED: Final = "[redacted]"
_SHORT: Final = 40
# Bounded, so that a long text without a match costs no quadratic time.
_EMAIL: Final = re.compile(r"[\w.%+'!#$*^{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")


def redact_text(text: str) -> str:
    """The text with `[redacted]` in place of each card number, e-mail address and secret. Idempotent."""
    return _redact_short(text) if len(text) <= _SHORT else _redact(_without_url_passwords(text))


def redact_name(name: str) -> str:
    """The name of a person who works here, which may be an e-mail address, without card numbers and secrets."""
    return _redact(name, emails=False)


def redact_identifier(identifier: str) -> str:
    """An id for a log line: without e-mail addresses and secrets, but with numbers that only look like a card's."""
    return _redact(identifier, cards=False)


def redact_number(number: int) -> int | str:
    """The number; `[redacted]` if it is a card number as a whole, since times in microseconds may contain one."""
    digits = str(abs(number))
    return REDACTED if (0, len(digits)) in find_card_numbers(digits) else number


def _redact(text: str, *, cards: bool = True, emails: bool = True) -> str:
    return _replace(
        text, (view.locate(span) for view in views_of(text) for span in _find_all(view.text, cards, emails))
    )


# The same few hundred codes and keys come again and again.
@lru_cache(maxsize=4096)
def _redact_short(text: str) -> str:
    return _redact(_without_url_passwords(text))


def _find_all(text: str, cards: bool, emails: bool) -> Iterator[Span]:
    yield from find_secrets(text)
    if cards:
        yield from find_card_numbers(text)
    if emails and "@" in text:
        yield from (found.span() for found in _EMAIL.finditer(text))


def _without_url_passwords(text: str) -> str:
    # Before all others: else the password and the host would pass for an e-mail address.
    return _replace(text, find_url_passwords(text)) if "://" in text else text


def _replace(text: str, spans: Iterable[Span]) -> str:
    """The text with each of these parts replaced; parts that overlap or touch are one."""
    parts: list[str] = []
    done = 0
    for start, end in _merge(spans):
        parts += text[done:start], REDACTED
        done = end
    return "".join((*parts, text[done:]))


def _merge(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
