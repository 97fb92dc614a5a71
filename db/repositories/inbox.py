"""The webhook inbox: every webhook answered with 2xx, its outcome, and the ones that are not delivered yet."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Update, bindparam, case, exists, func, literal, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from core.base import Value
from core.payments import INVOICE_AND_CUSTOMER_KINDS, ProviderEvent
from db import chain
from db.due_rows import claim_oldest_due
from db.models import recovery
from db.models import webhook_inbox as table
from db.session import Session
from db.statements import HotStatement

HEAD_START: Final = timedelta(seconds=5)
"""How long the relay leaves a new row to the API process that stored it and delivers it behind the answer."""
FIRST_WAIT: Final = timedelta(seconds=5)


class WebhookOutcome(StrEnum):
    """Outcome of a webhook."""

    ACCEPTED = "accepted"
    IGNORED = "ignored"
    DUPLICATE = "duplicate"


class StoredWebhook(Value):
    """A row of the inbox without its body."""

    provider: str
    event_id: str
    event_type: str
    received_at: datetime
    outcome: WebhookOutcome | None = None
    reason: str | None = None
    recovery_id: str | None = None
    customer_id: str | None = None
    invoice_id: str | None = None
    event: ProviderEvent | None = None
    """The normalised event; None where the body's shape is unknown, or after erasure."""
    delivered_at: datetime | None = None
    tries: int = 0
    next_try_at: datetime
    last_error: str | None = None
    """Why it is not delivered yet."""


SHOWN: Final = [table.c[name] for name in StoredWebhook.model_fields]


async def blank_shared_body(session: Session, provider: str, event_ids: Sequence[str], received_at: datetime) -> None:
    """Blanks the body of these events, which came in one, if it was blanked for one of them: it names them all."""
    ids = [chain.replace_unstorable(event_id) for event_id in event_ids]
    together = (table.c.provider == provider, table.c.received_at == received_at, table.c.event_id.in_(ids))
    blanked = select(table.c.event_id).where(*together, table.c.erased_at.is_not(None))
    await session.execute(
        update(table)
        .where(*together, table.c.erased_at.is_(None), blanked.exists())
        .values(body=b"", erased_at=received_at)
    )


async def load_webhook(session: Session, provider: str, event_id: str) -> StoredWebhook | None:
    """One row; None if this event was never received."""
    found = (await session.execute(select(*SHOWN).where(*_webhook_key(provider, event_id)))).mappings().one_or_none()
    return StoredWebhook.model_validate(dict(found)) if found else None


async def claim_due(session: Session, now: datetime) -> StoredWebhook | None:
    """The undelivered row that has been due for longest, with its try counted; None where no row is due.

    It is due again after 5 s at first, doubling up to 5 min: whoever claims it may die without a trace. Passes that run
    side by side claim different rows.
    """
    key = (table.c.provider, table.c.event_id)
    row = await claim_oldest_due(session, SHOWN, key, FIRST_WAIT, now, table.c.received_at)
    return StoredWebhook.model_validate(dict(row)) if row else None


async def has_earlier_undelivered(session: Session, row: StoredWebhook) -> bool:
    """Whether an earlier webhook about the same invoice or customer is not delivered yet."""
    about = [table.c[name] == value for name in ("invoice_id", "customer_id") if (value := getattr(row, name))]
    earlier = (table.c.provider == row.provider, table.c.received_at < row.received_at, table.c.delivered_at.is_(None))
    return bool(about) and bool(await session.scalar(select(exists().where(*earlier, or_(*about)))))


async def count_undelivered(session: Session) -> int:
    """Number of rows that are not delivered yet, due or not."""
    query = select(func.count()).select_from(table).where(table.c.delivered_at.is_(None))
    return (await session.execute(query)).scalar_one()


async def conclude_delivery(
    session: Session,
    provider: str,
    event_id: str,
    outcome: WebhookOutcome,
    now: datetime,
    *,
    reason: str | None = None,
    recovery_id: str | None = None,
) -> None:
    """Ends a row: delivered to a recovery, or ignored with a reason. Without effect if it ended before."""
    # The normalised event of an erased customer was kept for this delivery only.
    columns = _outcome_columns(outcome, now, reason=reason, recovery_id=recovery_id)
    await session.execute(_update_webhook(provider, event_id).where(table.c.delivered_at.is_(None)).values(columns))


def _outcome_columns(
    outcome: WebhookOutcome, now: Any, reason: str | None = None, recovery_id: Any = None
) -> dict[str, Any]:
    """The columns of a delivered row. An erased one loses its normalised event: nothing needs it any more."""
    kept = case((table.c.erased_at.is_(None), table.c.event))
    known = {"outcome": outcome.value, "reason": reason, "recovery_id": recovery_id, "delivered_at": now}
    return known | {"event": kept, "last_error": None}


async def conclude_recorded(
    session: Session, provider: str, invoice_id: str, event_ids: Sequence[str], recovery_id: str, now: datetime
) -> None:
    """The webhooks of this invoice whose events the log of its recovery shows are delivered.

    Call it in the transaction that writes those rows. One that concerns other recoveries of the customer as well stays,
    until the relay has seen that all of them have it; it names this recovery, which may have ended by then.
    """
    given = {"of_provider": provider, "event_ids": list(event_ids), "recovery": recovery_id}
    done = await _CONCLUDE_RECORDED.execute(session, given | {"of_invoice": invoice_id, "now": now})
    if done < len(event_ids):
        await _NAME_RECOVERY.execute(session, given)


# None of these parameters is named as a column: SQLAlchemy keeps those names for itself.
_RECORDED: Final = (
    table.c.provider == bindparam("of_provider"),
    table.c.event_id == func.any(bindparam("event_ids", type_=ARRAY(TEXT))),
    table.c.delivered_at.is_(None),
)
_SHARED_KINDS: Final = [kind.value for kind in INVOICE_AND_CUSTOMER_KINDS]
_CONCLUDE_RECORDED: Final = HotStatement(
    update(table)
    .where(*_RECORDED, table.c.invoice_id == bindparam("of_invoice"))
    .where(table.c.event["kind"].astext != func.all(literal(_SHARED_KINDS, ARRAY(TEXT))))
    .values(_outcome_columns(WebhookOutcome.ACCEPTED, bindparam("now"), recovery_id=bindparam("recovery")))
)
_NAME_RECOVERY: Final = HotStatement(update(table).where(*_RECORDED).values(recovery_id=bindparam("recovery")))


async def mark_handed_over(session: Session, provider: str, event_id: str, now: datetime) -> None:
    """A run took the event, and its log may never say so: the relay looks after the run instead."""
    waiting = _update_webhook(provider, event_id).where(table.c.delivered_at.is_(None), table.c.tries == 0)
    await session.execute(waiting.values(tries=1, next_try_at=now + FIRST_WAIT))


async def note_problem(session: Session, provider: str, event_id: str, why: str) -> None:
    """Why the row is not delivered yet, for people."""
    noted = {"last_error": chain.replace_unstorable(why)[:500]}
    await session.execute(_update_webhook(provider, event_id).where(table.c.delivered_at.is_(None)).values(noted))


async def save_owner(session: Session, row: StoredWebhook, event: ProviderEvent) -> None:
    """Whose payment the event is about, as its provider said: it need not be asked again."""
    owner = {"invoice_id": event.invoice_id, "customer_id": event.customer_id}
    known = {"event": chain.to_json_value(event.model_dump(mode="json", exclude_none=True)), **owner}
    pending = _update_webhook(row.provider, row.event_id).where(table.c.delivered_at.is_(None))
    await session.execute(pending.where(table.c.event.is_not(None)).values(known))


async def conclude_redelivery(
    session: Session,
    provider: str,
    event_id: str,
    outcome: WebhookOutcome,
    now: datetime,
    *,
    reason: str | None = None,
    recovery_id: str | None = None,
) -> None:
    """Records the outcome of a delivery that a person repeated; it replaces the earlier outcome."""
    columns = {"outcome": outcome.value, "reason": reason, "recovery_id": recovery_id, "delivered_at": now}
    await session.execute(_update_webhook(provider, event_id).values(columns | {"last_error": None}))


async def requeue_webhook(session: Session, provider: str, event_id: str, now: datetime, why: str) -> None:
    """Makes a row undelivered again and due at once, whatever its outcome was. Without effect after erasure."""
    columns = {"outcome": None, "reason": None, "delivered_at": None}
    again = {"tries": 0, "next_try_at": now, "last_error": chain.replace_unstorable(why)[:500]}
    await session.execute(
        _update_webhook(provider, event_id).where(table.c.erased_at.is_(None)).values(columns | again)
    )


async def webhooks_of_invoice(session: Session, provider: str, invoice_id: str) -> list[StoredWebhook]:
    """Every webhook that names this invoice, oldest first."""
    return await webhooks_about(session, provider, invoice_id, None)


async def webhooks_about(
    session: Session, provider: str, invoice_id: str, customer_id: str | None
) -> list[StoredWebhook]:
    """Every webhook that names this invoice, then every one that names this customer alone; oldest first each."""
    given = {"provider": provider, "invoice_id": invoice_id, "customer_id": customer_id or None}
    rows = map(StoredWebhook.model_validate, await _ABOUT.fetch(session, given))
    return sorted(rows, key=lambda row: (row.invoice_id is None, row.received_at))


_OF_PROVIDER: Final = select(*SHOWN).where(table.c.provider == bindparam("provider"))
# Two look-ups by index: for an OR of both PostgreSQL would read more.
_ABOUT: Final = HotStatement(
    _OF_PROVIDER.where(table.c.invoice_id == bindparam("invoice_id")).union_all(
        _OF_PROVIDER.where(table.c.customer_id == bindparam("customer_id"), table.c.invoice_id.is_(None))
    )
)


async def erase_bodies(session: Session, customer_id: str, now: datetime) -> int:
    """Blanks the bodies of a customer's webhooks and returns how many. The rows stay as a record of what was received.

    The normalised event holds ids and codes only; it stays until the row is delivered.
    """
    theirs = (
        select(recovery.c.recovery_id, recovery.c.provider, recovery.c.invoice_id)
        .where(recovery.c.customer_id == customer_id)
        .subquery()
    )
    named = or_(
        table.c.customer_id == customer_id,
        table.c.recovery_id.in_(select(theirs.c.recovery_id)),
        tuple_(table.c.provider, table.c.invoice_id).in_(select(theirs.c.provider, theirs.c.invoice_id)),
    )
    # A provider's batch is stored with each of its events: the copies beside the customer's own name them as well.
    request = (table.c.provider, table.c.received_at, table.c.body)
    mine = tuple_(*request).in_(select(*request).where(named))
    needed = case((table.c.delivered_at.is_(None), table.c.event))
    blank = {"body": b"", "erased_at": now, "event": needed, "last_error": None}
    done = await session.execute(update(table).where(mine, table.c.erased_at.is_(None)).values(blank))
    return done.rowcount


def _webhook_key(provider: str, event_id: str) -> Sequence[Any]:
    return (table.c.provider == provider, table.c.event_id == chain.replace_unstorable(event_id))


def _update_webhook(provider: str, event_id: str) -> Update:
    return update(table).where(*_webhook_key(provider, event_id))


async def events_without_log(session: Session, provider: str, customer_id: str, since: datetime) -> list[ProviderEvent]:
    """Events received after `since` about invoices of this customer that have no recovery yet, oldest first.

    Ignored webhooks are left out.
    """
    written = exists().where(recovery.c.provider == table.c.provider, recovery.c.invoice_id == table.c.invoice_id)
    mine = (table.c.provider == provider, table.c.customer_id == customer_id, table.c.received_at > since)
    named = (table.c.invoice_id.is_not(None), table.c.event.is_not(None))
    taken = table.c.outcome.is_distinct_from("ignored")
    found = await session.execute(
        select(table.c.event).where(*mine, *named, taken, ~written).order_by(table.c.received_at)
    )
    return [ProviderEvent.model_validate(event) for event in found.scalars()]
