"""Pause, resume and cancel while a charge waits for its turn: the row is there at once, and nothing is requested."""

import asyncio
import time

import pytest

from core.events import State
from core.operators import Action, Command
from tests.support.builders import DAY
from tests.support.gateway import decline_result
from tests.workflows.conftest import RecoveryRun, RecoveryRuns
from tests.workflows.waiting_charge import waiting_charge

LONGEST_ANSWER = 2.0
"""Seconds after which an operator has the answer, although the charge waits for longer."""


def command_of(action: Action) -> Command:
    """A command of operator Ann."""
    return Command(action=action, actor="ann", reason="customer called")


async def submit_timed(recovery_run: RecoveryRun, action: Action) -> State:
    """The state after the command. Fails where the answer takes too long."""
    began = time.monotonic()
    status = await recovery_run.submit_update(action.value, command_of(action))
    assert time.monotonic() - began < LONGEST_ANSWER
    return status.state


async def test_a_cancel_ends_the_recovery_while_its_charge_waits(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    async with waiting_charge(recovery_run):
        assert await submit_timed(recovery_run, Action.CANCEL) is State.CANCELED
        assert recovery_run.event_types[-2:] == ["operator.cancel_requested", "recovery.closed"]
    assert (await recovery_run.wait_for_end()).state is State.CANCELED
    assert recovery_run.gateway.orders == []
    assert "charge.requested" not in recovery_run.event_types


async def test_a_pause_holds_the_charge_that_waits_and_resume_makes_it(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    async with waiting_charge(recovery_run) as turn:
        assert await submit_timed(recovery_run, Action.PAUSE) is State.PAUSED
        assert recovery_run.event_types[-1] == "operator.paused"
        turn.set()
    await recovery_run.advance_clock(2 * DAY)
    assert recovery_run.gateway.orders == []
    await recovery_run.submit_update("resume", command_of(Action.RESUME))
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert len(recovery_run.gateway.orders) == 1


async def test_pause_and_resume_beside_a_charge_lose_nothing(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    async with waiting_charge(recovery_run):
        for action in (Action.PAUSE, Action.RESUME, Action.PAUSE, Action.RESUME):
            await submit_timed(recovery_run, action)
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert len(recovery_run.gateway.orders) == 1
    assert recovery_run.event_types.count("charge.requested") == 1


@pytest.mark.parametrize("action", [Action.PAUSE, Action.CANCEL])
async def test_behind_the_request_the_command_waits_for_the_answer(recovery_runs: RecoveryRuns, action: Action) -> None:
    recovery_run = await recovery_runs(script=[decline_result("insufficient_funds")])
    sent, answered, charge = asyncio.Event(), asyncio.Event(), recovery_run.gateway.charge

    async def charge_slowly(order: object) -> object:
        sent.set()
        await answered.wait()
        return await charge(order)  # type: ignore[arg-type]

    recovery_run.gateway.charge = charge_slowly  # type: ignore[assignment,method-assign]
    async with waiting_charge(recovery_run) as turn:
        turn.set()
        await asyncio.wait_for(sent.wait(), 30)
        command = asyncio.create_task(recovery_run.submit_update(action.value, command_of(action)))
        await asyncio.sleep(1)
        assert recovery_run.event_types[-1] == "charge.requested"
        answered.set()
        await asyncio.wait_for(command, 30)
    types = recovery_run.event_types
    assert types.index("charge.declined") < types.index(f"operator.{_ROWS[action]}")
    if action is Action.PAUSE:
        await recovery_run.submit_update("cancel", command_of(Action.CANCEL))
    assert (await recovery_run.wait_for_end()).state is State.CANCELED
    assert len(recovery_run.gateway.orders) == 1


_ROWS = {Action.PAUSE: "paused", Action.CANCEL: "cancel_requested"}
