"""Messages to customers: a row is claimed before a message is sent, so that no crash sends it twice."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects.postgresql import insert

from core.base import Value
from db import cursors
from db.models import message as table
from db.models import recovery
from db.session import Session


class MessageState(StrEnum):
    """State of a message."""

    SENDING = "sending"
    """Claimed. If its sender crashed, nobody knows whether the message went out, and it is not sent again."""
    UNSENT = "unsent"
    """The last try certainly did not reach the channel, so it may be claimed again."""
    SENT = "sent"
    FAILED = "failed"


class MessageName(Value):
    """Key of a message: at most one message per recovery, campaign step and channel is ever sent."""

    recovery_id: str
    step: str
    channel: str


class Claim(Value):
    """Result of a claim: `is_ours` if the caller may send, else the state that the row was in before."""

    is_ours: bool
    state: MessageState
    tries: int
    reason: str | None = None


async def claim_message(session: Session, name: MessageName, kind: str, now: datetime) -> Claim:
    """Claims a message for the caller: a new one, or an `unsent` one. Returns the row as found if it can't be claimed.

    Commit before sending: after a crash the row then says that the message may have gone out.
    """
    # One statement decides: of two workers, the second meets the first one's row as `sending` and gets nothing back.
    fresh = insert(table).values(**name.model_dump(), kind=kind, state="sending", tries=1, claimed_at=now)
    again = {"state": "sending", "tries": table.c.tries + 1, "claimed_at": now, "reason": None}
    key = [table.c.recovery_id, table.c.step, table.c.channel]
    taken = fresh.on_conflict_do_update(index_elements=key, set_=again, where=table.c.state == "unsent")
    row = (await session.execute(taken.returning(table.c.tries))).first()
    if row:
        return Claim(is_ours=True, state=MessageState.SENDING, tries=row.tries)
    shown = select(table.c.state, table.c.tries, table.c.reason).where(*_message_key(name))
    found = (await session.execute(shown)).mappings().one()
    return Claim.model_validate({"is_ours": False, **found})


async def conclude_message(
    session: Session, name: MessageName, state: MessageState, now: datetime, reason: str | None, language: str | None
) -> None:
    """Records how a claimed try ended. Without effect where the row is not `sending` any more."""
    done = {"state": state.value, "ended_at": now, "reason": reason, "language": language}
    await session.execute(update(table).where(*_message_key(name), table.c.state == "sending").values(done))


class SentMessage(Value):
    """A message that a channel accepted, with its customer's ids. Addresses are not kept."""

    recovery_id: str
    step: str
    channel: str
    kind: str
    language: str | None
    tries: int
    ended_at: datetime
    provider: str | None
    invoice_id: str | None
    customer_id: str | None


class SentMessagePage(Value):
    """One page of sent messages, newest first. `next_cursor` is None on the last page."""

    items: tuple[SentMessage, ...]
    next_cursor: str | None


SENT_ORDER: Final = (table.c.ended_at, table.c.recovery_id, table.c.step, table.c.channel)


async def load_sent_messages(session: Session, limit: int = 50, cursor: str | None = None) -> SentMessagePage:
    """One page of sent messages, newest first. Raises InvalidInput for a cursor that this function did not return."""
    columns = [(recovery if name in _OWNER else table).c[name] for name in SentMessage.model_fields]
    joined = table.outerjoin(recovery, recovery.c.recovery_id == table.c.recovery_id)
    query = select(*columns).select_from(joined).where(table.c.state == MessageState.SENT.value)
    if cursor:
        query = query.where(cursors.behind_cursor(cursor, *SENT_ORDER))
    rows = await session.execute(query.order_by(*(one.desc() for one in SENT_ORDER)).limit(limit + 1))
    found = [SentMessage.model_validate(dict(row)) for row in rows.mappings()]
    last = found[limit - 1] if len(found) > limit else None
    following = cursors.encode_cursor(last.ended_at, last.recovery_id, last.step, last.channel) if last else None
    return SentMessagePage(items=tuple(found[:limit]), next_cursor=following)


_OWNER: Final = frozenset({"provider", "invoice_id", "customer_id"})


def _message_key(name: MessageName) -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.recovery_id == name.recovery_id,
        table.c.step == name.step,
        table.c.channel == name.channel,
    )
