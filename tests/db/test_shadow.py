"""Shadow plans counted beside the decisions they stand behind."""

from datetime import timedelta
from typing import Any

from core.events import Event, EventType, stamp
from core.retry.machine import fold
from db.repositories import event_log
from db.repositories.shadow import Comparison, compared
from db.session import Database, Session
from tests.db.stories import NOW, blank, event, failed

HOUR = timedelta(hours=1)


def at(hours: int) -> str:
    """So many hours later."""
    return stamp(NOW + hours * HOUR)


def planned(hours: int) -> Event:
    """A decision to try again."""
    return event(EventType.RETRY_PLANNED, at=at(hours), policy_version="active")


def shadow(agrees: bool, **data: Any) -> Event:
    """What the other one would do."""
    return event(EventType.SHADOW_PLANNED, **{"policy_version": "other", "agrees": agrees} | data)


async def told(session: Session, invoice: str, *events: Event) -> None:
    """A recovery with these rows behind its failure."""
    written = await event_log.append(session, blank(invoice), [failed()], NOW)
    await event_log.append(session, fold(blank(invoice), written), events, NOW)


async def test_plans_are_counted_by_what_both_do_and_by_how_much_they_move(database: Database) -> None:
    async with database.begin() as session:
        await told(session, "in_same", planned(3), shadow(True, action="retry", at=at(3)))
        await told(session, "in_early", planned(3), shadow(False, action="retry", at=at(1)))
        await told(session, "in_late", planned(3), shadow(False, action="retry", at=at(7)))
        await told(session, "in_later", planned(3), shadow(False, action="retry", at=at(9)))
        await told(session, "in_none", planned(3), shadow(False, action="give_up"))
        await told(session, "in_alone", planned(3))
        found = await compared(session, NOW - HOUR, NOW + HOUR)
        nothing = await compared(session, NOW + HOUR, NOW + 2 * HOUR)
    assert found.decisions == 6
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
    ended = Comparison(version="other", active="retry", shadow="give_up", plans=1, agreeing=0, earlier=0, later=0)
    assert found.comparisons == (retried, ended)
    assert (nothing.decisions, nothing.comparisons) == (0, ())
