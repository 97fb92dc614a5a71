"""A queue that nobody polls is told to operators, once, where recoveries wait for it."""

from datetime import timedelta

from sqlalchemy import select

from core.errors import EngineUnavailable
from core.notices import NoticeTopic
from db.models import notice
from db.session import Database
from intake.lost_runs import report_idle_queues
from tests.intake.fakes import NOW, FakeRecoveries


async def waiting_topics(database: Database, provider: str) -> list[str]:
    """The topics of the notices that wait about this provider."""
    async with database.begin() as session:
        rows = await session.execute(select(notice.c.topic).where(notice.c.data["provider"].astext == provider))
        return list(rows.scalars())


async def test_an_idle_queue_is_reported_once(database: Database, recoveries: FakeRecoveries) -> None:
    recoveries.idle = {"idle_one"}
    for minute in range(3):
        now = NOW + timedelta(minutes=minute)
        await report_idle_queues(database, recoveries, ["idle_one", "busy_one", "idle_one"], now)
    assert await waiting_topics(database, "idle_one") == [NoticeTopic.CONFIGURATION]
    assert await waiting_topics(database, "busy_one") == []


async def test_unreachable_temporal_reports_no_idle_queue(database: Database, recoveries: FakeRecoveries) -> None:
    recoveries.error = EngineUnavailable("away")
    await report_idle_queues(database, recoveries, ["unasked_one"], NOW)
    assert await waiting_topics(database, "unasked_one") == []
