"""Whether somebody works: a provider's queue that no worker polls makes recoveries wait in silence."""

from collections.abc import Iterable
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from core.errors import EngineUnavailable
from core.messages.notices import Audience, Notice, NoticeTopic
from db.repositories import notices
from db.session import Database
from intake.recoveries import Recoveries


async def report_idle_queues(db: Database, recoveries: Recoveries, providers: Iterable[str], now: datetime) -> None:
    """Tell operators, once a day and queue, of these providers' queues that nobody polls."""
    idle = [provider for provider in sorted(set(providers)) if not await _is_polled(recoveries, provider)]
    if idle:
        async with db.begin() as session:
            await notices.add_notices(session, [_idle_queue_notice(provider, now) for provider in idle])


async def _is_polled(recoveries: Recoveries, provider: str) -> bool:
    """Of a queue that can't be asked for, nothing bad is said."""
    try:
        return await recoveries.is_polled(provider)
    except EngineUnavailable:
        return True


def _idle_queue_notice(provider: str, now: datetime) -> Notice:
    why = f"no worker polls the queue charges-{provider}: its recoveries wait, and nothing is read or charged"
    return Notice(
        id=uuid5(NAMESPACE_URL, f"pri:idle:{provider}:{now.date()}"),
        audience=Audience.OPERATORS,
        topic=NoticeTopic.CONFIGURATION,
        occurred_at=now,
        data={"provider": provider, "why": why},
    )
