"""Finds card numbers in text: every 13 to 19 digits that pass the Luhn check and begin like some scheme's cards.

One 16-digit number in ten passes the check by chance, so the issuer's range is needed too. Takes linear time: one look
at each digit, and one sum for each length that its range has, at most seven.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from core.redaction.issuer_ranges import LENGTHS, PREFIX_DIGITS, SHORTEST
from core.redaction.views import Span

_RUN: Final = re.compile(r"[0-9](?:[\W_]{0,4}+[0-9]){12,}")
"""Digits with at most four characters between two of them that are no letters."""
_MOMENT: Final = re.compile(
    r"(?:19|20|21)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?)?"
)
"""A date or time as RFC 3339 writes it: no scheme's cards begin with a year, but windows further on could match."""


def find_card_numbers(text: str) -> Iterator[Span]:
    """Where the text, with ASCII digits, holds card numbers; overlapping ones are all named."""
    for run in _RUN.finditer(_MOMENT.sub(_cover_moment, text)):
        places = [run.start() + place for place, letter in enumerate(run.group()) if letter.isdigit()]
        yield from (
            (places[start], places[end - 1] + 1) for start, end in _find_windows([int(text[at]) for at in places])
        )


def _cover_moment(moment: re.Match[str]) -> str:
    return "x" * len(moment.group())


def _find_windows(digits: Sequence[int]) -> Iterator[Span]:
    """The windows, from the first digit to behind the last, that are card numbers."""
    sums = _running_sums(digits, 0), _running_sums(digits, 1)
    for start in range(len(digits) - SHORTEST + 1):
        first, second, third, fourth = digits[start : start + PREFIX_DIGITS]
        for length in LENGTHS.get(first * 1000 + second * 100 + third * 10 + fourth, ()):
            end = start + length
            # The last digit of a number counts as it is, every second one before it is doubled.
            plain = sums[(end - 1) % 2]
            if end <= len(digits) and (plain[end] - plain[start]) % 10 == 0:
                yield start, end


def _running_sums(digits: Sequence[int], plain: int) -> list[int]:
    """The Luhn sums of the first 0, 1, 2 … digits; places of the parity `plain` count as they are, others doubled."""
    sums, total = [0], 0
    for place, digit in enumerate(digits):
        total += digit if place % 2 == plain else 2 * digit - 9 * (digit > 4)
        sums.append(total)
    return sums
