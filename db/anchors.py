"""Anchors: what the event log said at a time, small enough to be kept where the owner of the database can't change it.

An anchor covers the rows recorded in a span of time: the Merkle root over the newest hash of each recovery that got
rows then. A chain that was rewritten later, a row that was added or removed, gives another root. Each anchor names the
hash of the one before it, so that none can be taken out.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError
from sqlalchemy import collate, select, text

from core.base import Value
from core.errors import InvalidInput
from core.merkle import hash_leaf, merkle_root
from db.models import event_log as table
from db.session import Database

SETTLED_AFTER: Final = timedelta(minutes=5)
"""A row is committed at most this long after its `recorded_at`: no transaction of ours may last as long."""
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
BATCH: Final = 10_000
FIRST: Final = "0" * 64
"""`previous` of the first anchor."""


class Anchor(Value):
    """One line of an anchor file. Times in UTC; `since` included, `until` not."""

    since: datetime
    until: datetime
    recoveries: int
    """Recoveries that got rows in this span."""
    root: str
    previous: str
    """The SHA-256 of the line before."""
    stamp: str | None = None
    """The answer of a time stamping authority (RFC 3161, DER in base64) to the line without it; None: not stamped."""

    def to_line(self) -> str:
        """The line without its end; what the next anchor's `previous` is the hash of."""
        return self.model_dump_json(exclude_none=True)

    def to_stamped_text(self) -> str:
        """What is stamped: the line without the stamp."""
        return self.model_dump_json(exclude={"stamp"})


class AnchorProblem(Value):
    """One anchor that the log, or the file itself, contradicts."""

    anchor: Anchor
    what: str


def read_anchors(content: str) -> list[Anchor]:
    """The anchors of a file in order. Raises InvalidInput naming a line that is none, or doesn't follow the others."""
    found: list[Anchor] = []
    previous = FIRST
    for number, line in enumerate(content.splitlines(), start=1):
        anchor = read_anchor(line, f"line {number}")
        if anchor.previous != previous or anchor.since != (found[-1].until if found else BEGINNING):
            raise InvalidInput(f"line {number} of the anchor file does not follow the line before it")
        previous = hash_line(line)
        found.append(anchor)
    return found


def read_anchor(line: str, name: str = "the last line") -> Anchor:
    """One line. Raises InvalidInput, with the line's name, for one that is none or was written in another way."""
    try:
        anchor = Anchor.model_validate_json(line)
    except ValidationError:
        raise InvalidInput(f"{name} of the anchor file is no anchor") from None
    # The hash of a line is taken from the text: an anchor read back must give the same.
    if anchor.to_line() != line:
        raise InvalidInput(f"{name} of the anchor file is no anchor as this release writes it")
    return anchor


def hash_line(line: str) -> str:
    """What the next anchor names as `previous`."""
    return hashlib.sha256(line.encode()).hexdigest()


async def next_anchor(database: Database, last: Anchor | None, now: datetime) -> Anchor | None:
    """The anchor of all rows since the last one; None within the same minute."""
    since = last.until if last else BEGINNING
    until = (now - SETTLED_AFTER).astimezone(UTC).replace(second=0, microsecond=0)
    if until <= since:
        return None
    ((count, root),) = await _compute_roots(database, since, [until])
    previous = hash_line(last.to_line()) if last else FIRST
    return Anchor(since=since, until=until, recoveries=count, root=root.hex(), previous=previous)


async def verify_anchors(database: Database, anchors: Sequence[Anchor]) -> list[AnchorProblem]:
    """The anchors whose root the log doesn't give any more; one pass over the log for all of them."""
    if not anchors:
        return []
    computed = await _compute_roots(database, anchors[0].since, [anchor.until for anchor in anchors])
    pairs = zip(anchors, computed, strict=True)
    return [
        AnchorProblem(anchor=anchor, what=_difference(anchor, count))
        for anchor, (count, root) in pairs
        if (count, root.hex()) != (anchor.recoveries, anchor.root)
    ]


def _difference(anchor: Anchor, count: int) -> str:
    if count != anchor.recoveries:
        return f"{anchor.recoveries} recoveries got rows in this span when it was anchored, the log has {count} now"
    return "rows of this span were changed since it was anchored"


async def _compute_roots(database: Database, since: datetime, ends: Sequence[datetime]) -> list[tuple[int, bytes]]:
    """Recoveries and root of each span; the first begins at `since`, each other where the one before it ends."""
    found = _SpanLeaves(ends)
    async with database.begin() as session:
        await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        await session.execute(text("SET LOCAL statement_timeout = 0"))
        within = (table.c.recorded_at >= since, table.c.recorded_at < ends[-1])
        query = select(table.c.recovery_id, table.c.sequence, table.c.hash, table.c.recorded_at).where(*within)
        # By bytes, so that every server gives the leaves in one order, whatever its collation.
        ordered = query.order_by(collate(table.c.recovery_id, "C"), table.c.sequence)
        async with session.stream(ordered, execution_options={"yield_per": BATCH}) as rows:
            async for name, sequence, row_hash, recorded_at in rows:
                found.add_row(name, sequence, row_hash, recorded_at)
    return found.compute_roots()


class _SpanLeaves:
    """The leaves of each span: of every recovery with rows in it, the newest. Rows come by recovery and sequence."""

    def __init__(self, ends: Sequence[datetime]) -> None:
        self._ends = ends
        self._leaves: list[list[bytes]] = [[] for _ in ends]
        self._recovery_id = ""
        self._newest: dict[int, bytes] = {}

    def add_row(self, recovery_id: str, sequence: int, row_hash: bytes, recorded_at: datetime) -> None:
        """One row; a later one of the same recovery and span replaces it."""
        if recovery_id != self._recovery_id:
            self._flush()
            self._recovery_id = recovery_id
        content = b"\x00".join((recovery_id.encode(), sequence.to_bytes(8, "big"), bytes(row_hash)))
        self._newest[bisect_right(self._ends, recorded_at)] = content

    def compute_roots(self) -> list[tuple[int, bytes]]:
        """Number of recoveries and root of each span."""
        self._flush()
        return [(len(leaves), merkle_root(leaves)) for leaves in self._leaves]

    def _flush(self) -> None:
        for span, content in self._newest.items():
            self._leaves[span].append(hash_leaf(content))
        self._newest = {}
