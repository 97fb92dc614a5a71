"""Shadow plans counted against the active policy's decisions."""

from datetime import timedelta
from typing import Any

from core.events import Event, EventType, format_timestamp
from core.recovery.machine import fold_records
from db.queries.shadow import Comparison, compare_shadow
from db.repositories import event_log
from db.session import Database, Session
from tests.db.recovery_events import NOW, blank_recovery, event_of, failed_event

HOUR = timedelta(hours=1)


def stamp_after(hours: int) -> str:
    """The timestamp so many hours later."""
    return format_timestamp(NOW + hours * HOUR)


def planned_event(hours: int) -> Event:
    """A decision to retry."""
    return event_of(EventType.RETRY_PLANNED, at=stamp_after(hours), policy_version="active")


def shadow_event(agrees: bool, **data: Any) -> Event:
    """The plan of the shadow policy."""
    return event_of(EventType.SHADOW_PLANNED, **{"policy_version": "other", "agrees": agrees} | data)


async def write_recovery(session: Session, invoice: str, *events: Event) -> None:
    """Stores a recovery with these rows behind its failure."""
    records = await event_log.append_to_log(session, blank_recovery(invoice), [failed_event()], NOW, NOW)
    await event_log.append_to_log(session, fold_records(blank_recovery(invoice), records), events, NOW, NOW)


async def test_shadow_plans_are_compared_by_action_and_delay(database: Database) -> None:
    async with database.begin() as session:
        await write_recovery(
            session, "in_same", planned_event(3), shadow_event(True, action="retry", at=stamp_after(3))
        )
        await write_recovery(
            session, "in_early", planned_event(3), shadow_event(False, action="retry", at=stamp_after(1))
        )
        await write_recovery(
            session, "in_late", planned_event(3), shadow_event(False, action="retry", at=stamp_after(7))
        )
        await write_recovery(
            session, "in_later", planned_event(3), shadow_event(False, action="retry", at=stamp_after(9))
        )
        await write_recovery(session, "in_none", planned_event(3), shadow_event(False, action="give_up"))
        await write_recovery(session, "in_alone", planned_event(3))
        comparisons = await compare_shadow(session, NOW - HOUR, NOW + HOUR)
        no_comparisons = await compare_shadow(session, NOW + HOUR, NOW + 2 * HOUR)
    assert comparisons.decisions == 6
    retried = Comparison(
        version="other",
        active="retry",
        shadow="retry",
        plans=4,
        agreeing=1,
        earlier=1,
        later=2,
        median_seconds=4 * 3600,
    )
    comparison = Comparison(version="other", active="retry", shadow="give_up", plans=1, agreeing=0, earlier=0, later=0)
    assert comparisons.comparisons == (retried, comparison)
    assert (no_comparisons.decisions, no_comparisons.comparisons) == (0, ())
