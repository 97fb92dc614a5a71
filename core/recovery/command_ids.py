"""Finds operator commands that the log holds already.

A workflow task that is lost after its row was committed is executed again. Signals keep their order in the history, so
run id and number identify them; a request and an update have their own ids.
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
"""Types of rows of operator commands, accepted or refused."""
_COMMAND_IDS: Final = ("signal", "request_id")


def signal_name(run_id: str, number: int) -> str:
    """The id `run:number` of a signal, numbered from 1 within its run."""
    return f"{run_id}:{number}"


def remember_command(recovery: Recovery, record: Record) -> Recovery:
    """The recovery with the id of this row's command stored; rows of releases without command ids change nothing.

    A request that was refused may be made again, so its id is not kept.
    """
    if record.type not in COMMAND_EVENT_TYPES:
        return recovery
    data = record.read(OperatorCommand)
    if data.request_id and not data.refused:
        recovery = recovery.with_changes(requests=(*recovery.requests, data.request_id)[-MAX_REMEMBERED_REQUESTS:])
    return recovery.with_changes(last_signal=data.signal) if data.signal else recovery


def is_command_recorded(recovery: Recovery, command: Command) -> bool:
    """Whether the log shows that this command was handled.

    Signals are handled in order: one numbered before the last recorded signal was handled too, even without a row
    (a pause or resume that changed nothing, under rules 1).
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
    """Whether this row records this event: the same type and, where both have one, the same command id."""
    known = [name for name in _COMMAND_IDS if name in event.data and name in record.data]
    return record.type is event.type and all(record.data[name] == event.data[name] for name in known)
