"""Rows that need no decision: the opening, and what somebody said."""

from collections.abc import Awaitable, Callable

from temporalio import activity

from activities.log import Log
from core.contracts import Opened, OpenInput, RecordInput, Written
from core.ids import recovery_id
from core.retry.reactions import opening
from core.retry.recovery import Recovery


class Recording:
    """Writes rows. `searchable` tells which search attributes the namespace knows."""

    def __init__(self, log: Log, searchable: Callable[[], Awaitable[tuple[str, ...]]]) -> None:
        self._log = log
        self._searchable = searchable

    @activity.defn
    async def open_recovery(self, known: OpenInput) -> Opened:
        """The log of this recovery; where there is none yet, begun with the failure, if one is known."""
        records = await self._log.all(recovery_id(known.provider, known.invoice_id))
        if not records and known.event:
            new = Recovery(provider=known.provider, invoice_id=known.invoice_id)
            records = await self._log.append(new, (opening(known.event),), known.now)
        return Opened(records=records, search_attributes=await self._searchable())

    @activity.defn
    async def record_events(self, rows: RecordInput) -> Written:
        """These events in the log, and the closing one behind them where they end the recovery."""
        return Written(records=await self._log.append(rows.recovery, rows.events, rows.now))
