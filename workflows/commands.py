"""An operator's command on its way through the workflow."""

from collections.abc import Awaitable, Callable

from temporalio import workflow

from core.contracts import WrittenRecords
from core.errors import CommandRefused
from core.events import Event
from core.operators import Action, Command
from core.recovery.command_ids import signal_name
from core.recovery.commands import handle_command
from core.recovery.machine import begins_with_events
from core.recovery.state import Recovery


class PendingCommand:
    """A command, whether it has had its effect, and why not if it hasn't."""

    def __init__(self, command: Command, *, awaited: bool = False) -> None:
        self.command = command
        self.is_awaited = awaited
        """Whether somebody waits for the answer (an update), or not (a signal)."""
        self.is_answered = False
        self.refusal: CommandRefused | None = None

    def set_answer(self, refusal: CommandRefused | None = None) -> None:
        """The effect is there, or refused."""
        self.is_answered, self.refusal = True, refusal


class AwaitedRetries:
    """Who waits for a charge to begin: told so when it has, or why not where it was refused at the last moment."""

    def __init__(self) -> None:
        self._waiting: list[PendingCommand] = []

    def add_pending(self, pending: PendingCommand) -> None:
        """One more who waits."""
        self._waiting.append(pending)

    def answer_all(self, refusal: CommandRefused | None = None) -> None:
        """All of them have their answer now."""
        for pending in self._waiting:
            pending.set_answer(refusal)
        self._waiting.clear()


class CommandIds:
    """Gives each command of a run a name that it keeps when its workflow task is lost and done again."""

    def __init__(self) -> None:
        self._signals = 0

    def identify_signal(self, command: Command) -> Command:
        """Named by the place among the run's signals, which is the same in every execution."""
        self._signals += 1
        return command.model_copy(update={"signal": signal_name(workflow.info().run_id, self._signals)})

    def identify_update(self, command: Command) -> Command:
        """Named by its request, or by Temporal's own name of the update."""
        update = workflow.current_update_info()
        request_id = command.request_id or (update.id if update else None)
        return command.model_copy(update={"request_id": request_id, "signal": None})

    def identify_cancel_request(self, command: Command) -> Command:
        """Temporal takes one in a run."""
        return command.model_copy(update={"request_id": f"{workflow.info().run_id}:cancel"})


async def apply_command(
    pending: PendingCommand,
    recovery: Recovery,
    write: Callable[[tuple[Event, ...]], Awaitable[WrittenRecords]],
    retries: AwaitedRetries,
) -> bool:
    """Write the command or its refusal down, once, and answer it; a retry has its answer once the charge is over.

    False where the log was ahead: by what that says now the command is judged again.
    """
    events, refusal = handle_command(recovery, pending.command, workflow.now(), awaited=pending.is_awaited)
    written = await write(events)
    if written.refused:
        pending.set_answer(CommandRefused(written.refused, written.why))
        return True
    if not begins_with_events(events, written.records) and not (refusal and not workflow.patched("refused-command")):
        return False
    if refusal is None and pending.command.action is Action.RETRY:
        retries.add_pending(pending)
    else:
        pending.set_answer(refusal)
    return True
