"""Results of scheduled retries, counted by cause, number, hour and delay."""

from datetime import date, timedelta
from typing import Any

from core.events import Event, EventType
from core.recovery import machine
from core.strategies.experience import RetryCell
from db.queries.charge_outcomes import count_retries
from db.repositories import event_log
from db.session import Database
from tests.db.recovery_events import NOW, blank_recovery, event_of, failed_event

HOUR = timedelta(hours=1)
OPENING = (failed_event(), event_of(EventType.FAILURE_CLASSIFIED), event_of(EventType.RETRY_PLANNED, retry=2))


def charge_event(trigger: str = "scheduled") -> Event:
    """A charge event 3.5 hours after a failure on Tuesday 12:00, the 39th hour of the week."""
    requested = event_of(EventType.CHARGE_REQUESTED, trigger=trigger)
    return requested.model_copy(update={"attempt": 1, "occurred_at": NOW + 3.5 * HOUR})


def ending_event(kind: EventType, **data: Any) -> Event:
    return event_of(kind, **data).model_copy(update={"attempt": 1})


async def test_retries_are_counted_by_cause_number_hour_and_delay(database: Database) -> None:
    histories = {
        "won": (charge_event(), ending_event(EventType.CHARGE_SUCCEEDED)),
        "lost": (charge_event(), ending_event(EventType.CHARGE_DECLINED)),
        "reconciled": (
            charge_event(),
            ending_event(EventType.CHARGE_UNKNOWN),
            ending_event(EventType.CHARGE_RECONCILED, outcome="succeeded"),
        ),
        "never": (charge_event(), ending_event(EventType.CHARGE_RECONCILED, outcome="not_charged")),
        "open": (charge_event(),),
        "by_hand": (charge_event("manual"), ending_event(EventType.CHARGE_SUCCEEDED)),
    }
    async with database.begin() as session:
        for name, events in histories.items():
            recovery = blank_recovery(name)
            for event in (*OPENING, *events):
                recovery = machine.fold_records(
                    recovery, await event_log.append_to_log(session, recovery, [event], NOW)
                )
        assert await count_retries(session, date(2026, 8, 1)) == [RetryCell("GENERIC", 2, 39, 3, 3, 2)]
        assert await count_retries(session, date(2026, 9, 2)) == []
