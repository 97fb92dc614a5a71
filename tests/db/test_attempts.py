"""Counting what scheduled retries came to: each with its cause, number, hour and delay."""

from datetime import date, timedelta
from typing import Any

from core.events import Event, EventType
from core.retry import machine
from core.retry.strategies.experience import Cell
from db.repositories import event_log
from db.repositories.attempts import count_retries
from db.session import Database
from tests.db.stories import NOW, blank, event, failed

HOUR = timedelta(hours=1)
OPENING = (failed(), event(EventType.FAILURE_CLASSIFIED), event(EventType.RETRY_PLANNED, retry=2))


def charged(trigger: str = "scheduled") -> Event:
    """Three and a half hours after the failure of Tuesday 12:00: the 39th hour of the week."""
    asked = event(EventType.CHARGE_REQUESTED, trigger=trigger)
    return asked.model_copy(update={"attempt": 1, "occurred_at": NOW + 3.5 * HOUR})


def ended(kind: EventType, **data: Any) -> Event:
    return event(kind, **data).model_copy(update={"attempt": 1})


async def test_retries_are_counted_by_cause_number_hour_and_delay(database: Database) -> None:
    stories = {
        "won": (charged(), ended(EventType.CHARGE_SUCCEEDED)),
        "lost": (charged(), ended(EventType.CHARGE_DECLINED)),
        "settled": (
            charged(),
            ended(EventType.CHARGE_UNKNOWN),
            ended(EventType.CHARGE_RECONCILED, outcome="succeeded"),
        ),
        "never": (charged(), ended(EventType.CHARGE_RECONCILED, outcome="not_charged")),
        "open": (charged(),),
        "by_hand": (charged("manual"), ended(EventType.CHARGE_SUCCEEDED)),
    }
    async with database.begin() as session:
        for name, events in stories.items():
            recovery = blank(name)
            for one in (*OPENING, *events):
                recovery = machine.fold(recovery, await event_log.append(session, recovery, [one], NOW))
        assert await count_retries(session, date(2026, 8, 1)) == [Cell("GENERIC", 2, 39, 3, 3, 2)]
        assert await count_retries(session, date(2026, 9, 2)) == []
