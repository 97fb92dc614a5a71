"""How the intake and the API reach running recoveries. `workflows.handles` does it by Temporal; tests by a list."""

from datetime import timedelta
from typing import Protocol

from core.contracts import RecoveryStatus
from core.operators import Command
from core.payments import ProviderEvent


class Recoveries(Protocol):
    """The running recoveries, by their ids."""

    async def start_recovery(self, event: ProviderEvent) -> None:
        """Start the recovery of the event's invoice, or join the running one; the event reaches it either way.

        Raises RunClosed where the recovery has completed, EngineUnavailable where Temporal is away.
        """

    async def ensure_running(self, provider: str, invoice_id: str) -> bool:
        """Start a run for a recovery whose run failed or was terminated; False where one is running.

        Raises RunClosed, EngineUnavailable.
        """

    async def send_event(self, recovery_id: str, event: ProviderEvent) -> None:
        """Hand an event to a running recovery. Raises NotFound where none runs, EngineUnavailable."""

    async def submit_command(self, recovery_id: str, command: Command, patience: timedelta) -> RecoveryStatus | None:
        """Put an operator command to a recovery and wait for its effect, for a retry until the attempt has begun.

        None where no worker answered in time and the command is stored as a signal.
        Raises Refused, NotFound, EngineUnavailable.
        """

    async def is_polled(self, provider: str) -> bool:
        """Whether a worker asks for this provider's calls. Raises EngineUnavailable."""

    async def trigger_relay(self) -> None:
        """Have the relay pass over the inbox now instead of at its next turn. Raises NotFound, EngineUnavailable."""
