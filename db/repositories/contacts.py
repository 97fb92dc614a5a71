"""Contact data of customers: read anew before each message, blanked on request, joined to nothing."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.messages.recipients import Contact, ContactUpdate
from db import chain
from db.models import contact as table
from db.models import recovery
from db.session import Session

PERSONAL_COLUMNS: Final = ("email", "name", "phone", "language", "country", "time_zone")


async def save_contact(
    session: Session, provider: str, customer_id: str, invoice_id: str, contact: Contact, now: datetime
) -> None:
    """What the provider says now, with link and number of this invoice. An erased customer stays erased."""
    said = _contact_values(contact)
    of_invoice = {"links": contact.link, "invoice_numbers": contact.invoice_number}
    added = {name: {invoice_id: chain.replace_unstorable(text)} if text else {} for name, text in of_invoice.items()}
    fresh = insert(table).values(provider=provider, customer_id=customer_id, read_at=now, **added, **said)
    merged = {name: table.c[name].op("||")(fresh.excluded[name]) for name in added} | {"read_at": now, **said}
    known = [table.c.provider, table.c.customer_id]
    await session.execute(
        fresh.on_conflict_do_update(index_elements=known, set_=merged, where=table.c.erased_at.is_(None))
    )


async def learn_contacts(session: Session, provider: str, people: Iterable[ContactUpdate], now: datetime) -> None:
    """What a webhook says of customers: added to what is known, never in its place where it says nothing.

    In one order whoever writes them, so that two batches about the same customers don't wait for each other in a ring.
    """
    for told in sorted(people, key=lambda one: one.customer_id):
        said = {name: text for name, text in _contact_values(told.contact).items() if text}
        row = {"provider": provider, "customer_id": told.customer_id, "links": {}, "read_at": now, **said}
        known = [table.c.provider, table.c.customer_id]
        await session.execute(
            insert(table)
            .values(row)
            .on_conflict_do_update(
                index_elements=known, set_={"read_at": now, **said}, where=table.c.erased_at.is_(None)
            )
        )


def _contact_values(contact: Contact) -> dict[str, str | None]:
    """Somebody else's texts, without what PostgreSQL can't hold."""
    told = contact.model_dump(include=set(PERSONAL_COLUMNS), exclude_none=True)
    return dict.fromkeys(PERSONAL_COLUMNS) | {name: chain.replace_unstorable(text) for name, text in told.items()}


async def load_contact(session: Session, provider: str, customer_id: str, invoice_id: str) -> Contact | None:
    """Whom to write to about this invoice; None where nobody is known, or once they were erased."""
    link = table.c.links[invoice_id].astext.label("link")
    number = table.c.invoice_numbers[invoice_id].astext.label("invoice_number")
    mine = (table.c.provider == provider, table.c.customer_id == customer_id, table.c.erased_at.is_(None))
    found = (
        (await session.execute(select(*(table.c[name] for name in PERSONAL_COLUMNS), link, number).where(*mine)))
        .mappings()
        .first()
    )
    return Contact.model_validate(dict(found)) if found else None


async def erase_contact(session: Session, customer_id: str, now: datetime) -> int:
    """Blanks the contact, and keeps a mark so that it is never read again. Returns how many were blanked.

    A customer with open recoveries whose contact was never read gets the mark too.
    """
    blank = dict.fromkeys(PERSONAL_COLUMNS) | {"links": {}, "invoice_numbers": {}, "erased_at": now}
    mine = (table.c.customer_id == customer_id, table.c.erased_at.is_(None))
    done = await session.execute(update(table).where(*mine).values(blank))
    theirs = select(recovery.c.provider, recovery.c.customer_id, func.now(), func.now()).distinct()
    marks = insert(table).from_select(
        ["provider", "customer_id", "read_at", "erased_at"], theirs.where(recovery.c.customer_id == customer_id)
    )
    await session.execute(marks.on_conflict_do_nothing())
    return done.rowcount
