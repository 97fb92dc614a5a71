"""Look-ups of recoveries by invoice, customer and payment in our own tables, and the write of late events."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core.ids import recovery_id
from core.notices import Audience
from core.notices import build_notices as notices_of
from core.payments import ProviderEvent
from core.recovery.outside_events import late_event
from core.recovery.reactions import react_to_event
from core.recovery.state import Recovery
from db.repositories import event_log, inbox, notices, recoveries
from db.repositories import inbox as arrivals
from db.session import Database

STARTING_PERIOD: Final = timedelta(days=1)
"""How long a stored failure without a log counts as a recovery that is about to start."""


@dataclass(frozen=True)
class OpenInvoice:
    """An invoice whose recovery is open, or about to start."""

    invoice_id: str
    subscription_id: str | None


class RecoveryStore:
    """Each method is one transaction and raises StoreUnavailable. Only `append_late` writes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_recovery(self, recovery_id: str) -> Recovery | None:
        """The recovery's state, folded from its log; None if it has no log."""
        async with self._database.begin() as session:
            return await event_log.load_recovery(session, recovery_id)

    async def find_opening_failure(self, provider: str, invoice_id: str) -> ProviderEvent | None:
        """The first failure of this invoice in the inbox, with which its recovery starts; None if there is none.

        An ignored failure (out of scope, older than what is known) does not count.
        """
        async with self._database.begin() as session:
            stored = await inbox.webhooks_of_invoice(session, provider, invoice_id)
        taken = (row.event for row in stored if row.event and row.outcome is not inbox.WebhookOutcome.IGNORED)
        return next((event for event in taken if event.opens_recovery), None)

    async def open_invoices(self, event: ProviderEvent, now: datetime) -> list[OpenInvoice]:
        """Every recovery of the event's customer that is open or about to start, each once; none without a customer."""
        if event.customer_id is None:
            return []
        async with self._database.begin() as session:
            rows = await recoveries.open_recoveries_of(session, event.provider, event.customer_id)
            coming = await arrivals.events_without_log(
                session, event.provider, event.customer_id, now - STARTING_PERIOD
            )
        aims = [OpenInvoice(row["invoice_id"], row["subscription_id"]) for row in rows]
        aims += [OpenInvoice(e.invoice_id, e.subscription_id) for e in coming if e.opens_recovery and e.invoice_id]
        return list({aim.invoice_id: aim for aim in reversed(aims)}.values())[::-1]

    async def resolve_owner(self, event: ProviderEvent) -> ProviderEvent | None:
        """The event with the invoice and customer of the payment that it names; None for a payment of no recovery."""
        named = (event.payment_id, event.charge_id)
        async with self._database.begin() as session:
            found = await recoveries.recoveries_by_charge(session, event.provider, [one for one in named if one])
        if not found:
            return None
        owner = {"invoice_id": found[0]["invoice_id"], "customer_id": event.customer_id or found[0]["customer_id"]}
        return event.model_copy(update=owner)

    async def append_late(self, invoice_id: str, event: ProviderEvent, now: datetime) -> bool:
        """Writes the event after the end of its recovery, with its notices.

        False, with nothing written, if the recovery has not ended or the event changes nothing.
        """
        name = recovery_id(event.provider, invoice_id)
        async with self._database.begin() as session:
            # Locked before the log is read: providers report one payment in several events at once, and its amount must
            # be counted by the first of them only.
            await event_log.lock_recovery(session, name)
            recovery = await event_log.load_recovery(session, name)
            if recovery is None or not recovery.stage.is_final or not react_to_event(recovery, event):
                return False
            row = late_event(recovery, event)
            record = await event_log.append_late(session, event.provider, invoice_id, row, now)
            if record:
                await notices.add_notices(session, notices_of(recovery, (record,), ALL_AUDIENCES))
        return True


ALL_AUDIENCES: Final = frozenset(Audience)
"""Notices are stored for every audience, since only the worker has the settings of the channels. Those of an audience
without a channel are dropped by the scheduled pass that sends notices.
"""
