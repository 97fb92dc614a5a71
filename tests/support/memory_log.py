"""The event log in memory: the same promises as `db.recovery_log.Log`, for tests of the layers above."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from core.card_networks.rules import AttemptOutcome, Credential, LedgerEntry, NetworkRules
from core.errors import StoreUnavailable
from core.events import Event, Record
from core.operators import Command
from core.payments import ProviderEvent
from core.recovery.machine import append_events
from core.recovery.network_ledger import build_ledger_entries
from core.recovery.state import Recovery
from db.recovery_log import DecisionRule, OpenedLog, OpeningRule, ReservationRule


class MemoryLog:
    """Rows by recovery; a repeated append returns the rows that are already written."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Record]] = {}
        self.ledger: dict[tuple[str, str], LedgerEntry] = {}
        self.inbox: list[ProviderEvent] = []
        """What the inbox holds of the invoice and its customer."""
        self.commands: dict[str, list[Command]] = {}
        """Stored operator commands by recovery."""
        self.failures = 0
        """How many of the next appends fail, as when the database is away."""
        self.hangs = 0
        """How many of the next appends hang for longer than a local activity may take."""

    async def open_log(
        self, new: Recovery, failure: ProviderEvent | None, events_for: OpeningRule, now: datetime
    ) -> OpenedLog:
        """The log, begun with these events where there is none."""
        records = await self.load_all(new.recovery_id)
        if failure and not records:
            records = await self.append_events(new, events_for(self.inbox), now)
        return OpenedLog(records, tuple(self.commands.get(new.recovery_id, ())))

    async def append_events(self, before: Recovery, events: Sequence[Event], now: datetime) -> tuple[Record, ...]:
        """Appends the events behind `before`; returns the rows that are there already, if any."""
        await self._fail_if_scripted()
        if written := await self.load_since(before):
            return written
        _, records = append_events(before, events, now)
        self.rows.setdefault(before.recovery_id, []).extend(records)
        self._record_attempts(before, records)
        return records

    def _record_attempts(self, before: Recovery, records: Sequence[Record]) -> None:
        for entry in build_ledger_entries(before, records):
            earlier_entry = self.ledger.get((entry.recovery_id, entry.key))
            update = {"fingerprint": entry.fingerprint or (earlier_entry and earlier_entry.fingerprint) or None}
            update |= {"network": entry.network or (earlier_entry and earlier_entry.network) or None}
            self.ledger[entry.recovery_id, entry.key] = entry.model_copy(update=update)

    async def reserve_attempt(
        self, before: Recovery, card: Credential, rules: NetworkRules, event_for: ReservationRule, now: datetime
    ) -> tuple[Record, ...]:
        """Appends the event that `event_for` makes of the card's tries so far."""
        return await self.append_events(before, (event_for(await self.load_attempts(card, rules, now)),), now)

    async def append_decision(
        self, before: Recovery, card: Credential, rules: NetworkRules, events_for: DecisionRule, now: datetime
    ) -> tuple[Record, ...]:
        """Appends the events that `events_for` makes of the card's tries so far."""
        if written := await self.load_since(before):
            return written
        return await self.append_events(before, await events_for(await self.load_attempts(card, rules, now)), now)

    async def load_attempts(self, card: Credential, _: NetworkRules, __: datetime) -> tuple[LedgerEntry, ...]:
        """The tries of this card, oldest first."""
        attempts = [
            entry
            for entry in self.ledger.values()
            if _is_same_card(entry, card) and entry.outcome is not AttemptOutcome.HELD
        ]
        return tuple(sorted(attempts, key=lambda entry: entry.at))

    async def _fail_if_scripted(self) -> None:
        if self.hangs:
            self.hangs -= 1
            await asyncio.sleep(5)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("scripted: away")

    async def load_since(self, before: Recovery) -> tuple[Record, ...]:
        """The rows behind `before`."""
        return tuple(r for r in self.rows.get(before.recovery_id, []) if r.sequence > before.sequence)

    async def load_all(self, recovery_id: str) -> tuple[Record, ...]:
        """All rows of one recovery."""
        return tuple(self.rows.get(recovery_id, []))


def _is_same_card(entry: LedgerEntry, card: Credential) -> bool:
    if card.fingerprint is None:
        return entry.recovery_id == card.recovery_id and entry.fingerprint is None
    return (entry.provider, entry.fingerprint) == (card.provider, card.fingerprint)
