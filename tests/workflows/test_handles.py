"""Reaching recoveries by Temporal, at awkward moments."""

from datetime import timedelta

import pytest

from core.contracts import Action, Command
from core.errors import NotFound
from core.events import State
from tests.support.builders import HOUR
from tests.workflows.conftest import Campaign, Campaigns
from workflows.handles import TemporalRecoveries

NO_PATIENCE = timedelta(0)


async def canceled(campaigns: Campaigns, command: Command) -> Campaign:
    """A recovery that ended by this wish."""
    campaign = await campaigns()
    await campaign.begin()
    await campaign.after(HOUR)
    await TemporalRecoveries(campaign.environment.client).ask(campaign.run.id, command, timedelta(seconds=20))
    await campaign.end()
    return campaign


async def test_a_wish_that_ended_its_recovery_is_answered_by_its_effect(campaigns: Campaigns) -> None:
    """The caller's patience ended a moment too early: the signal left behind finds nobody any more."""
    wish = Command(action=Action.CANCEL, actor="ann", request_id="req_1")
    campaign = await canceled(campaigns, wish)
    recoveries = TemporalRecoveries(campaign.environment.client)
    status = await recoveries.ask(campaign.run.id, wish, NO_PATIENCE)
    assert status
    assert status.state is State.CANCELED


async def test_another_wish_finds_nobody(campaigns: Campaigns) -> None:
    campaign = await canceled(campaigns, Command(action=Action.CANCEL, actor="ann"))
    recoveries = TemporalRecoveries(campaign.environment.client)
    with pytest.raises(NotFound):
        await recoveries.ask(campaign.run.id, Command(action=Action.PAUSE, actor="ann"), NO_PATIENCE)
