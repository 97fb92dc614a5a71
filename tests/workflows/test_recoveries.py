"""Whole recoveries over weeks: what is charged when, and how each ends."""

from datetime import timedelta

import pytest

from core.contracts import RecoveryStatus
from core.events import EventType, State
from core.operators import Action, Command
from core.payments import ChargeResult, EventKind, Failure, InvoiceStatus, Outcome, ProviderEvent, Risk
from tests.support.builders import DAY, HOUR, a_failure_event, an_event, data_without_policy
from tests.support.gateway import SUCCEED, UNKNOWN, decline_result, idempotency_keys
from tests.workflows.conftest import RecoveryRun, RecoveryRuns

OPENING = ["payment.failed", "failure.classified", "customer.segmented", "fraud.assessed"]


def charge_times(recovery_run: RecoveryRun) -> list[float]:
    """The hours from the first failure to each charge."""
    failed_at = recovery_run.first_record(EventType.PAYMENT_FAILED).occurred_at
    return [(row.occurred_at - failed_at) / HOUR for row in recovery_run.all_records_of(EventType.CHARGE_REQUESTED)]


async def assert_ended(recovery_run: RecoveryRun, state: State, reason: str) -> RecoveryStatus:
    """The final status; asserts state and close reason, also in the last row."""
    status = await recovery_run.wait_for_end()
    assert status.state is state
    assert data_without_policy(recovery_run.records[-1]) == {"reason": reason, "state": state.value}
    return status


async def test_the_reference_story_a_soft_decline_is_retried_after_three_hours_and_recovered(
    recovery_runs: RecoveryRuns,
) -> None:
    recovery_run = await recovery_runs("generic_decline", script=[SUCCEED])
    await recovery_run.begin_with_failure()

    await assert_ended(recovery_run, State.RECOVERED, "charged")
    closing = ["charge.requested", "charge.succeeded", "recovery.closed"]
    assert recovery_run.event_types == [*OPENING, "retry.planned", *closing]
    assert 3 <= charge_times(recovery_run)[0] <= 3.31
    assert recovery_run.gateway.success_count == 1


async def test_insufficient_funds_follows_the_ladder_until_the_budget_is_used(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[decline_result("insufficient_funds")] * 9)
    await recovery_run.begin_with_failure()

    await assert_ended(recovery_run, State.EXHAUSTED, "budget")
    gaps = [
        after - before
        for before, after in zip([0.0, *charge_times(recovery_run)], charge_times(recovery_run), strict=False)
    ]
    assert [round(gap) for gap in gaps] == pytest.approx([3, 25, 75, 176], rel=0.08)
    assert len(set(idempotency_keys(recovery_run.gateway.orders))) == 4
    assert [row.attempt for row in recovery_run.all_records_of(EventType.CHARGE_REQUESTED)] == [1, 2, 3, 4]


@pytest.mark.parametrize("code", ["lost_card", "expired_card", "authentication_required"])
async def test_hard_decline_waits_for_the_customer_and_a_new_method_is_tried_at_once(
    recovery_runs: RecoveryRuns, code: str
) -> None:
    recovery_run = await recovery_runs(code)
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(2 * DAY)
    assert recovery_run.gateway.orders == []
    assert (
        await recovery_run.running_handle.query("status", result_type=RecoveryStatus)
    ).state is State.AWAITING_CUSTOMER

    await recovery_run.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_new"))

    await assert_ended(recovery_run, State.RECOVERED, "charged")
    (order,) = recovery_run.gateway.orders
    assert order.method_id == "pm_new"
    assert recovery_run.first_record(EventType.CHARGE_REQUESTED).data["trigger"] == "payment_method_change"


async def test_customer_deadline_ends_the_recovery(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("lost_card")
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.EXHAUSTED, "customer_deadline")
    assert recovery_run.gateway.orders == []


async def test_stop_instruction_ends_the_recovery_at_once(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("revocation_of_authorization")
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.BLOCKED, "stop_instruction")
    assert recovery_run.event_types == [*OPENING, "retry.skipped", "recovery.closed"]


async def test_fraud_review_expires(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("fraudulent", risk=Risk(level="highest"))
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.BLOCKED, "review_overdue")
    assert recovery_run.gateway.orders == []


async def test_unknown_code_follows_the_most_conservative_ladder(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("never_heard_of")
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert recovery_run.first_record(EventType.FAILURE_CLASSIFIED).data["cause"] == "UNKNOWN"
    assert charge_times(recovery_run)[0] >= 24


async def test_a_velocity_limit_cools_down_first(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("card_velocity_exceeded")
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert 24 <= charge_times(recovery_run)[0] <= 26.5


async def test_an_advice_to_wait_is_honoured_over_the_ladder(recovery_runs: RecoveryRuns) -> None:
    failure = Failure(code="insufficient_funds", network="mastercard", network_code="51", network_advice="28")
    recovery_run = await recovery_runs(failure=failure)
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert charge_times(recovery_run)[0] >= 144


async def test_configuration_failure_goes_to_review_and_approval_means_one_attempt(
    recovery_runs: RecoveryRuns,
) -> None:
    from core.operators import Action, Command

    recovery_run = await recovery_runs("testmode_decline")
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    approval = Command(action=Action.REVIEW, actor="ann", reason="key mended", decision="approve")
    assert (await recovery_run.submit_update("review", approval)).state is not State.IN_REVIEW
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert data_without_policy(recovery_run.first_record(EventType.REVIEWED)) == {
        "actor": "ann",
        "reason": "key mended",
        "decision": "approve",
    }


async def test_paid_invoice_is_never_charged_even_without_an_event(
    recovery_runs: RecoveryRuns,
) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    recovery_run.gateway.set_status(InvoiceStatus.PAID)
    await assert_ended(recovery_run, State.RECOVERED, "paid_elsewhere")
    assert recovery_run.gateway.orders == []


async def test_failure_event_after_the_payment_reads_the_invoice_as_paid(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    recovery_run.gateway.set_status(InvoiceStatus.PAID)
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.RECOVERED, "paid_elsewhere")
    assert recovery_run.event_types == ["payment.failed", "invoice.paid_elsewhere", "recovery.closed"]


@pytest.mark.parametrize(
    ("kind", "state", "reason"),
    [
        (EventKind.INVOICE_PAID, State.RECOVERED, "paid_elsewhere"),
        (EventKind.INVOICE_VOIDED, State.CANCELED, "voided"),
        (EventKind.INVOICE_UNCOLLECTIBLE, State.CANCELED, "uncollectible"),
        (EventKind.DISPUTE_OPENED, State.BLOCKED, "dispute"),
        (EventKind.FRAUD_WARNING, State.BLOCKED, "early_fraud_warning"),
    ],
)
async def test_provider_event_ends_the_wait(
    recovery_runs: RecoveryRuns, kind: EventKind, state: State, reason: str
) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(HOUR)
    await recovery_run.send_event(an_event(kind, occurred_at=now))
    await assert_ended(recovery_run, state, reason)
    assert recovery_run.gateway.orders == []


async def test_recovery_stands_back_while_the_provider_retries(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    now = await recovery_run.begin_with_failure()
    in_two_days = now + 2 * DAY
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(
        update={"next_provider_attempt": in_two_days}
    )

    await assert_ended(recovery_run, State.RECOVERED, "charged")
    skipped = recovery_run.first_record(EventType.RETRY_SKIPPED)
    assert skipped.data["reason"] == "provider_retry"
    assert recovery_run.first_record(EventType.CHARGE_REQUESTED).occurred_at > in_two_days


async def test_several_events_about_one_provider_retry_are_one_failure(
    recovery_runs: RecoveryRuns,
) -> None:
    recovery_run = await recovery_runs("generic_decline")
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(HOUR)
    for event_id in ("evt_2a", "evt_2b"):
        await recovery_run.send_event(a_failure_event(occurred_at=now, event_id=event_id, provider_attempt=2))
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert recovery_run.event_types.count("payment.failed") == 2
    assert recovery_run.event_types.count("retry.planned") == 2
    assert charge_times(recovery_run)[0] >= 4


async def test_a_charge_without_an_answer_is_read_and_repeated_with_its_key(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[UNKNOWN])
    recovery_run.gateway.reconciliations = [UNKNOWN, UNKNOWN, ChargeResult(outcome=Outcome.SUCCEEDED, charge_id="ch_1")]
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert recovery_run.event_types[-4:] == [
        "charge.requested",
        "charge.unknown",
        "charge.reconciled",
        "recovery.closed",
    ]
    assert len(recovery_run.gateway.orders) == 3
    assert len(set(idempotency_keys(recovery_run.gateway.orders))) == 1
    assert len({order.model_dump_json() for order in recovery_run.gateway.orders}) == 1


async def test_after_the_key_has_expired_a_charge_is_only_read_until_it_is_known(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[UNKNOWN, SUCCEED])
    never = ChargeResult(outcome=Outcome.NOT_CHARGED, reason="no_trace")
    recovery_run.gateway.reconciliations = [UNKNOWN] * 34 + [never]
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    first, *_, second = recovery_run.gateway.orders
    repeated = [order for order in recovery_run.gateway.orders if order.idempotency_key == first.idempotency_key]
    assert second.attempt == 2
    assert recovery_run.first_record(EventType.CHARGE_RECONCILED).data["outcome"] == "not_charged"
    assert 25 < len(repeated) < 32


async def test_provider_without_idempotency_keys_is_never_charged_twice(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[UNKNOWN], idempotency=None)
    recovery_run.gateway.reconciliations = [UNKNOWN] * 3 + [ChargeResult(outcome=Outcome.SUCCEEDED, charge_id="tx_1")]
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert len(recovery_run.gateway.orders) == 1


async def test_unresolvable_charge_without_idempotency_keys_goes_to_review(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[UNKNOWN, SUCCEED], idempotency=None)
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(2 * DAY)
    assert recovery_run.event_types[-3:] == ["charge.requested", "charge.unknown", "retry.skipped"]
    status = await recovery_run.submit_update("review", Command(action=Action.REVIEW, decision="approve"))
    assert status.attempt == 1
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert idempotency_keys(recovery_run.gateway.orders) == [
        f"pri-stripe-{recovery_run.invoice_id}-{n}" for n in (1, 2)
    ]
    assert recovery_run.first_record(EventType.CHARGE_RECONCILED).data["evidence"] == "operator"


async def failure_event_with_method(recovery_run: RecoveryRun) -> ProviderEvent:
    """The failure event of an unreadable provider, which names the failed method."""
    failure = Failure(code="insufficient_funds", method_id="pm_1")
    return a_failure_event(occurred_at=await recovery_run.environment.get_current_time(), failure=failure)


async def test_webhook_answers_a_charge_at_an_unreadable_provider(
    recovery_runs: RecoveryRuns,
) -> None:
    recovery_run = await recovery_runs(script=[UNKNOWN], can_read=False, away=99)
    await recovery_run.begin_with_failure(await failure_event_with_method(recovery_run))
    with recovery_run.environment.auto_time_skipping_disabled():
        await recovery_run.environment.sleep(4 * HOUR)
        assert recovery_run.event_types[-2:] == ["charge.requested", "charge.unknown"]
        (key,) = set(idempotency_keys(recovery_run.gateway.orders))
        now = await recovery_run.environment.get_current_time()
        await recovery_run.send_event(
            an_event(EventKind.INVOICE_PAID, occurred_at=now, idempotency_key=key, payment_id="psp_1")
        )
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert recovery_run.first_record(EventType.CHARGE_RECONCILED).data["evidence"] == "webhook"
    assert recovery_run.gateway.away == 99, "never read"


async def test_a_recovery_may_begin_where_the_providers_own_retries_end(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(can_read=False)
    event = await failure_event_with_method(recovery_run)
    await recovery_run.send_event(event.model_copy(update={"kind": EventKind.PROVIDER_STOPPED}))
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert charge_times(recovery_run) == pytest.approx([3], rel=0.11)


async def test_unavailable_provider_delays_and_costs_no_attempt(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    recovery_run.gateway.away = 25
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert recovery_run.event_types.count("charge.requested") == 1


@pytest.mark.parametrize("wait", [timedelta(minutes=2), timedelta(minutes=40)])
async def test_the_wait_that_a_busy_provider_asks_for_is_honoured(recovery_runs: RecoveryRuns, wait: timedelta) -> None:
    """Shorter or longer than the activity's timeout: never sooner, with the same key, without losing an attempt."""
    recovery_run = await recovery_runs()
    recovery_run.gateway.busy = [wait] * 3
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert len(idempotency_keys(recovery_run.gateway.orders)) == 4
    assert len(set(idempotency_keys(recovery_run.gateway.orders))) == 1
    asked_for, landed = (
        recovery_run.first_record(EventType.CHARGE_REQUESTED),
        recovery_run.first_record(EventType.CHARGE_SUCCEEDED),
    )
    assert 3 * wait <= landed.occurred_at - asked_for.occurred_at < 4 * wait


async def test_long_history_continues_as_new_from_the_log(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[decline_result("insufficient_funds")] * 2 + [SUCCEED])
    now = await recovery_run.environment.get_current_time()
    await recovery_run.send_event(a_failure_event(occurred_at=now), history_limit=25)
    first_run = recovery_run.running_handle.first_execution_run_id
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert (await recovery_run.running_handle.describe()).run_id != first_run
    assert [row.attempt for row in recovery_run.all_records_of(EventType.CHARGE_REQUESTED)] == [1, 2, 3]
    assert recovery_run.event_types.count("payment.failed") == 1


async def test_sequences_have_no_gap_and_states_follow_each_other(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[decline_result("insufficient_funds"), SUCCEED])
    await recovery_run.begin_with_failure()
    await recovery_run.wait_for_end()
    assert [row.sequence for row in recovery_run.records] == list(range(1, len(recovery_run.records) + 1))
    for before, after in zip(recovery_run.records, recovery_run.records[1:], strict=False):
        assert after.from_state == before.to_state


async def test_recovery_of_weeks_takes_seconds(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs(script=[decline_result("generic_decline")] * 9)
    failed_at = await recovery_run.begin_with_failure()
    await recovery_run.wait_for_end()
    assert recovery_run.records[-1].occurred_at - failed_at > timedelta(days=10)
