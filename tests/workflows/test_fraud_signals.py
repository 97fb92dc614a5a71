"""A burst of failures around one card: alone it holds nothing, with another signal it needs a review."""

from datetime import timedelta

from core.contracts import PlanInput
from core.events import EventType, State
from core.fraud.rules import FraudRules
from core.fraud.signals import Velocity
from core.payments import Risk
from lookups.fraud_signals import FraudSignalLookup
from tests.workflows.conftest import RecoveryRuns


async def burst_velocity(_: PlanInput, __: FraudRules) -> Velocity:
    """Velocity counts as card testing produces them."""
    return Velocity(cards_of_customer=9, customers_on_card=8, failures_in_burst=30)


async def test_velocity_alone_holds_no_recovery(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(fraud_signals=FraudSignalLookup(burst_velocity))
    await recovery_run.begin_with_failure()
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    data = recovery_run.first_record(EventType.FRAUD_ASSESSED).data
    assert (data["level"], data["score"], len(data["reasons"])) == ("clear", 30, 3)


async def test_velocity_with_elevated_risk_needs_a_review_that_may_expire(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(fraud_signals=FraudSignalLookup(burst_velocity), risk=Risk(level="elevated"))
    started_at = await recovery_run.begin_with_failure()
    status = await recovery_run.wait_for_end()
    assert recovery_run.gateway.orders == [], "nothing is charged"
    assert status.state is State.BLOCKED
    assert recovery_run.records[-1].data["reason"] == "review_overdue"
    assert "in_review" in {record.to_state.value for record in recovery_run.records}
    assert timedelta(days=5) <= recovery_run.records[-1].occurred_at - started_at < timedelta(days=6)
    assert recovery_run.first_record(EventType.FRAUD_ASSESSED).data["level"] == "review"
