"""`pri audit anchor` and the check of anchors by `pri audit verify`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from commands.database import open_database
from core.errors import InvalidInput
from core.formatting import format_moment
from db import anchors
from db.anchors import Anchor, AnchorProblem
from settings import Settings


def append_anchor(settings: Settings, file: Path) -> Anchor | None:
    """Appends the anchor of all rows since the file's last one; None where that is less than a minute ago.

    Raises InvalidInput for a file that can't be read or written, or is none of anchors; StoreUnavailable.
    """
    lines = _read_lines(file) if file.exists() else []

    async def compute() -> Anchor | None:
        async with open_database(settings) as database:
            return await anchors.next_anchor(database, lines, datetime.now(UTC))

    anchor = asyncio.run(compute())
    if anchor:
        try:
            with file.open("a", encoding="utf-8") as out:
                out.write(f"{anchor.to_line()}\n")
        except OSError as error:
            raise InvalidInput(f"{file} can't be written: {error.strerror}") from None
    return anchor


def check_anchors(settings: Settings, file: Path) -> tuple[int, list[AnchorProblem]]:
    """Number of anchors in the file, and those that the log contradicts.

    Raises InvalidInput for a file that can't be read or is none of anchors, StoreUnavailable.
    """
    known = anchors.read_anchors("\n".join(_read_lines(file)))

    async def verify() -> list[AnchorProblem]:
        async with open_database(settings) as database:
            return await anchors.verify_anchors(database, known)

    return len(known), asyncio.run(verify())


def describe_span(anchor: Anchor) -> str:
    """The span of time that an anchor covers, for people; the first one covers everything before its end."""
    end = format_moment(anchor.until)
    return f"everything until {end}" if anchor.since == anchors.BEGINNING else f"{format_moment(anchor.since)} to {end}"


def _read_lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} can't be read: {getattr(error, 'strerror', 'it is no text')}") from None
