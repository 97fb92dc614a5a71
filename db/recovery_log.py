"""The log as activities use it: one transaction per transition; a repeated write returns what is already there."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from core.card_networks.rules import Credential, LedgerEntry, NetworkRules
from core.events import Event, Record
from core.notices import Audience
from core.notices import build_notices as notices_of
from core.recovery.state import Recovery
from db.repositories import event_log, inbox, network_attempts, notices
from db.session import Database, Session

ReservationRule = Callable[[Sequence[LedgerEntry]], Event]
"""From the attempts of a card that count, the event to write: `charge.requested`, or the reason for no charge."""


class RecoveryLog(Protocol):
    """Appends transitions and reads them back.

    Every method raises StoreUnavailable. After a lost COMMIT the rows may be there all the same, so a write is repeated
    with the same `before` until it returns.
    """

    async def append_events(self, before: Recovery, events: Sequence[Event], now: datetime) -> tuple[Record, ...]:
        """Writes these events after `before` and returns their records, a closing row included.

        Where rows exist after `before` already, returns those and writes nothing: an earlier execution committed them.
        Raises InvalidInput for data that can't be stored, RecoveryError where the log ends before `before` does.
        """

    async def reserve_attempt(
        self, before: Recovery, card: Credential, rules: NetworkRules, event_for: ReservationRule, now: datetime
    ) -> tuple[Record, ...]:
        """Writes the event that `event_for` makes of this card's attempts; returns and raises as `append_events`.

        Reservations of one card run one after another, over all its invoices, so that two of them never pass a network
        limit that has room for one.
        """

    async def load_attempts(self, card: Credential, rules: NetworkRules, now: datetime) -> tuple[LedgerEntry, ...]:
        """The attempts of this card that count for the next one, oldest first."""

    async def load_since(self, before: Recovery) -> tuple[Record, ...]:
        """The records written after `before`, in order; empty where there are none."""

    async def load_all(self, recovery_id: str) -> tuple[Record, ...]:
        """All records of one recovery, in order; empty where there are none."""


class StoredRecoveryLog:
    """The log in PostgreSQL. Notices for `audiences` are stored with the rows that they report."""

    def __init__(self, database: Database, audiences: frozenset[Audience] = frozenset()) -> None:
        self._database = database
        self._audiences = audiences

    async def append_events(self, before: Recovery, events: Sequence[Event], now: datetime) -> tuple[Record, ...]:
        """See `RecoveryLog.append_events`."""
        async with self._database.begin() as session:
            records = await event_log.append_to_log(session, before, events, now)
            return await self._publish_records(session, before, records, now)

    async def reserve_attempt(
        self, before: Recovery, card: Credential, rules: NetworkRules, event_for: ReservationRule, now: datetime
    ) -> tuple[Record, ...]:
        """See `RecoveryLog.reserve_attempt`."""
        async with self._database.begin() as session:
            # Always the card before the recovery: a transaction that waited for a card while it held a recovery could
            # deadlock with this one.
            await network_attempts.lock_card(session, card)
            # Read after the lock is held: this statement sees what the previous holder committed.
            event = event_for(await network_attempts.load_attempts(session, card, rules, now))
            records = await event_log.append_to_log(session, before, (event,), now)
            return await self._publish_records(session, before, records, now)

    async def _publish_records(
        self, session: Session, before: Recovery, records: tuple[Record, ...], now: datetime
    ) -> tuple[Record, ...]:
        """The rows. In their transaction, the webhooks that they record are delivered and notices about them stored."""
        if event_ids := [one for record in records if isinstance(one := record.data.stored.get("event_id"), str)]:
            await inbox.conclude_recorded(
                session, before.provider, before.invoice_id, event_ids, before.recovery_id, now
            )
        if self._audiences:
            await notices.add_notices(session, notices_of(before, records, self._audiences))
        return records

    async def load_attempts(self, card: Credential, rules: NetworkRules, now: datetime) -> tuple[LedgerEntry, ...]:
        """See `RecoveryLog.load_attempts`."""
        async with self._database.begin() as session:
            return await network_attempts.load_attempts(session, card, rules, now)

    async def load_since(self, before: Recovery) -> tuple[Record, ...]:
        """See `RecoveryLog.load_since`."""
        async with self._database.begin() as session:
            return await event_log.load_records(session, before.recovery_id, first=before.sequence + 1)

    async def load_all(self, recovery_id: str) -> tuple[Record, ...]:
        """See `RecoveryLog.load_all`."""
        async with self._database.begin() as session:
            return await event_log.load_records(session, recovery_id)
