"""What went on lately: answers of providers, messages to customers."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select, text

from core.base import Value
from db.models import message
from db.session import Session

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
ANSWERS: Final = text("""
    SELECT provider,
           count(*) FILTER (WHERE type = 'charge.succeeded') AS succeeded,
           count(*) FILTER (WHERE type = 'charge.declined') AS declined,
           count(*) FILTER (WHERE type = 'charge.unknown') AS unknown,
           count(*) FILTER (WHERE recorded_at >= :lately) AS last_hour
    FROM event_log
    WHERE type IN ('charge.succeeded', 'charge.declined', 'charge.unknown') AND recorded_at >= :since
    GROUP BY provider ORDER BY provider
""")


class ProviderHealth(Value):
    """What a provider answered to our charges in a day."""

    provider: str
    succeeded: int
    declined: int
    unknown: int
    """No answer, or none that says what happened."""
    last_hour: int
    """How many of all these in the last hour."""


async def provider_health(session: Session, now: datetime) -> list[ProviderHealth]:
    """Every provider that was asked for money in the last 24 hours."""
    rows = await session.execute(ANSWERS, {"since": now - DAY, "lately": now - HOUR})
    return [ProviderHealth.model_validate(dict(row)) for row in rows.mappings()]


async def messages_sent(session: Session, since: datetime, until: datetime) -> int:
    """Messages to customers that a channel took in [since, until)."""
    sent = (message.c.state == "sent", message.c.ended_at >= since, message.c.ended_at < until)
    return int((await session.execute(select(func.count()).where(*sent))).scalar_one())
