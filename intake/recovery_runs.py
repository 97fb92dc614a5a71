"""The interface by which intake and API reach running recoveries. `workflows.handles` implements it with Temporal."""

from datetime import timedelta
from typing import Protocol

from core.contracts import RecoveryStatus
from core.operators import Command
from core.payments import ProviderEvent


class RecoveryRuns(Protocol):
    """The workflows of recoveries, addressed by recovery id."""

    async def start_recovery(self, event: ProviderEvent) -> None:
        """Starts the recovery of the event's invoice or signals the running one; the event reaches it either way.

        Raises RunClosed if the recovery's workflow has completed, EngineUnavailable if Temporal can't be reached.
        """

    async def ensure_running(self, provider: str, invoice_id: str) -> bool:
        """Starts a run for a recovery whose run failed or was terminated; False if one is running.

        Raises RunClosed if its workflow has completed, EngineUnavailable if Temporal can't be reached.
        """

    async def send_event(self, recovery_id: str, event: ProviderEvent) -> None:
        """Signals an event to a running recovery.

        Raises NotFound if none is running, EngineUnavailable if Temporal can't be reached.
        """

    async def submit_command(self, recovery_id: str, command: Command, patience: timedelta) -> RecoveryStatus | None:
        """Submits an operator command and waits for its effect; for a retry, until the attempt has begun.

        None if no worker answered within `patience`: the command is left as a signal and handled later. Raises
        CommandRefused with the recovery's reason, NotFound if none is running, EngineUnavailable.
        """

    async def signal_command(self, recovery_id: str, command: Command) -> None:
        """Leaves an operator command as a signal. Raises NotFound if no run is open, EngineUnavailable."""

    async def is_polled(self, provider: str) -> bool:
        """Whether a worker polls this provider's task queue. Raises EngineUnavailable."""

    async def trigger_relay(self) -> None:
        """Starts a pass of the relay now instead of at its next scheduled time.

        Raises NotFound if the schedule does not exist, EngineUnavailable.
        """
