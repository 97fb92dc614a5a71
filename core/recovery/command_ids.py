"""Which operator commands stand in the log already.

A workflow task that is lost behind the commit of a row is done again. Signals stand in the history in the same order
then, so that their number within the run names them; a request and an update have ids of their own.
"""

from typing import Final

from core.events import Event, EventType, Record
from core.events.data import OperatorCommand
from core.operators import Command
from core.recovery.state import Recovery

MAX_REMEMBERED_REQUESTS: Final = 32
"""Requests that a recovery remembers: more than the updates that a run may have under way at once (10, says
https://docs.temporal.io/self-hosted-guide/defaults), so that none is forgotten while it may come again."""
COMMAND_EVENT_TYPES: Final = frozenset(
    {
        EventType.RETRY_REQUESTED,
        EventType.CANCEL_REQUESTED,
        EventType.PAUSED,
        EventType.RESUMED,
        EventType.REVIEWED,
    }
)
"""Rows of operator commands, followed or refused."""
_COMMAND_IDS: Final = ("signal", "request_id")


def signal_name(run_id: str, number: int) -> str:
    """The name of the signal of this number (from 1) within its run."""
    return f"{run_id}:{number}"


def remember_command(recovery: Recovery, record: Record) -> Recovery:
    """The recovery that remembers the command of this row; rows from before commands had names change nothing.

    A request that was refused may be made again, so its id is not kept.
    """
    if record.type not in COMMAND_EVENT_TYPES:
        return recovery
    data = record.read(OperatorCommand)
    if data.request_id and not data.refused:
        recovery = recovery.with_changes(requests=(*recovery.requests, data.request_id)[-MAX_REMEMBERED_REQUESTS:])
    return recovery.with_changes(last_signal=data.signal) if data.signal else recovery


def is_command_recorded(recovery: Recovery, command: Command) -> bool:
    """Whether the log holds what became of this command.

    Signals are handled in their order: one before the last that has a row was handled, too, also where it left no row
    (an idle one, under older rules).
    """
    if command.request_id is not None and command.request_id in recovery.requests:
        return True
    if command.signal is None or recovery.last_signal is None:
        return False
    (run, number), (last_run, last) = map(_split_signal_name, (command.signal, recovery.last_signal))
    return run == last_run and number <= last


def _split_signal_name(signal: str) -> tuple[str, int]:
    run, _, number = signal.rpartition(":")
    return run, int(number)


def is_row_of(event: Event, record: Record) -> bool:
    """Whether this row tells of this event: of its type, and of the same command where both have names."""
    known = [name for name in _COMMAND_IDS if name in event.data and name in record.data]
    return record.type is event.type and all(record.data[name] == event.data[name] for name in known)
