"""Operator commands that no worker answered in time: left as signals, and kept here until the log shows them."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from core.base import Value
from core.operators import Command
from db import chain
from db.due_rows import claim_oldest_due
from db.models import operator_signal as table
from db.session import Session
from db.statements import HotStatement

FIRST_WAIT: Final = timedelta(seconds=10)


class OperatorSignal(Value):
    """A stored command, with the recovery that it was submitted to."""

    recovery_id: str
    request_id: str
    provider: str
    invoice_id: str
    command: Command
    tries: int


SHOWN: Final = [table.c[name] for name in OperatorSignal.model_fields]
UNDELIVERED: Final = HotStatement(
    select(table.c.command)
    .where(table.c.recovery_id == bindparam("recovery_id"), table.c.delivered_at.is_(None))
    .order_by(table.c.stored_at)
)


async def store_signal(
    session: Session, provider: str, invoice_id: str, name: str, command: Command, now: datetime
) -> None:
    """Keeps a command that was left as a signal to the recovery of that name; without effect for a repeat."""
    row = {
        "recovery_id": name,
        "request_id": command.request_id,
        "provider": provider,
        "invoice_id": invoice_id,
        "command": chain.to_json_value(command.model_dump(mode="json", exclude_none=True)),
        "stored_at": now,
        "next_try_at": now + FIRST_WAIT,
    }
    await session.execute(insert(table).values(row).on_conflict_do_nothing())


async def claim_due(session: Session, now: datetime) -> OperatorSignal | None:
    """The undelivered command that has been due for longest, with its try counted; None where none is due.

    It is due again after 10 s at first, doubling up to 5 min.
    """
    key = (table.c.recovery_id, table.c.request_id)
    row = await claim_oldest_due(session, SHOWN, key, FIRST_WAIT, now)
    return OperatorSignal.model_validate(dict(row)) if row else None


async def load_undelivered(session: Session, recovery_id: str) -> list[Command]:
    """The stored commands of a recovery that its log doesn't show yet, in the order of their arrival."""
    found = await UNDELIVERED.fetch(session, {"recovery_id": recovery_id})
    return [Command.model_validate(row["command"]) for row in found]


async def conclude_signal(session: Session, signal: OperatorSignal, now: datetime, problem: str | None = None) -> None:
    """The command is done with: the log shows it, or it was given up with this problem."""
    mine = (table.c.recovery_id == signal.recovery_id, table.c.request_id == signal.request_id)
    await session.execute(update(table).where(*mine).values(delivered_at=now, problem=problem))
