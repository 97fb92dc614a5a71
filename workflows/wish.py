"""An operator's command on its way through the workflow."""

from core.contracts import Command
from core.errors import Refused


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
