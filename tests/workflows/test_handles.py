"""Signals and updates to recoveries at the moment they end."""

from datetime import timedelta

import pytest

from core.errors import NotFound
from core.events import State
from core.operators import Action, Command
from tests.support.builders import HOUR
from tests.workflows.conftest import RecoveryRun, RecoveryRuns
from workflows.handles import TemporalRecoveryRuns

NO_PATIENCE = timedelta(0)


async def canceled_run(recovery_runs: RecoveryRuns, command: Command) -> RecoveryRun:
    """A recovery that this command has ended."""
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    await TemporalRecoveryRuns(recovery_run.environment.client).submit_command(
        recovery_run.running_handle.id, command, timedelta(seconds=20)
    )
    await recovery_run.wait_for_end()
    return recovery_run


async def test_command_that_ended_the_recovery_returns_its_effect(recovery_runs: RecoveryRuns) -> None:
    """The caller's timeout ended too early: the signal that is sent instead finds no run."""
    command = Command(action=Action.CANCEL, actor="ann", request_id="req_1")
    recovery_run = await canceled_run(recovery_runs, command)
    recoveries = TemporalRecoveryRuns(recovery_run.environment.client)
    status = await recoveries.submit_command(recovery_run.running_handle.id, command, NO_PATIENCE)
    assert status
    assert status.state is State.CANCELED


async def test_command_to_an_ended_run_is_not_found(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await canceled_run(recovery_runs, Command(action=Action.CANCEL, actor="ann"))
    recoveries = TemporalRecoveryRuns(recovery_run.environment.client)
    with pytest.raises(NotFound):
        await recoveries.submit_command(
            recovery_run.running_handle.id, Command(action=Action.PAUSE, actor="ann"), NO_PATIENCE
        )
