"""Contact data of customers: the one table of personal data besides webhook bodies; blanked on request."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import func, select, union, update
from sqlalchemy.dialects.postgresql import insert

from core.messages.recipients import Contact, ContactUpdate
from db import chain
from db.models import contact as table
from db.models import recovery, webhook_inbox
from db.session import Session

PERSONAL_COLUMNS: Final = ("email", "name", "phone", "language", "country", "time_zone")


async def save_contact(
    session: Session, provider: str, customer_id: str, invoice_id: str, contact: Contact, now: datetime
) -> None:
    """Replaces the customer's contact by what the provider says now, and adds link and number of this invoice.

    Without effect for an erased customer.
    """
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
    """Adds what a webhook says of customers; a field that it leaves out keeps the known value.

    Without effect for an erased customer.
    """
    # In one order for every writer: two batches about the same customers would deadlock otherwise.
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
    """All personal columns of a contact, without characters that PostgreSQL can't hold; None where it says nothing."""
    told = contact.model_dump(include=set(PERSONAL_COLUMNS), exclude_none=True)
    return dict.fromkeys(PERSONAL_COLUMNS) | {name: chain.replace_unstorable(text) for name, text in told.items()}


async def load_contact(session: Session, provider: str, customer_id: str, invoice_id: str) -> Contact | None:
    """The contact for messages about this invoice; None if it is not known or was erased."""
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
    """Blanks the customer's contact at every provider; returns how many rows were blanked.

    The row stays as a mark, so that the contact is never stored again. A customer with recoveries whose contact was
    never stored, or of whom only webhooks were, gets the mark too.
    """
    blank = dict.fromkeys(PERSONAL_COLUMNS) | {"links": {}, "invoice_numbers": {}, "erased_at": now}
    mine = (table.c.customer_id == customer_id, table.c.erased_at.is_(None))
    done = await session.execute(update(table).where(*mine).values(blank))
    known = union(
        *(
            select(one.c.provider, one.c.customer_id, func.now(), func.now()).where(one.c.customer_id == customer_id)
            for one in (recovery, webhook_inbox)
        )
    )
    marks = insert(table).from_select(["provider", "customer_id", "read_at", "erased_at"], known)
    await session.execute(marks.on_conflict_do_nothing())
    return done.rowcount
