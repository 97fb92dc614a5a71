"""When the charge in flight is reconciled next, and by when it was sent for the last time."""

from datetime import datetime, timedelta

from temporalio import workflow

from core.recovery import machine
from core.recovery.state import Recovery
from core.recovery.unknown_charges import ended_read_delay


class ReconcileSchedule:
    """The next call about the charge in flight: after seconds, then hours; behind an ending each minute."""

    def __init__(self) -> None:
        self.ask_at: datetime | None = None
        self._tries = 0
        self._last_sent_by: datetime | None = None

    @property
    def last_sent_by(self) -> datetime:
        """Time (UTC) by which the charge was sent for the last time, as far as this run can know."""
        # A new run doesn't know when the run before it sent the charge last: no later than this run began.
        return self._last_sent_by or workflow.info().start_time

    @property
    def wait(self) -> timedelta | None:
        """How long to wait before the next call; None if it is due."""
        return self.ask_at - workflow.now() if self.ask_at and workflow.now() < self.ask_at else None

    def note_sending(self) -> None:
        """A call that may have sent the charge is over."""
        self._last_sent_by = workflow.now()

    def plan_next(self, recovery: Recovery, asked: timedelta) -> None:
        """Plan the next call, not before the provider's own wait is over."""
        self.ask_at = workflow.now() + max(self._delay(recovery), asked)
        self._tries += 1

    def clear(self) -> None:
        """The charge has its answer, or there is an ending: the next call is due at once."""
        self.ask_at, self._tries = None, 0

    def note_change(self, before: Recovery, after: Recovery) -> None:
        """Read at once where an ending was set while a charge is in flight."""
        if before.ending is None and _waits_for_answer(after):
            self.clear()

    def _delay(self, recovery: Recovery) -> timedelta:
        if _waits_for_answer(recovery):
            return ended_read_delay(recovery, self._tries, workflow.now(), self._last_sent_by)
        return machine.reconcile_delay(self._tries)


def _waits_for_answer(recovery: Recovery) -> bool:
    """Whether an ending waits for the charge in flight; never in a run that began this under an older release."""
    return bool(recovery.ending and recovery.in_flight) and workflow.patched("reads-after-an-ending")
