"""Blanks personal data that is older than it is kept. The log, ids and codes stay."""

from datetime import datetime, timedelta
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, Table, TextClause, or_, select, text, tuple_, update

from core.base import Value
from core.contracts import RetentionReport
from db.models import contact, customer_identity, recovery, webhook_inbox
from db.personal_data import Content, columns_with
from db.session import Database


class KeptFor(Value):
    """How long personal data is kept; None: until somebody erases it."""

    bodies: timedelta | None = None
    """From the arrival of the webhook."""
    contacts: timedelta | None = None
    """From the last read of the contact, or the end of the customer's last recovery if that is later."""

    @classmethod
    def from_days(cls, bodies: int, contacts: int) -> Self:
        """From whole days; 0 keeps."""
        return cls(bodies=timedelta(bodies) or None, contacts=timedelta(contacts) or None)


KEPT_FOR_EVER: Final = KeptFor()
_HAS_BODY: Final = text("body <> ''")
"""Spelled as in the partial index, which PostgreSQL then uses."""
_FILLED_CONTACT: Final = or_(
    *(contact.c[name].is_not(None) for name in columns_with(Content.ERASED)["contact"] if contact.c[name].nullable),
    contact.c.links != {},
    contact.c.invoice_numbers != {},
)
_BLANK_CONTACT: Final[dict[str, Any]] = {
    name: None if contact.c[name].nullable else {} for name in columns_with(Content.ERASED)["contact"]
}


async def apply_retention(database: Database, kept_for: KeptFor, now: datetime, limit: int) -> RetentionReport:
    """Blanks everything that is due, `limit` rows per transaction. Raises StoreUnavailable."""
    bodies = contacts = originals = 0
    if kept_for.bodies:
        old = (webhook_inbox.c.received_at < now - kept_for.bodies, _HAS_BODY)
        # What isn't delivered yet may still be needed to see why.
        due = (*old, webhook_inbox.c.delivered_at.is_not(None))
        key = (webhook_inbox.c.provider, webhook_inbox.c.event_id)
        bodies = await _blank_rows(database, webhook_inbox, key, due, {"body": b""}, limit)
    if kept_for.contacts:
        since = now - kept_for.contacts
        unneeded = (contact.c.read_at < since, _FILLED_CONTACT, ~_has_recovery(contact, since))
        key = (contact.c.provider, contact.c.customer_id)
        contacts = await _blank_rows(database, contact, key, unneeded, _BLANK_CONTACT, limit)
        identity = customer_identity
        unseen = (identity.c.seen_at < since, identity.c.original.is_not(None), ~_has_recovery(identity, since))
        originals = await _blank_rows(database, identity, (identity.c.customer_id,), unseen, {"original": None}, limit)
    return RetentionReport(bodies=bodies, contacts=contacts, originals=originals)


def _has_recovery(owner: Table, since: datetime) -> ColumnElement[bool]:
    """Whether the customer has a recovery that is open, or that ended after `since`."""
    mine = [recovery.c.customer_id == owner.c.customer_id]
    if "provider" in owner.c:
        mine.append(recovery.c.provider == owner.c.provider)
    lately = or_(recovery.c.closed_at.is_(None), recovery.c.closed_at >= since)
    return select(recovery.c.recovery_id).where(*mine, lately).exists()


async def _blank_rows(
    database: Database,
    table: Table,
    key: tuple[ColumnElement[Any], ...],
    due: tuple[ColumnElement[bool] | TextClause, ...],
    blank: dict[str, Any],
    limit: int,
) -> int:
    """Blanks all rows that are due, in short transactions; returns how many."""
    done = 0
    while True:
        async with database.begin() as session:
            some = select(*key).where(*due).limit(limit).with_for_update(skip_locked=True)
            found = (await session.execute(update(table).where(tuple_(*key).in_(some)).values(blank))).rowcount
        done += found
        if found < limit:
            return done
