"""Where a key stands in a TOML text; the standard parser tells lines of broken syntax only."""

import re

KeyPath = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[{1,2})\s*([A-Za-z0-9_.\- ]+?)\s*\]{1,2}\s*(?:#.*)?$")
_OPENED = re.compile(r"=\s*\[\s*(?:#.*)?$")
"""A list that goes on in the next lines, one table a line."""
_ITEM = re.compile(r"\s*\{")
_KEY = re.compile(r"\s*[\"']?([A-Za-z0-9_.\-]+)[\"']?\s*=")


def find_line(text: str, path: KeyPath) -> int | None:
    """The line, from 1, of the key at this path or of the nearest table around it; None where nothing is found."""
    places = _find_lines(text)
    around = (path[:length] for length in range(len(path), 0, -1))
    return next((places[prefix] for prefix in around if prefix in places), None)


def _find_lines(text: str) -> dict[KeyPath, int]:
    places: dict[KeyPath, int] = {}
    counts: dict[str, int] = {}
    table: KeyPath = ()
    listed: KeyPath | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _table_path(header[2], header[1] == "[[", counts)
            places.setdefault(table, number)
        elif key := _KEY.match(line):
            places.setdefault((*table, key[1]), number)
            listed = (*table, key[1]) if _OPENED.search(line) else None
        elif listed and _ITEM.match(line):
            item = sum(1 for known in places if known[:-1] == listed)
            places[(*listed, item)] = number
    return places


def _table_path(name: str, repeated: bool, counts: dict[str, int]) -> KeyPath:
    """The path of a header; a table within a repeated one belongs to its latest copy."""
    first, *rest = (part.strip() for part in name.split("."))
    if repeated and not rest:
        counts[first] = counts.get(first, -1) + 1
    return (first, counts[first], *rest) if first in counts else (first, *rest)
