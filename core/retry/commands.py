"""What the workflow does about an operator's command: each is answered once, whatever workflow task is lost."""

from datetime import datetime
from typing import NamedTuple

from core.contracts import Command
from core.errors import CommandRefused
from core.events import Event
from core.retry.command_identity import is_command_recorded
from core.retry.reactions import accept_command, command_event
from core.retry.recovery import Recovery


class CommandResult(NamedTuple):
    """The rows to write for a command, often none, and why it is refused if it is."""

    events: tuple[Event, ...] = ()
    refusal: CommandRefused | None = None


def handle_command(recovery: Recovery, command: Command, now: datetime, *, awaited: bool) -> CommandResult:
    """The answer by what the log says now; nothing for a command that it knows.

    `awaited`: somebody hears of the refusal. Nobody hears that of a signal, so it becomes a row.
    """
    if is_command_recorded(recovery, command):
        return CommandResult()
    try:
        return CommandResult(accept_command(recovery, command, now))
    except CommandRefused as refusal:
        unheard = not awaited and not recovery.stage.is_final
        return CommandResult((command_event(command, now, refused=refusal.code),) if unheard else (), refusal)
