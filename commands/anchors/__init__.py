"""`pri audit anchor` and the check of anchors by `pri audit verify`."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from commands.anchors.buckets import open_bucket
from commands.anchors.places import AnchorFile, AnchorPlace, KeptLine
from commands.anchors.time_stamps import InvalidStamp, TimeStamps, configured_stamps
from commands.database import open_database
from core.errors import InvalidInput
from core.formatting import format_moment
from db import anchors
from db.anchors import Anchor, AnchorProblem
from settings import Settings

WITNESSED_WITHIN: Final = timedelta(hours=1)
"""After the end of its span an anchor is stamped, or put into a bucket. Rewritten ones come later."""


def append_anchor(settings: Settings, place: str) -> Anchor | None:
    """Appends the anchor of all rows since the last one there; None where that is less than a minute ago.

    Raises InvalidInput for a place that can't be used or holds no anchors; AnchorPlaceFailed, StoreUnavailable.
    """
    opened, stamps = open_place(settings, place), configured_stamps(settings)
    line = opened.last_line()
    last = anchors.read_anchor(line) if line is not None else None
    is_stamped = bool(stamps and stamps.are_made)
    if last and bool(last.stamp) != is_stamped:
        raise InvalidInput(
            f"{place} holds anchors {'without' if is_stamped else 'with'} time stamps: use another place"
        )

    async def compute() -> Anchor | None:
        async with open_database(settings) as database:
            return await anchors.next_anchor(database, last, datetime.now(UTC))

    anchor = asyncio.run(compute())
    if anchor and stamps and is_stamped:
        anchor = anchor.model_copy(update={"stamp": stamps.request_stamp(anchor.to_stamped_text())})
    if anchor:
        opened.append(anchor.to_line(), anchor.until)
    return anchor


def check_anchors(settings: Settings, place: str) -> tuple[int, list[AnchorProblem]]:
    """Number of anchors there, and what contradicts them: the log, the place, or their time stamps.

    Raises InvalidInput for a place that can't be read or holds something else, AnchorPlaceFailed, StoreUnavailable.
    """
    kept = open_place(settings, place).read_lines()
    known = anchors.read_anchors("\n".join(one.line for one in kept))
    if not known:
        raise InvalidInput(f"there are no anchors in {place}")
    witnessed = [*_check_places(kept, known), *_check_stamps(configured_stamps(settings), known)]

    async def verify() -> list[AnchorProblem]:
        async with open_database(settings) as database:
            return await anchors.verify_anchors(database, known)

    return len(known), witnessed + asyncio.run(verify())


def open_place(settings: Settings, place: str) -> AnchorPlace:
    """The place with this address: `s3://BUCKET/PREFIX`, or a file. Raises InvalidInput."""
    return open_bucket(settings, place) if "://" in place else AnchorFile(Path(place))


def describe_span(anchor: Anchor) -> str:
    """The span of time that an anchor covers, for people; the first one covers everything before its end."""
    end = format_moment(anchor.until)
    return f"everything until {end}" if anchor.since == anchors.BEGINNING else f"{format_moment(anchor.since)} to {end}"


def _check_places(kept: Sequence[KeptLine], known: Sequence[Anchor]) -> Iterable[AnchorProblem]:
    for one, anchor in zip(kept, known, strict=True):
        for what in one.faults:
            yield AnchorProblem(anchor=anchor, what=what)
        if one.kept_at and (late := _lateness(anchor, one.kept_at)):
            yield AnchorProblem(anchor=anchor, what=f"was put there {late}")


def _check_stamps(stamps: TimeStamps | None, known: Sequence[Anchor]) -> Iterable[AnchorProblem]:
    if stamps is None:
        if any(anchor.stamp for anchor in known):
            raise InvalidInput("The anchors have time stamps: name the authority's certificates in TIMESTAMP_CA_FILE")
        return
    for anchor in known:
        if what := _stamp_problem(stamps, anchor):
            yield AnchorProblem(anchor=anchor, what=what)


def _stamp_problem(stamps: TimeStamps, anchor: Anchor) -> str | None:
    if anchor.stamp is None:
        return "has no time stamp"
    try:
        late = _lateness(anchor, stamps.read_time(anchor.stamp, anchor.to_stamped_text()))
    except InvalidStamp as error:
        return f"has a time stamp that proves nothing: {error}"
    return f"was stamped {late}" if late else None


def _lateness(anchor: Anchor, at: datetime) -> str | None:
    """When, if that is too late after the end of the span to show that nothing was rewritten meanwhile."""
    if at <= anchor.until + WITNESSED_WITHIN:
        return None
    return f"only at {format_moment(at)}: the log may have been changed before"
