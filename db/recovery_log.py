"""The log as activities use it: one transaction per transition, a repeat finds what is written."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from core.card_networks.rules import Credential, LedgerEntry, NetworkRules
from core.events import Event, Record
from core.notices import Audience
from core.notices import build_notices as notices_of
from core.recovery.state import Recovery
from db.repositories import event_log, network_attempts, notices
from db.session import Database, Session

ReservationRule = Callable[[Sequence[LedgerEntry]], Event]
"""Of the tries of a card, the row to write: the next charge, or what speaks against it."""


class RecoveryLog(Protocol):
    """Appends transitions and reads them back. Raises StoreUnavailable; then nothing was written."""

    async def append_events(self, before: Recovery, events: Sequence[Event], now: datetime) -> tuple[Record, ...]:
        """These events behind `before`, or, where something is written there already, that and nothing else."""

    async def reserve_attempt(
        self, before: Recovery, card: Credential, rules: NetworkRules, verdict: ReservationRule, now: datetime
    ) -> tuple[Record, ...]:
        """What `verdict` says to this card's tries so far, as `append`; nobody else reserves a try of it meanwhile."""

    async def load_attempts(self, card: Credential, rules: NetworkRules, now: datetime) -> tuple[LedgerEntry, ...]:
        """The tries of this card that count for the next one, oldest first."""

    async def load_since(self, before: Recovery) -> tuple[Record, ...]:
        """What is written behind `before`."""

    async def load_all(self, recovery_id: str) -> tuple[Record, ...]:
        """The whole log of one recovery."""


class StoredRecoveryLog:
    """The log in PostgreSQL."""

    def __init__(self, database: Database, audiences: frozenset[Audience] = frozenset()) -> None:
        self._database = database
        self._audiences = audiences

    async def append_events(self, before: Recovery, events: Sequence[Event], now: datetime) -> tuple[Record, ...]:
        """These events behind `before`, or, where something is written there already, that and nothing else."""
        async with self._database.begin() as session:
            return await self._add_notices(session, before, await event_log.append_to_log(session, before, events, now))

    async def reserve_attempt(
        self, before: Recovery, card: Credential, rules: NetworkRules, verdict: ReservationRule, now: datetime
    ) -> tuple[Record, ...]:
        """The card is locked before the recovery is, and nothing ever waits for a card while it holds a recovery."""
        async with self._database.begin() as session:
            await network_attempts.lock_card(session, card)
            event = verdict(await network_attempts.load_attempts(session, card, rules, now))
            return await self._add_notices(
                session, before, await event_log.append_to_log(session, before, (event,), now)
            )

    async def _add_notices(self, session: Session, before: Recovery, records: tuple[Record, ...]) -> tuple[Record, ...]:
        """The rows; what others are to hear of them is kept in the same transaction."""
        if self._audiences:
            await notices.add_notices(session, notices_of(before, records, self._audiences))
        return records

    async def load_attempts(self, card: Credential, rules: NetworkRules, now: datetime) -> tuple[LedgerEntry, ...]:
        """The tries of this card that count for the next one, oldest first."""
        async with self._database.begin() as session:
            return await network_attempts.load_attempts(session, card, rules, now)

    async def load_since(self, before: Recovery) -> tuple[Record, ...]:
        """What is written behind `before`."""
        async with self._database.begin() as session:
            return await event_log.load_records(session, before.recovery_id, first=before.sequence + 1)

    async def load_all(self, recovery_id: str) -> tuple[Record, ...]:
        """The whole log of one recovery."""
        async with self._database.begin() as session:
            return await event_log.load_records(session, recovery_id)
