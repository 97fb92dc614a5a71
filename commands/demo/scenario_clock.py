"""Converts times of a scenario that ran in scaled time back to the times that it stands for.

Only waits are scaled, work is not: half a second of work must not look like an hour. So a wait that was ended from
outside counts TIME_SCALE-fold, a planned wait counts as planned, and everything else counts as it was.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from commands.demo.driver import Row
from core.events import EventType, State, Trigger, parse_timestamp
from core.recovery.machine import FAILURE_EVENT_TYPES

WAITING_STATES: Final = {State.WAITING, State.AWAITING_CUSTOMER, State.IN_REVIEW, State.PAUSED}
OUTSIDE_EVENT_PREFIXES: Final = ("operator.", "payment_method.", "invoice.", "dispute.", "payment.")
"""Prefixes of event types that come from outside and end a wait."""


class ScenarioClock:
    """The clock of one recovery in a scenario."""

    def __init__(self, scale: int) -> None:
        self._scale = scale
        self._now = timedelta()
        self._at: datetime | None = None
        self._failed = timedelta()
        self._due: tuple[datetime, timedelta] | None = None

    def follow_rows(self, rows: Iterable[Row]) -> Iterator[tuple[timedelta, Row]]:
        """Yields every row, in order from the first, with the unscaled time since the failure."""
        for row in rows:
            self._advance_to(row, datetime.fromisoformat(row["occurred_at"]))
            yield self._now, row

    def _advance_to(self, row: Row, at: datetime) -> None:
        gap = max(at - (self._at or at), timedelta())
        if self._due and row["data"].get("trigger") == Trigger.SCHEDULED:
            self._now = max(self._now, self._due[1] + max(at - self._due[0], timedelta()))
        else:
            waited = row["from_state"] in WAITING_STATES and row["type"].startswith(OUTSIDE_EVENT_PREFIXES)
            self._now += gap * self._scale if waited else gap
        self._at = max(at, self._at or at)
        self._note_plan(row)

    def _note_plan(self, row: Row) -> None:
        if row["type"] in FAILURE_EVENT_TYPES:
            self._failed = self._now
        due = parse_timestamp(row["data"].get("at"))
        if row["type"] == EventType.RETRY_PLANNED and due:
            self._due = due, self._failed + timedelta(seconds=row["data"]["delay_seconds"])
