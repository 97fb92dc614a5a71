"""Cursors of keyset paging: the place of the last row shown, wrapped so that nobody builds on its inside."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, literal, tuple_

from core.errors import InvalidInput
from core.events import stamp


def cursor(moment: datetime, name: str) -> str:
    """A cursor behind the row with this time and name."""
    return urlsafe_b64encode(f"{stamp(moment)} {name}".encode()).decode().rstrip("=")


def behind(text: str, moment: ColumnElement[Any], name: ColumnElement[Any]) -> ColumnElement[bool]:
    """Rows behind the cursor, in descending order of both columns. Raises InvalidInput."""
    at, key = _read(text)
    return tuple_(moment, name) < tuple_(literal(at, moment.type), literal(key, name.type))


def _read(text: str) -> tuple[datetime, str]:
    try:
        at, _, key = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(" ")
        parsed = datetime.fromisoformat(at)
    except (ValueError, binascii.Error) as error:
        raise InvalidInput("The cursor is not one that this service gave.") from error
    if parsed.tzinfo is None or "\x00" in key:
        raise InvalidInput("The cursor is not one that this service gave.")
    return parsed, key
