"""A recovery is ended while a charge is in flight: it is read sooner and more often, never sent again, then over."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from core.events import EventType, State
from core.operators import Action, Command
from core.payments import ChargeOrder, ChargeResult, EventKind, Outcome
from tests.support.builders import HOUR, an_event
from tests.support.gateway import UNKNOWN
from tests.workflows.conftest import RecoveryRun, RecoveryRuns

NO_TRACE = ChargeResult(outcome=Outcome.UNKNOWN, reason="not_settled", no_attempt=True)
SECOND = timedelta(seconds=1)


async def cancel_by_update(recovery_run: RecoveryRun) -> None:
    """An operator cancels over the API, and hears at once what is waited for."""
    status = await recovery_run.submit_update("cancel", Command(action=Action.CANCEL, actor="ann"))
    assert status.state is State.CHARGING
    assert status.until
    assert "not sent again" in status.doing


async def cancel_by_temporal(recovery_run: RecoveryRun) -> None:
    """Temporal's own cancel request."""
    await recovery_run.running_handle.cancel()


async def delete_customer(recovery_run: RecoveryRun) -> None:
    """The provider's event ends it."""
    now = await recovery_run.environment.get_current_time()
    await recovery_run.send_event(an_event(EventKind.CUSTOMER_DELETED, occurred_at=now))


def count_reads(recovery_run: RecoveryRun) -> list[ChargeOrder]:
    """The orders that are read from now on."""
    reads: list[ChargeOrder] = []
    reconcile = recovery_run.gateway.reconcile

    async def counted(_: ChargeOrder) -> ChargeResult:
        reads.append(_)
        return await reconcile(_)

    recovery_run.gateway.reconcile = counted  # type: ignore[method-assign]
    return reads


@pytest.mark.parametrize("end", [cancel_by_update, cancel_by_temporal, delete_customer])
async def test_lost_charge_is_over_two_minutes_after_the_end(
    recovery_runs: RecoveryRuns, end: Callable[[RecoveryRun], Awaitable[None]]
) -> None:
    recovery_run = await recovery_runs(script=[UNKNOWN], reconciliations=[NO_TRACE] * 99)
    await recovery_run.begin_with_failure()
    with recovery_run.environment.auto_time_skipping_disabled():
        await recovery_run.environment.sleep(6 * HOUR)
        assert recovery_run.event_types[-1] == "charge.unknown"
        sent, reads = len(recovery_run.gateway.orders), count_reads(recovery_run)
        await end(recovery_run)
    assert (await recovery_run.wait_for_end()).state is State.CANCELED
    assert len(recovery_run.gateway.orders) == sent, "nothing is sent after the end"
    assert recovery_run.event_types[-2:] == ["charge.reconciled", "recovery.closed"]
    asked, over = recovery_run.records[-3], recovery_run.first_record(EventType.RECOVERY_CLOSED)
    assert timedelta(minutes=2) <= over.occurred_at - asked.occurred_at < timedelta(minutes=2) + 20 * SECOND
    assert len(reads) == 6, "at once, after 5, 15, 30 and 60 seconds, and at the deadline"


async def test_success_that_a_read_finds_after_the_cancel_counts(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[UNKNOWN], reconciliations=[NO_TRACE] * 99)
    await recovery_run.begin_with_failure()
    with recovery_run.environment.auto_time_skipping_disabled():
        await recovery_run.environment.sleep(6 * HOUR)
        await cancel_by_update(recovery_run)
        recovery_run.gateway.reconciliations = [ChargeResult(outcome=Outcome.SUCCEEDED, charge_id="ch_1")]
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
