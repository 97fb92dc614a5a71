"""The causes that `test_campaigns` doesn't play: what is charged when, and how it ends."""

from contextlib import AsyncExitStack

import pytest
from temporalio.testing import WorkflowEnvironment

from core.classifier.tables import Tables
from core.contracts import Action, Command, RecoveryStatus
from core.events import EventType, State
from core.payments import EventKind, InvoiceStatus
from core.retry.policy import Policy
from tests.support.builders import DAY, HOUR, an_event
from tests.support.gateway import declined
from tests.workflows.conftest import Campaigns, shipped_knowledge
from tests.workflows.test_campaigns import charge_times, ended


async def test_a_technical_failure_is_tried_again_after_three_hours_and_a_day(campaigns: Campaigns) -> None:
    campaign = await campaigns("processing_error", script=[declined("processing_error")])
    await campaign.begin()
    await ended(campaign, State.RECOVERED, "charged")
    assert campaign.first(EventType.FAILURE_CLASSIFIED).data["cause"] == "TECHNICAL"
    first, second = charge_times(campaign)
    assert 3 <= first <= 3.31
    assert 24 <= second - first <= 26.5


async def test_a_limit_of_the_providers_api_is_over_within_the_hour(campaigns: Campaigns) -> None:
    campaign = await campaigns("rate_limit")
    await campaign.begin()
    await ended(campaign, State.RECOVERED, "charged")
    assert campaign.first(EventType.FAILURE_CLASSIFIED).data["cause"] == "API_LIMIT"
    assert 0.25 <= charge_times(campaign)[0] <= 1


async def test_a_duplicate_waits_a_day_and_is_not_charged_when_its_twin_has_paid(campaigns: Campaigns) -> None:
    campaign = await campaigns("duplicate_transaction")
    await campaign.begin()
    await campaign.after(HOUR)
    assert campaign.first(EventType.FAILURE_CLASSIFIED).data["cause"] == "DUPLICATE"
    campaign.gateway.becomes(InvoiceStatus.PAID)
    await ended(campaign, State.RECOVERED, "paid_elsewhere")
    assert campaign.gateway.orders == []


async def test_an_approved_fraud_case_is_charged_on_another_card_only(campaigns: Campaigns) -> None:
    campaign = await campaigns("fraudulent")
    await campaign.begin()
    await campaign.after(DAY)
    approval = Command(action=Action.REVIEW, actor="ann", reason="known", decision="approve")
    assert (await campaign.ask("review", approval)).state is State.AWAITING_CUSTOMER
    now = await campaign.after(DAY)
    assert campaign.gateway.orders == []
    await campaign.say(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_new"))
    await ended(campaign, State.RECOVERED, "charged")
    assert [order.method_id for order in campaign.gateway.orders] == ["pm_new"]


@pytest.mark.parametrize("decline", ["lost_card", "fraudulent"])
async def test_a_retry_that_meets_a_worse_refusal_ends_the_retries(campaigns: Campaigns, decline: str) -> None:
    campaign = await campaigns(script=[declined(decline)])
    await campaign.begin()
    status = await campaign.end()
    assert status.state in {State.EXHAUSTED, State.BLOCKED}
    assert len(campaign.gateway.orders) == 1


async def test_what_is_decided_stays_decided_when_tables_and_policy_are_emptied(
    time_server: WorkflowEnvironment,
) -> None:
    """No run stays in memory in these tests: every step replays all that came before, under other rules."""
    knowledge = shipped_knowledge()
    async with AsyncExitStack() as stack:
        campaign = await Campaigns(time_server, knowledge, stack)("generic_decline")
        await campaign.begin()
        await campaign.after(HOUR)
        knowledge.tables = Tables({}, {}, {})
        knowledge.policy = _Emptied(knowledge.policy.current())  # type: ignore[assignment]
        asked = await campaign.run.query("status", result_type=RecoveryStatus)
        assert (asked.state, asked.cause) == (State.WAITING, "GENERIC")
        await ended(campaign, State.RECOVERED, "charged")
    assert 3 <= charge_times(campaign)[0] <= 3.31
    assert campaign.story.count("retry.planned") == 1


class _Emptied:
    """A policy that retries nothing and knows one segment."""

    def __init__(self, policy: Policy) -> None:
        nothing = {"strategies": {}, "attempts_allowed": 0, "window_days": 1}
        only = policy.segments[-1].model_copy(update=nothing)
        self._policy = policy.model_copy(update={"version": "0" * 12, "segments": (only,), "strategies": {}})

    def current(self) -> Policy:
        return self._policy
