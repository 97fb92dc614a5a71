"""The log as activities use it: one transaction per transition; a repeated write returns what is already there."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from core.card_networks.rules import Credential, LedgerEntry, NetworkRules
from core.events import Event, Record
from core.notices import Audience
from core.notices import build_notices as notices_of
from core.operators import Command
from core.payments import ProviderEvent
from core.recovery.reactions import opening_event
from core.recovery.state import Recovery
from db.repositories import event_log, inbox, network_attempts, notices, operator_signals
from db.repositories.event_log import Turn
from db.session import Database, Session

ReservationRule = Callable[[Sequence[LedgerEntry]], Event]
"""From the attempts of a card that count, the event to write: `charge.requested`, or the reason for no charge."""
DecisionRule = Callable[[Sequence[LedgerEntry]], Awaitable[Sequence[Event]]]
"""From the attempts of a card that count, the events of a decision."""
OpeningRule = Callable[[Sequence[ProviderEvent]], Sequence[Event]]
"""From what the inbox holds of invoice and customer, oldest first each, the events that open the recovery."""


class OpenedLog(NamedTuple):
    """A log as found or begun."""

    records: tuple[Record, ...]
    commands: tuple[Command, ...]
    """The stored operator commands that the log doesn't show yet."""


class RecoveryLog(Protocol):
    """Appends transitions and reads them back.

    Every method raises StoreUnavailable. After a lost COMMIT the rows may be there all the same, so a write is repeated
    with the same `before` until it returns.
    """

    async def open_log(
        self, new: Recovery, failure: ProviderEvent | None, events_for: OpeningRule, now: datetime
    ) -> OpenedLog:
        """The log of this recovery; without one, begins it with the events that `events_for` makes.

        Nothing is written without a failure. Raises InvalidInput for data that can't be stored.
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

    async def append_decision(
        self, before: Recovery, card: Credential, rules: NetworkRules, events_for: DecisionRule, now: datetime
    ) -> tuple[Record, ...]:
        """Writes the events that `events_for` makes of this card's attempts; returns and raises as `append_events`.

        What it decides from is no reservation: each charge counts again.
        """

    async def load_since(self, before: Recovery) -> tuple[Record, ...]:
        """The records written after `before`, in order; empty where there are none."""


class StoredRecoveryLog:
    """The log in PostgreSQL. Notices for `audiences` are stored with the rows that they report."""

    def __init__(self, database: Database, audiences: frozenset[Audience] = frozenset()) -> None:
        self._database = database
        self._audiences = audiences

    async def open_log(
        self, new: Recovery, failure: ProviderEvent | None, events_for: OpeningRule, now: datetime
    ) -> OpenedLog:
        """See `RecoveryLog.open_log`."""
        async with self._database.begin() as session:
            turn = await event_log.take_turn(session, new, opening_event(failure) if failure else None)
            records = turn.written
            if failure and not records:
                stored = await inbox.webhooks_about(session, new.provider, new.invoice_id, failure.customer_id)
                events = events_for([row.event for row in stored if row.event])
                records = await self._write_rows(session, turn, events, now)
            # In the transaction that takes the turn: a run that begins here hears of every command stored by now.
            commands = await operator_signals.load_undelivered(session, new.recovery_id)
            return OpenedLog(records, tuple(commands))

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
            turn = await event_log.take_turn(session, before)
            # Read after the lock is held: this statement sees what the previous holder committed.
            attempts = () if turn.written else await network_attempts.load_attempts(session, card, rules, now)
            events = () if turn.written else (event_for(attempts),)
            return await self._write_rows(session, turn, events, now)

    async def append_decision(
        self, before: Recovery, card: Credential, rules: NetworkRules, events_for: DecisionRule, now: datetime
    ) -> tuple[Record, ...]:
        """See `RecoveryLog.append_decision`."""
        async with self._database.begin() as session:
            turn = await event_log.take_turn(session, before)
            attempts = () if turn.written else await network_attempts.load_attempts(session, card, rules, now)
            events = () if turn.written else await events_for(attempts)
            return await self._write_rows(session, turn, events, now)

    async def _write_rows(
        self, session: Session, turn: Turn, events: Sequence[Event], now: datetime
    ) -> tuple[Record, ...]:
        """The rows that are there already, or these events as rows; nothing is written behind what wasn't known."""
        records = turn.written or await event_log.write_rows(session, turn, events, now)
        return await self._publish_records(session, turn.before, records, now)

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

    async def load_since(self, before: Recovery) -> tuple[Record, ...]:
        """See `RecoveryLog.load_since`."""
        async with self._database.begin() as session:
            return await event_log.load_records(session, before.recovery_id, first=before.sequence + 1)
