"""Ways to read a text: as it stands, and with its percent-encoding, JSON escapes and HTML entities decoded.

What stands in an encoded form is found in the decoded view and removed from the original.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

Span = tuple[int, int]
"""A part of a text: its beginning, and what lies behind its end."""
_PERCENT: Final = re.compile(r"%(?:25){0,4}([0-9A-Fa-f]{2})")
"""One encoded byte, perhaps encoded more than once (`%2540`)."""
_ENCODED: Final = re.compile(
    r"(?P<percent>(?:%(?:25){0,4}[0-9A-Fa-f]{2})+)"
    r"|\\{1,4}(?:u(?P<escape>[0-9A-Fa-f]{4})|x(?P<byte>[0-9A-Fa-f]{2})|(?P<blank>[nrt]))"
    r"|&(?:amp;){0,4}(?:\#(?P<decimal>[0-9]{1,6})|\#[xX](?P<entity>[0-9A-Fa-f]{1,5})|(?P<name>nbsp|commat|period|dash));"
)
_NAMES: Final = {"commat": "@", "period": ".", "dash": "-"}


class View(NamedTuple):
    """A text to search in, and where each of its characters stands in the original."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def locate(self, span: Span) -> Span:
        """The part of the original that a part of the view stands for."""
        return self.starts[span[0]], self.ends[span[1] - 1]


def views_of(text: str) -> Iterator[View]:
    """The text itself with digits and signs of all scripts as ASCII; decoded too, where something is encoded."""
    yield View(_to_ascii(text), range(len(text)), range(1, len(text) + 1))
    if _ENCODED.search(text):
        yield _decode(text)


def _decode(text: str) -> View:
    parts: list[tuple[str, int, int]] = []
    done = 0
    for found in _ENCODED.finditer(text):
        parts += ((text[at], at, at + 1) for at in range(done, found.start()))
        parts += _decode_match(found)
        done = found.end()
    parts += ((text[at], at, at + 1) for at in range(done, len(text)))
    letters, starts, ends = zip(*parts, strict=True)
    return View(_to_ascii("".join(letters)), starts, ends)


def _decode_match(found: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    if found["percent"]:
        return _decode_bytes(found)
    return iter([(_decode_sign(found), found.start(), found.end())])


def _decode_sign(found: re.Match[str]) -> str:
    if found["blank"] or found["name"]:
        return _NAMES.get(found["name"], " ")
    hexadecimal = found["escape"] or found["byte"] or found["entity"]
    return chr(int(hexadecimal, 16) if hexadecimal else int(found["decimal"]))


def _decode_bytes(found: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """The characters of percent-encoded UTF-8; a byte that belongs to none is a character of its own."""
    encoded = [*_PERCENT.finditer(found.string, found.start(), found.end())]
    at = 0
    for letter in bytes(int(one[1], 16) for one in encoded).decode(errors="surrogateescape"):
        width = len(letter.encode(errors="surrogateescape"))
        yield letter, encoded[at].start(), encoded[at + width - 1].end()
        at += width


def _to_ascii(text: str) -> str:
    """The text with each digit of any script, and each full-width sign, as ASCII; as long as before."""
    return text if text.isascii() else "".join(letter if letter < "\x80" else _ascii_of(letter) for letter in text)


def _ascii_of(letter: str) -> str:
    digit = unicodedata.digit(letter, None)
    if digit is not None:
        return str(digit)
    plain = unicodedata.normalize("NFKC", letter)
    return plain if len(plain) == 1 and plain.isascii() else letter
