"""What went out to customers: a row is claimed before a message is sent, so that no crash sends it twice."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects.postgresql import insert

from core.base import Value
from db.models import message as table
from db.session import Session


class MessageState(StrEnum):
    """How far a message came."""

    SENDING = "sending"
    """Claimed; where nobody is sending it any more, it went out or it didn't."""
    UNSENT = "unsent"
    """The last try surely did not reach the channel."""
    SENT = "sent"
    FAILED = "failed"


class MessageName(Value):
    """Which message: at most one of this name is ever sent."""

    recovery_id: str
    step: str
    channel: str


class Claim(Value):
    """Whether the message is ours to send, else what was there before."""

    ours: bool
    state: MessageState
    tries: int
    reason: str | None = None


async def claim(session: Session, name: MessageName, kind: str, now: datetime) -> Claim:
    """Take the right to send it: a new one, or one whose last try surely did not reach the channel."""
    fresh = insert(table).values(**name.model_dump(), kind=kind, state="sending", tries=1, claimed_at=now)
    again = {"state": "sending", "tries": table.c.tries + 1, "claimed_at": now, "reason": None}
    key = [table.c.recovery_id, table.c.step, table.c.channel]
    taken = fresh.on_conflict_do_update(index_elements=key, set_=again, where=table.c.state == "unsent")
    row = (await session.execute(taken.returning(table.c.tries))).first()
    if row:
        return Claim(ours=True, state=MessageState.SENDING, tries=row.tries)
    shown = select(table.c.state, table.c.tries, table.c.reason).where(*_named(name))
    found = (await session.execute(shown)).mappings().one()
    return Claim.model_validate({"ours": False, **found})


async def conclude(
    session: Session, name: MessageName, state: MessageState, now: datetime, reason: str | None, language: str | None
) -> None:
    """How the try that we claimed ended."""
    done = {"state": state.value, "ended_at": now, "reason": reason, "language": language}
    await session.execute(update(table).where(*_named(name), table.c.state == "sending").values(done))


def _named(name: MessageName) -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.recovery_id == name.recovery_id,
        table.c.step == name.step,
        table.c.channel == name.channel,
    )
