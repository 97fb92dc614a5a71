"""Workflow tasks that are lost behind the commit of a row, as when too many signals arrive."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import (
    Interceptor,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from core.events import State
from core.operators import Action, Command
from core.payments import Failure
from core.recovery.command_ids import COMMAND_EVENT_TYPES
from tests.support.builders import HOUR
from tests.support.gateway import ScriptedGateway
from tests.workflows.conftest import RecoveryRun, RecoveryRuns


class TaskLosses(Interceptor):
    """Loses the workflow tasks that make these writes (counted from 1), after their rows are committed."""

    def __init__(self, *of: int) -> None:
        self._of, self._writes = frozenset(of), 0

    def workflow_interceptor_class(self, _: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """An interceptor that counts writes here."""
        on_write = self.count_write

        class Outbound(WorkflowOutboundInterceptor):
            def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
                if input.activity == "record_events":
                    on_write()
                return super().start_local_activity(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound

    def count_write(self) -> None:
        """Counts a write. Raises where its task is to be lost, since any error but Temporal's own fails the task."""
        if not workflow.unsafe.is_replaying():
            self._writes += 1
            if self._writes in self._of:
                raise RuntimeError("scripted: this workflow task is lost")

    @property
    def all_happened(self) -> bool:
        """Whether all planned losses happened."""
        return self._writes > max(self._of)


def operator_reasons(recovery_run: RecoveryRun) -> list[str]:
    """The reasons in the rows of operator commands."""
    return [str(record.data["reason"]) for record in recovery_run.records if record.type in COMMAND_EVENT_TYPES]


async def test_each_signal_has_one_row(recovery_runs: RecoveryRuns, time_server: WorkflowEnvironment) -> None:
    """All signals are in the history before the worker starts, as in a burst."""
    losses = TaskLosses(3, 25)
    recovery_run = RecoveryRun(time_server, ScriptedGateway(failure=Failure(code="insufficient_funds")))
    await recovery_run.begin_with_failure()
    signals = [f"{name} {number}" for number in range(15) for name in ("pause", "resume")]
    for reason in signals:
        await recovery_run.running_handle.signal(reason.split()[0], {"actor": "ann", "reason": reason})
    await recovery_runs.start_workers(recovery_run, between=[losses])
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert losses.all_happened
    assert operator_reasons(recovery_run) == signals


async def test_refused_and_redundant_signals_survive_lost_tasks(
    recovery_runs: RecoveryRuns, time_server: WorkflowEnvironment
) -> None:
    losses = TaskLosses(4)
    recovery_run = RecoveryRun(time_server, ScriptedGateway(failure=Failure(code="insufficient_funds")))
    await recovery_run.begin_with_failure()
    for name, reason in (
        ("pause", "1"), ("retry_now", "2 refused"), ("pause", "3 idle"), ("resume", "4"), ("review", "5 refused"),
    ):  # fmt: skip
        await recovery_run.running_handle.signal(name, {"actor": "ann", "reason": reason})
    await recovery_runs.start_workers(recovery_run, between=[losses])
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED, (
        "the idle pause must not pause anew behind the resume"
    )
    assert losses.all_happened
    assert operator_reasons(recovery_run) == ["1", "2 refused", "3 idle", "4", "5 refused"]
    assert [record.data.get("refused") for record in recovery_run.records if record.type in COMMAND_EVENT_TYPES] == [
        None, "paused", None, None, "not_in_review",
    ]  # fmt: skip


async def test_interleaved_updates_and_signals_survive_lost_tasks(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(interceptors=[TaskLosses(2, 6)])
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    for number in range(4):
        ann = {"actor": "ann", "reason": f"u{number}"}
        await recovery_run.running_handle.signal("pause", {"actor": "bob", "reason": f"s{number}"})
        status = await recovery_run.submit_update("resume", Command(action=Action.RESUME, **ann))
        assert status.state is State.WAITING
    assert operator_reasons(recovery_run) == [f"{kind}{number}" for number in range(4) for kind in "su"]
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED


async def test_signal_ids_survive_continue_as_new(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(interceptors=[TaskLosses(4)])
    await recovery_run.begin_with_failure(history_limit=30)
    signals = [f"{name} {number}" for number in range(6) for name in ("pause", "resume")]
    for reason in signals:
        await recovery_run.running_handle.signal(reason.split()[0], {"actor": "ann", "reason": reason})
        await recovery_run.advance_clock(timedelta(minutes=1))
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert operator_reasons(recovery_run) == signals
    runs = {
        str(record.data["signal"]).split(":")[0]
        for record in recovery_run.records
        if record.type in COMMAND_EVENT_TYPES
    }
    assert len(runs) > 1, "the run was to begin anew among the signals"
