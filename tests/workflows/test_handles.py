"""Reaching recoveries by Temporal, at awkward moments."""

from datetime import timedelta

import pytest

from core.contracts import Action, Command
from core.errors import NotFound
from core.events import State
from tests.support.builders import HOUR
from tests.workflows.conftest import RecoveryRun, RecoveryRuns
from workflows.handles import TemporalRecoveries

NO_PATIENCE = timedelta(0)


async def canceled_run(campaigns: RecoveryRuns, command: Command) -> RecoveryRun:
    """A recovery that ended by this wish."""
    campaign = await campaigns()
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    await TemporalRecoveries(campaign.environment.client).submit_command(
        campaign.running_handle.id, command, timedelta(seconds=20)
    )
    await campaign.wait_for_end()
    return campaign


async def test_a_command_that_ended_its_recovery_is_answered_by_its_effect(campaigns: RecoveryRuns) -> None:
    """The caller's patience ended a moment too early: the signal left behind finds nobody any more."""
    wish = Command(action=Action.CANCEL, actor="ann", request_id="req_1")
    campaign = await canceled_run(campaigns, wish)
    recoveries = TemporalRecoveries(campaign.environment.client)
    status = await recoveries.submit_command(campaign.running_handle.id, wish, NO_PATIENCE)
    assert status
    assert status.state is State.CANCELED


async def test_another_command_finds_nobody(campaigns: RecoveryRuns) -> None:
    campaign = await canceled_run(campaigns, Command(action=Action.CANCEL, actor="ann"))
    recoveries = TemporalRecoveries(campaign.environment.client)
    with pytest.raises(NotFound):
        await recoveries.submit_command(
            campaign.running_handle.id, Command(action=Action.PAUSE, actor="ann"), NO_PATIENCE
        )
