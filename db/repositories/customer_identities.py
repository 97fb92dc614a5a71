"""Customers whose id names a person: the hashed id that stands for it, and the original, which charging needs."""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, case, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from core.customer_ids import hash_customer_id, names_person
from db.models import contact, recovery, suppression
from db.models import customer_identity as table
from db.repositories.suppressions import signing_keys
from db.session import Session

_CONTEXT: Final = b"pri customer ids v1"
_SEEN_EVERY: Final = timedelta(days=1)
"""How exactly it is known when a customer was seen last: not every webhook writes the row."""


async def hide_customer_id(session: Session, provider: str, original: str, keys: Sequence[bytes], now: datetime) -> str:
    """The id under which this customer is known everywhere; the given one, unless it names a person.

    A customer with an open recovery under the given id keeps that one. What an older key hashed stays. The original is
    stored, unless the customer was erased.
    """
    if not names_person(original) or await _is_open_under(session, provider, original):
        return original
    known = await _find_hashed(session, original, keys)
    hashed = known or hash_customer_id(original, (await _all_keys(session, keys))[0])
    await _move_rows(session, provider, original, hashed)
    erased = select(contact.c.customer_id).where(contact.c.customer_id == hashed, contact.c.erased_at.is_not(None))
    kept = case((~erased.exists(), original))
    row = insert(table).values(customer_id=hashed, original=kept, seen_at=now, erased_at=case((erased.exists(), now)))
    seen = {"seen_at": now, "original": case((table.c.erased_at.is_(None), original))}
    due = or_(table.c.original.is_(None), table.c.seen_at < now - _SEEN_EVERY)
    await session.execute(row.on_conflict_do_update(index_elements=[table.c.customer_id], set_=seen, where=due))
    return hashed


async def find_customer_id(session: Session, given: str, keys: Sequence[bytes]) -> str:
    """The id under which a customer is known, for a search by the provider's id; the given one if there is no other."""
    return (await _find_hashed(session, given, keys)) or given if names_person(given) else given


async def find_original_id(session: Session, customer_id: str) -> str | None:
    """The id that the provider knows; None for an erased customer."""
    found = (await session.execute(select(table.c.original).where(table.c.customer_id == customer_id))).first()
    # No row: the merchant's own id only looks like one of ours.
    return found[0] if found else customer_id


async def find_all_ids(session: Session, given: str, keys: Sequence[bytes]) -> tuple[str, ...]:
    """Every id under which rows of this customer may stand, one that names nobody first; `given` is any of them."""
    hashes = [hash_customer_id(given, key) for key in await _all_keys(session, keys)] if names_person(given) else []
    query = select(table.c.customer_id, table.c.original).where(_is_named(given, hashes))
    stored = [name for row in await session.execute(query) for name in row if name]
    return tuple(sorted(dict.fromkeys([*stored, *hashes, given]), key=names_person))


async def _find_hashed(session: Session, original: str, keys: Sequence[bytes]) -> str | None:
    hashes = [hash_customer_id(original, key) for key in await _all_keys(session, keys)]
    query = select(table.c.customer_id).where(_is_named(original, hashes)).order_by(table.c.seen_at).limit(1)
    return (await session.execute(query)).scalar_one_or_none()


def _is_named(given: str, hashes: Sequence[str]) -> ColumnElement[bool]:
    # By the original too: an id that was hashed once stays, also if that key isn't configured any more.
    return or_(table.c.customer_id.in_([*hashes, given]), table.c.original == given)


async def _all_keys(session: Session, configured: Sequence[bytes]) -> tuple[bytes, ...]:
    """The keys, the one for new ids first. Without a configured one, a key derived from the database's own."""
    stored = await signing_keys(session)
    return (*configured, *(hmac.digest(secret, _CONTEXT, "sha256") for secret in stored))


async def _is_open_under(session: Session, provider: str, customer_id: str) -> bool:
    mine = (recovery.c.provider == provider, recovery.c.customer_id == customer_id, recovery.c.closed_at.is_(None))
    return bool(await session.scalar(select(exists().where(*mine))))


async def _move_rows(session: Session, provider: str, original: str, hashed: str) -> None:
    """Contact, erasure and unsubscriptions that were stored under the original by an earlier release go with it."""
    for rows, others in ((contact, ()), (suppression, ("channel", "purpose"))):
        taken = rows.alias()
        same = (taken.c.provider == rows.c.provider, taken.c.customer_id == hashed)
        other = select(taken.c.customer_id).where(*same, *(taken.c[name] == rows.c[name] for name in others))
        mine = (rows.c.provider == provider, rows.c.customer_id == original, ~other.exists())
        await session.execute(update(rows).where(*mine).values(customer_id=hashed))
