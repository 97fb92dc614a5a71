"""The causes that test_recoveries.py doesn't cover: what is charged when, and how each recovery ends."""

from contextlib import AsyncExitStack

import pytest
from temporalio.testing import WorkflowEnvironment

from core.classification.tables import DeclineTables
from core.contracts import RecoveryStatus
from core.events import EventType, State
from core.operators import Action, Command
from core.payments import EventKind, InvoiceStatus
from core.policy.policy import Policy
from tests.support.builders import DAY, HOUR, an_event
from tests.support.gateway import decline_result
from tests.workflows.conftest import RecoveryRuns, shipped_sources
from tests.workflows.test_recoveries import assert_ended, charge_times


async def test_a_technical_failure_is_tried_again_after_three_hours_and_a_day(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("processing_error", script=[decline_result("processing_error")])
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert recovery_run.first_record(EventType.FAILURE_CLASSIFIED).data["cause"] == "TECHNICAL"
    first, second = charge_times(recovery_run)
    assert 3 <= first <= 3.31
    assert 24 <= second - first <= 26.5


async def test_a_limit_of_the_providers_api_is_over_within_the_hour(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("rate_limit")
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert recovery_run.first_record(EventType.FAILURE_CLASSIFIED).data["cause"] == "API_LIMIT"
    assert 0.25 <= charge_times(recovery_run)[0] <= 1


async def test_a_duplicate_waits_a_day_and_is_not_charged_when_its_twin_has_paid(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("duplicate_transaction")
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    assert recovery_run.first_record(EventType.FAILURE_CLASSIFIED).data["cause"] == "DUPLICATE"
    recovery_run.gateway.set_status(InvoiceStatus.PAID)
    await assert_ended(recovery_run, State.RECOVERED, "paid_elsewhere")
    assert recovery_run.gateway.orders == []


async def test_an_approved_fraud_case_is_charged_on_another_card_only(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("fraudulent")
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(DAY)
    approval = Command(action=Action.REVIEW, actor="ann", reason="known", decision="approve")
    assert (await recovery_run.submit_update("review", approval)).state is State.AWAITING_CUSTOMER
    now = await recovery_run.advance_clock(DAY)
    assert recovery_run.gateway.orders == []
    await recovery_run.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_new"))
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert [order.method_id for order in recovery_run.gateway.orders] == ["pm_new"]


@pytest.mark.parametrize("decline", ["lost_card", "fraudulent"])
async def test_a_retry_that_meets_a_worse_refusal_ends_the_retries(recovery_runs: RecoveryRuns, decline: str) -> None:
    recovery_run = await recovery_runs(script=[decline_result(decline)])
    await recovery_run.begin_with_failure()
    status = await recovery_run.wait_for_end()
    assert status.state in {State.EXHAUSTED, State.BLOCKED}
    assert len(recovery_run.gateway.orders) == 1


async def test_recorded_decisions_survive_emptied_tables_and_policy(
    time_server: WorkflowEnvironment,
) -> None:
    """No run stays cached in these tests: every step replays all earlier ones, under other rules."""
    sources = shipped_sources()
    async with AsyncExitStack() as stack:
        recovery_run = await RecoveryRuns(time_server, sources, stack)("generic_decline")
        await recovery_run.begin_with_failure()
        await recovery_run.advance_clock(HOUR)
        sources.tables = DeclineTables({}, {}, {})
        sources.policy = _EmptyPolicySource(sources.policy.current_policy())  # type: ignore[assignment]
        status = await recovery_run.running_handle.query("status", result_type=RecoveryStatus)
        assert (status.state, status.cause) == (State.WAITING, "GENERIC")
        await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert 3 <= charge_times(recovery_run)[0] <= 3.31
    assert recovery_run.event_types.count("retry.planned") == 1


class _EmptyPolicySource:
    """A policy that retries nothing and has one segment."""

    def __init__(self, policy: Policy) -> None:
        policy_fields = {"strategies": {}, "attempts_allowed": 0, "window_days": 1}
        only = policy.segments[-1].model_copy(update=policy_fields)
        self._policy = policy.model_copy(update={"version": "0" * 12, "segments": (only,), "strategies": {}})

    def current_policy(self) -> Policy:
        return self._policy
