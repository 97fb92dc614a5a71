"""Parses TOML from outside in time that grows with its length, and finds the lines of its keys.

The standard parser takes quadratic time for keys of many parts, fails with other errors than its own for deep nesting
and long numbers, and gives a line only for broken syntax.
"""

import re
import tomllib
from collections.abc import Iterable
from typing import Any, Final

from core.problem_list import shorten

KeyPath = tuple[str | int, ...]

MOST_KEY_PARTS: Final = 16
DEEPEST: Final = 32
"""Levels of tables and lists; a policy has five."""
LARGEST: Final = 2**63
"""The first integer beyond 64 bits, which TOML doesn't promise to hold (toml.io/en/v1.0.0#integer)."""

# Every alternative ends at the end of the text at the latest, and gives nothing back: an unclosed text is read once.
_OPAQUE: Final = re.compile(
    r'#[^\n]*+|"""(?:[^"\\]++|\\(?s:.)?+|"(?!""))*+(?:"{3,5}+|\Z)|'
    r"'''(?:[^']++|'(?!''))*+(?:'{3,5}+|\Z)|"
    r'"(?:[^"\\\n]++|\\.?+)*+"?+|'
    r"'[^'\n]*+'?+"
)
"""Comments and quoted texts."""
_DOTTED: Final = re.compile(r"[A-Za-z0-9_\-]++(?:[ \t]*+\.[ \t]*+[A-Za-z0-9_\-]++)*+")
"""A key, or anything else that is written like one."""
_HEADER: Final = re.compile(r"\s*+(\[{1,2}+)([^\]]*+)\]{1,2}+\s*+(?:#.*)?$")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9_.\- ]+")
_OPENED: Final = re.compile(r"=\s*+\[\s*+(?:#.*)?$")
"""The first line of a list of inline tables, each of which stands on a line of its own."""
_ITEM: Final = re.compile(r"\s*+\{")
_KEY: Final = re.compile(r"\s*+[\"']?([A-Za-z0-9_.\-]++)[\"']?\s*+=")


def parse_toml(text: str) -> dict[str, Any]:
    """The text as tables. Raises ValueError, with one sentence, for text that isn't TOML or is nested too deep."""
    _refuse_long_keys(text)
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(shorten(str(error))) from error
    except RecursionError:
        raise ValueError(f"nested deeper than {DEEPEST} levels") from None
    except ValueError:
        # Python's own error for a number of thousands of digits.
        raise ValueError("a number is too long") from None
    _check_values(found)
    return found


def _refuse_long_keys(text: str) -> None:
    bare = _OPAQUE.sub("s", text)
    if any(key[0].count(".") >= MOST_KEY_PARTS for key in _DOTTED.finditer(bare)):
        raise ValueError(f"a key has more than {MOST_KEY_PARTS} parts")


def _check_values(found: Any) -> None:
    # A loop over levels, since a recursion could itself go too deep.
    level: list[Any] = [found]
    for _ in range(DEEPEST + 1):
        level = [inner for value in level for inner in _inner_values(value)]
        if any(type(value) is int and not -LARGEST <= value < LARGEST for value in level):
            raise ValueError("an integer does not fit into 64 bits")
    if level:
        raise ValueError(f"nested deeper than {DEEPEST} levels")


def _inner_values(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class KeyLines:
    """The line of every table and key in a text, read once."""

    def __init__(self, text: str) -> None:
        self._places = _find_lines(text)

    def nearest_line(self, path: KeyPath) -> int | None:
        """The line, from 1, of the key at this path, else of the nearest table around it; None if neither is found."""
        around = (path[:length] for length in range(min(len(path), MOST_KEY_PARTS), 0, -1))
        return next((self._places[prefix] for prefix in around if prefix in self._places), None)


def _find_lines(text: str) -> dict[KeyPath, int]:
    places: dict[KeyPath, int] = {}
    counts: dict[str, int] = {}
    table: KeyPath = ()
    listed: KeyPath | None = None
    items = 0
    for number, line in enumerate(text.split("\n"), 1):
        if header := _match_header(line):
            table = _table_path(header[1], header[0] == "[[", counts)
            places.setdefault(table, number)
        elif key := _KEY.match(line):
            places.setdefault((*table, key[1]), number)
            listed, items = ((*table, key[1]) if _OPENED.search(line) else None), 0
        elif listed and _ITEM.match(line):
            places[(*listed, items)] = number
            items += 1
    return places


def _match_header(line: str) -> tuple[str, str] | None:
    """The opening brackets and the name of a table's header; None for any other line."""
    found = _HEADER.match(line)
    name = found[2].strip() if found else ""
    return (found[1], name) if found and _HEADER_NAME.fullmatch(name) else None


def _table_path(name: str, repeated: bool, counts: dict[str, int]) -> KeyPath:
    """The path of a header; a table within a repeated `[[table]]` belongs to the latest of these."""
    # Longer names are never parsed; their paths would only take memory.
    first, *rest = (part.strip() for part in name.split(".", MOST_KEY_PARTS)[:MOST_KEY_PARTS])
    if repeated and not rest:
        counts[first] = counts.get(first, -1) + 1
    return (first, counts[first], *rest) if first in counts else (first, *rest)
