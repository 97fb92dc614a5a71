"""The log without a database: same promises as `activities.log.Log`, for tests of what happens above it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from activities.log import Judgement
from core.errors import StoreUnavailable
from core.events import Event, Record
from core.retry.ledger import entries
from core.retry.machine import place_all
from core.retry.network_rules import Credential, LedgerEntry, NetworkRules, Spent
from core.retry.recovery import Recovery


class MemoryLog:
    """Rows by recovery; what is written is what is returned, also to a repeat."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Record]] = {}
        self.ledger: dict[tuple[str, str], LedgerEntry] = {}
        self.failures = 0
        """How many of the next appends fail, as when the database is away."""
        self.hangs = 0
        """How many of the next appends hang for longer than a local activity may take."""

    async def append(self, before: Recovery, events: Sequence[Event], now: datetime) -> tuple[Record, ...]:
        """These events behind `before`, or what is there already."""
        await self._trouble()
        if written := await self.since(before):
            return written
        _, records = place_all(before, events, now)
        self.rows.setdefault(before.recovery_id, []).extend(records)
        self._note(before, records)
        return records

    def _note(self, before: Recovery, records: Sequence[Record]) -> None:
        for entry in entries(before, records):
            known = self.ledger.get((entry.recovery_id, entry.key))
            kept = {"fingerprint": entry.fingerprint or (known and known.fingerprint) or None}
            kept |= {"network": entry.network or (known and known.network) or None}
            self.ledger[entry.recovery_id, entry.key] = entry.model_copy(update=kept)

    async def reserve(
        self, before: Recovery, card: Credential, rules: NetworkRules, verdict: Judgement, now: datetime
    ) -> tuple[Record, ...]:
        """What the verdict says to the tries so far, as append."""
        return await self.append(before, (verdict(await self.tries(card, rules, now)),), now)

    async def tries(self, card: Credential, _: NetworkRules, __: datetime) -> tuple[LedgerEntry, ...]:
        """The tries of this card, oldest first."""
        mine = [one for one in self.ledger.values() if _is_of(one, card) and one.outcome is not Spent.HELD]
        return tuple(sorted(mine, key=lambda one: one.at))

    async def _trouble(self) -> None:
        if self.hangs:
            self.hangs -= 1
            await asyncio.sleep(5)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("scripted: away")

    async def since(self, before: Recovery) -> tuple[Record, ...]:
        """What is written behind `before`."""
        return tuple(r for r in self.rows.get(before.recovery_id, []) if r.sequence > before.sequence)

    async def all(self, recovery_id: str) -> tuple[Record, ...]:
        """The whole log of one recovery."""
        return tuple(self.rows.get(recovery_id, []))


def _is_of(one: LedgerEntry, card: Credential) -> bool:
    if card.fingerprint is None:
        return one.recovery_id == card.recovery_id and one.fingerprint is None
    return (one.provider, one.fingerprint) == (card.provider, card.fingerprint)
