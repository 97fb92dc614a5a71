"""Erases a customer: every column that `db.personal_data` declares as erased, in one transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ARRAY, ColumnElement, Text, cast, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB

from core.base import Value
from core.notices import Audience
from db.access_models import approval
from db.models import customer_identity, notice, operator_signal, recovery, webhook_inbox
from db.repositories import contacts, inbox
from db.repositories.customer_identities import find_all_ids
from db.session import Session

POSTED_WITHIN: Final = timedelta(days=3)
"""How long an outgoing webhook may still be repeated, and its row is needed."""
ERASED: Final = "[erased]"


class ErasedCustomer(Value):
    """What was erased. `customer_id` names nobody: it is what the audit log may hold."""

    customer_id: str
    webhooks: int


async def erase_customer(session: Session, given: str, keys: Sequence[bytes], now: datetime) -> ErasedCustomer:
    """Blanks what is stored of the customer, whose id at the provider or here is given, at every provider.

    Contact, original id, webhook bodies, reasons of operators and notices go; ids, codes and the log stay. What arrives
    later is stored without its body.
    """
    # Before the originals go: by them the other ids are found.
    ids = await find_all_ids(session, given, keys)
    for name in ids:
        await contacts.erase_contact(session, name, now)
    webhooks = sum([await inbox.erase_bodies(session, name, now) for name in ids])
    await _erase_identity(session, ids, now)
    await _erase_inbox_ids(session, ids)
    await _erase_operators_words(session, ids)
    await _delete_notices(session, ids, now)
    return ErasedCustomer(customer_id=ids[0], webhooks=webhooks)


async def _erase_identity(session: Session, ids: Sequence[str], now: datetime) -> None:
    mine = customer_identity.c.customer_id.in_(ids)
    await session.execute(update(customer_identity).where(mine).values(original=None, erased_at=now))


async def _erase_inbox_ids(session: Session, ids: Sequence[str]) -> None:
    """Ids that earlier releases stored as they came."""
    mine = (webhook_inbox.c.customer_id.in_(ids[1:]), webhook_inbox.c.delivered_at.is_not(None))
    await session.execute(update(webhook_inbox).where(*mine).values(customer_id=ids[0]))


async def _erase_operators_words(session: Session, ids: Sequence[str]) -> None:
    """Reasons of commands that wait or waited; one that isn't delivered yet keeps all but its reason."""
    mine = _of_customer(approval.c.recovery_id, ids)
    await session.execute(update(approval).where(mine).values(reason=ERASED))
    command = func.jsonb_set(operator_signal.c.command, cast(["reason"], ARRAY(Text)), cast(ERASED, JSONB))
    words = {"command": command, "problem": None}
    await session.execute(update(operator_signal).where(_of_customer(operator_signal.c.recovery_id, ids)).values(words))


async def _delete_notices(session: Session, ids: Sequence[str], now: datetime) -> None:
    """Those that were handed on, but for webhooks that may still be repeated: these are deleted after 30 days."""
    done = or_(
        notice.c.audience != Audience.WEBHOOK.value,
        notice.c.handed_at < now - POSTED_WITHIN,
    )
    mine = _of_customer(notice.c.recovery_id, ids)
    await session.execute(delete(notice).where(mine, notice.c.handed_at.is_not(None), done))


def _of_customer(recovery_id: ColumnElement[str], ids: Sequence[str]) -> ColumnElement[bool]:
    return recovery_id.in_(select(recovery.c.recovery_id).where(recovery.c.customer_id.in_(ids)))
