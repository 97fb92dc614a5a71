"""Cursors of keyset paging: the sort values of the last row shown, encoded so that clients treat them as opaque."""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, literal, tuple_

from core.errors import InvalidInput
from core.events import format_timestamp

FOREIGN_CURSOR: Final = "The cursor is not one that this service gave."
LONGEST: Final = 5000
"""Characters of a cursor; ours hold an id of 255 characters at most, each written as twelve bytes."""
LARGEST: Final = 2**63
"""The first integer beyond PostgreSQL's bigint."""


def encode_cursor(*place: datetime | int | str) -> str:
    """A cursor that continues after the row with these sort values; URL-safe text."""
    plain = [format_timestamp(one) if isinstance(one, datetime) else one for one in place]
    return urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).decode().rstrip("=")


def behind_cursor(text: str, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition for rows after the cursor, in descending order of all columns. Raises as `decode_cursor`."""
    return beyond_place(decode_cursor(text, *columns), columns, descending=True)


def beyond_place(
    place: tuple[Any, ...], columns: tuple[ColumnElement[Any], ...], descending: bool
) -> ColumnElement[bool]:
    """The condition for rows after `place`, where all columns are sorted in the same direction."""
    # A row comparison, not a chain of ORs: PostgreSQL turns it into one start position in the index.
    there = tuple_(*(literal(value, column.type) for value, column in zip(place, columns, strict=True)))
    here = tuple_(*columns)
    return here < there if descending else here > there


def decode_cursor(text: str, *columns: ColumnElement[Any]) -> tuple[Any, ...]:
    """The values in a cursor, one for each column and of its type.

    Raises InvalidInput for a text that `encode_cursor` never returned for such columns.
    """
    if len(text) > LONGEST:
        raise InvalidInput(FOREIGN_CURSOR)
    try:
        found = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError, binascii.Error) as error:
        raise InvalidInput(FOREIGN_CURSOR) from error
    if not isinstance(found, list) or len(found) != len(columns):
        raise InvalidInput(FOREIGN_CURSOR)
    return tuple(_typed_value(one, column.type.python_type) for one, column in zip(found, columns, strict=True))


def _typed_value(found: Any, kind: type[Any]) -> Any:
    if kind is datetime:
        return _parse_moment(found)
    if type(found) is not kind or not _fits_column(found):
        raise InvalidInput(FOREIGN_CURSOR)
    return found


def _fits_column(found: int | str) -> bool:
    return "\x00" not in found if isinstance(found, str) else abs(found) < LARGEST


def _parse_moment(found: Any) -> datetime:
    try:
        parsed = datetime.fromisoformat(found)
    except (ValueError, TypeError) as error:
        raise InvalidInput(FOREIGN_CURSOR) from error
    if parsed.tzinfo is None:
        raise InvalidInput(FOREIGN_CURSOR)
    return parsed
