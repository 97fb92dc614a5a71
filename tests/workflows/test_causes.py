"""The causes that `test_campaigns` doesn't play: what is charged when, and how it ends."""

from contextlib import AsyncExitStack

import pytest
from temporalio.testing import WorkflowEnvironment

from core.classifier.tables import DeclineTables
from core.contracts import Action, Command, RecoveryStatus
from core.events import EventType, State
from core.payments import EventKind, InvoiceStatus
from core.retry.policy import Policy
from tests.support.builders import DAY, HOUR, an_event
from tests.support.gateway import decline_result
from tests.workflows.conftest import RecoveryRuns, shipped_knowledge
from tests.workflows.test_campaigns import assert_ended, charge_times


async def test_a_technical_failure_is_tried_again_after_three_hours_and_a_day(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns("processing_error", script=[decline_result("processing_error")])
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert campaign.first_record(EventType.FAILURE_CLASSIFIED).data["cause"] == "TECHNICAL"
    first, second = charge_times(campaign)
    assert 3 <= first <= 3.31
    assert 24 <= second - first <= 26.5


async def test_a_limit_of_the_providers_api_is_over_within_the_hour(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns("rate_limit")
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert campaign.first_record(EventType.FAILURE_CLASSIFIED).data["cause"] == "API_LIMIT"
    assert 0.25 <= charge_times(campaign)[0] <= 1


async def test_a_duplicate_waits_a_day_and_is_not_charged_when_its_twin_has_paid(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns("duplicate_transaction")
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    assert campaign.first_record(EventType.FAILURE_CLASSIFIED).data["cause"] == "DUPLICATE"
    campaign.gateway.set_status(InvoiceStatus.PAID)
    await assert_ended(campaign, State.RECOVERED, "paid_elsewhere")
    assert campaign.gateway.orders == []


async def test_an_approved_fraud_case_is_charged_on_another_card_only(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns("fraudulent")
    await campaign.begin_with_failure()
    await campaign.advance_clock(DAY)
    approval = Command(action=Action.REVIEW, actor="ann", reason="known", decision="approve")
    assert (await campaign.submit_update("review", approval)).state is State.AWAITING_CUSTOMER
    now = await campaign.advance_clock(DAY)
    assert campaign.gateway.orders == []
    await campaign.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_new"))
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert [order.method_id for order in campaign.gateway.orders] == ["pm_new"]


@pytest.mark.parametrize("decline", ["lost_card", "fraudulent"])
async def test_a_retry_that_meets_a_worse_refusal_ends_the_retries(campaigns: RecoveryRuns, decline: str) -> None:
    campaign = await campaigns(script=[decline_result(decline)])
    await campaign.begin_with_failure()
    status = await campaign.wait_for_end()
    assert status.state in {State.EXHAUSTED, State.BLOCKED}
    assert len(campaign.gateway.orders) == 1


async def test_what_is_decided_stays_decided_when_tables_and_policy_are_emptied(
    time_server: WorkflowEnvironment,
) -> None:
    """No run stays in memory in these tests: every step replays all that came before, under other rules."""
    knowledge = shipped_knowledge()
    async with AsyncExitStack() as stack:
        campaign = await RecoveryRuns(time_server, knowledge, stack)("generic_decline")
        await campaign.begin_with_failure()
        await campaign.advance_clock(HOUR)
        knowledge.tables = DeclineTables({}, {}, {})
        knowledge.policy = _EmptyPolicySource(knowledge.policy.current_policy())  # type: ignore[assignment]
        asked = await campaign.running_handle.query("status", result_type=RecoveryStatus)
        assert (asked.state, asked.cause) == (State.WAITING, "GENERIC")
        await assert_ended(campaign, State.RECOVERED, "charged")
    assert 3 <= charge_times(campaign)[0] <= 3.31
    assert campaign.event_types.count("retry.planned") == 1


class _EmptyPolicySource:
    """A policy that retries nothing and knows one segment."""

    def __init__(self, policy: Policy) -> None:
        nothing = {"strategies": {}, "attempts_allowed": 0, "window_days": 1}
        only = policy.segments[-1].model_copy(update=nothing)
        self._policy = policy.model_copy(update={"version": "0" * 12, "segments": (only,), "strategies": {}})

    def current_policy(self) -> Policy:
        return self._policy
