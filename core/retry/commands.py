"""What the workflow does about an operator's command: each is answered once, whatever workflow task is lost."""

from datetime import datetime
from typing import NamedTuple

from core.contracts import Command
from core.errors import Refused
from core.events import Event
from core.retry.command_identity import is_recorded
from core.retry.reactions import commanded, obey
from core.retry.recovery import Recovery


class Answer(NamedTuple):
    """The rows to write for a command, often none, and why it is refused if it is."""

    events: tuple[Event, ...] = ()
    refusal: Refused | None = None


def answer(recovery: Recovery, command: Command, now: datetime, *, awaited: bool) -> Answer:
    """The answer by what the log says now; nothing for a command that it knows.

    `awaited`: somebody hears of the refusal. Nobody hears that of a signal, so it becomes a row.
    """
    if is_recorded(recovery, command):
        return Answer()
    try:
        return Answer(obey(recovery, command, now))
    except Refused as refusal:
        unheard = not awaited and not recovery.stage.final
        return Answer((commanded(command, now, refused=refusal.code),) if unheard else (), refusal)
