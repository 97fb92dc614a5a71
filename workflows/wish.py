"""An operator's command on its way through the workflow."""

from collections.abc import Awaitable, Callable

from temporalio import workflow

from core.contracts import Command, Written
from core.errors import Refused
from core.events import Event
from core.retry.command_identity import signal_name
from core.retry.commands import answer
from core.retry.machine import written_as
from core.retry.recovery import Recovery


class Wish:
    """A command, whether it has had its effect, and why not if it hasn't."""

    def __init__(self, command: Command, *, asked: bool = False) -> None:
        self.command = command
        self.asked = asked
        """Whether somebody waits for the answer (an update), or not (a signal)."""
        self.settled = False
        self.refusal: Refused | None = None

    def settle(self, refusal: Refused | None = None) -> None:
        """The effect is there, or refused."""
        self.settled, self.refusal = True, refusal


class Promises:
    """Who waits for a charge to begin: told so when it has, or why not where it was refused at the last moment."""

    def __init__(self) -> None:
        self._waiting: list[Wish] = []

    def add(self, wish: Wish) -> None:
        """One more who waits."""
        self._waiting.append(wish)

    def settle(self, refusal: Refused | None = None) -> None:
        """All of them have their answer now."""
        for wish in self._waiting:
            wish.settle(refusal)
        self._waiting.clear()


class CommandNames:
    """Gives each command of a run a name that it keeps when its workflow task is lost and done again."""

    def __init__(self) -> None:
        self._signals = 0

    def of_signal(self, command: Command) -> Command:
        """Named by the place among the run's signals, which is the same in every execution."""
        self._signals += 1
        return command.model_copy(update={"signal": signal_name(workflow.info().run_id, self._signals)})

    def of_update(self, command: Command) -> Command:
        """Named by its request, or by Temporal's own name of the update."""
        update = workflow.current_update_info()
        request_id = command.request_id or (update.id if update else None)
        return command.model_copy(update={"request_id": request_id, "signal": None})

    def of_cancel_request(self, command: Command) -> Command:
        """Temporal takes one in a run."""
        return command.model_copy(update={"request_id": f"{workflow.info().run_id}:cancel"})


async def follow(
    wish: Wish, recovery: Callable[[], Recovery], write: Callable[[tuple[Event, ...]], Awaitable[Written]]
) -> Refused | None:
    """Write the command or its refusal down, once. Where the log was ahead, it is judged by what that says now."""
    while True:
        events, refusal = answer(recovery(), wish.command, workflow.now(), awaited=wish.asked)
        written = await write(events)
        if written.refused:
            return Refused(written.refused, written.why)
        if written_as(events, written.records) or (refusal and not workflow.patched("refused-command")):
            return refusal
