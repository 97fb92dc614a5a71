"""Webhooks on their way to a recovery that has no log yet."""

from datetime import datetime

from sqlalchemy import exists, select

from core.payments import ProviderEvent
from db.models import recovery
from db.models import webhook_inbox as table
from db.session import Session


async def events_without_log(session: Session, provider: str, customer_id: str, since: datetime) -> list[ProviderEvent]:
    """Events about invoices of this customer that no recovery has written about yet, oldest first."""
    written = exists().where(recovery.c.provider == table.c.provider, recovery.c.invoice_id == table.c.invoice_id)
    mine = (table.c.provider == provider, table.c.customer_id == customer_id, table.c.received_at > since)
    named = (table.c.invoice_id.is_not(None), table.c.event.is_not(None))
    taken = table.c.outcome.is_distinct_from("ignored")
    found = await session.execute(
        select(table.c.event).where(*mine, *named, taken, ~written).order_by(table.c.received_at)
    )
    return [ProviderEvent.model_validate(event) for event in found.scalars()]
