"""Appends as a worker makes them: an open recovery's charge is requested, then declined and planned anew."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text

from core.events import Event, EventType, format_timestamp
from core.recovery import machine
from core.recovery.state import Recovery
from db.recovery_log import StoredRecoveryLog
from db.repositories import event_log
from db.session import Database

WAITING: Final = text("""
    SELECT recovery_id FROM recovery WHERE state = 'waiting' ORDER BY random() LIMIT :most
""")
CARD: Final = {"brand": "visa", "country": "DE", "funding": "debit", "last4": "4242"}


class OpenRecoveries:
    """Random waiting recoveries of one database, read long before they are appended to, as a worker has them."""

    def __init__(self, recoveries: Sequence[Recovery]) -> None:
        self._waiting = deque(recoveries)

    @classmethod
    async def load(cls, database: Database, most: int) -> "OpenRecoveries":
        """So many of them; fewer where there are fewer."""
        async with database.begin() as session:
            names = [*(await session.execute(WAITING, {"most": most})).scalars()]
            found = [await event_log.load_recovery(session, name) for name in names]
        return cls([one for one in found if one])

    async def charge_next(self, log: StoredRecoveryLog, now: datetime) -> None:
        """Two transitions of the next recovery, of one and of four rows."""
        recovery = self._waiting.popleft()
        for events in (_request(recovery, now), _decline(now)):
            recovery = machine.fold_records(recovery, await log.append_events(recovery, events, now))
        self._waiting.append(recovery)


def _event(kind: EventType, now: datetime, **data: Any) -> Event:
    return Event(type=kind, occurred_at=now, data=data)


def _request(recovery: Recovery, now: datetime) -> tuple[Event, ...]:
    key = f"{recovery.recovery_id}-{recovery.sequence}"
    return (
        _event(
            EventType.CHARGE_REQUESTED, now, trigger="scheduled", idempotency_key=key, amount=recovery.amount,
            currency=recovery.currency,
        ),
    )  # fmt: skip


def _decline(now: datetime) -> tuple[Event, ...]:
    later = format_timestamp(now + timedelta(hours=3))
    failure = {"code": "card_declined", "decline_code": "generic_decline", "message": "Your card was declined."}
    return (
        _event(EventType.CHARGE_DECLINED, now, charge_id="ch_declined", failure=failure),
        _event(EventType.FAILURE_CLASSIFIED, now, category="SOFT_DECLINE", cause="GENERIC", code="generic_decline",
               source="stripe", failure=failure, card=CARD),
        _event(EventType.FRAUD_ASSESSED, now, level="clear"),
        _event(EventType.RETRY_PLANNED, now, at=later, strategy="fixed_ladder", policy_version="0" * 12),
    )  # fmt: skip
