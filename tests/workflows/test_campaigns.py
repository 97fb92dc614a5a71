"""Whole recoveries over weeks: what is charged when, and how it ends."""

from datetime import timedelta

import pytest

from core.contracts import Action, Command, RecoveryStatus
from core.events import EventType, State
from core.payments import ChargeResult, EventKind, Failure, InvoiceStatus, Outcome, ProviderEvent, Risk
from tests.support.builders import DAY, HOUR, a_failure_event, an_event, data_without_policy
from tests.support.gateway import SUCCEED, UNKNOWN, decline_result, idempotency_keys
from tests.workflows.conftest import RecoveryRun, RecoveryRuns

OPENING = ["payment.failed", "failure.classified", "customer.segmented", "fraud.assessed"]


def charge_times(campaign: RecoveryRun) -> list[float]:
    """Hours from the first failure to each charge."""
    failed_at = campaign.first_record(EventType.PAYMENT_FAILED).occurred_at
    return [(row.occurred_at - failed_at) / HOUR for row in campaign.all_records_of(EventType.CHARGE_REQUESTED)]


async def assert_ended(campaign: RecoveryRun, state: State, reason: str) -> RecoveryStatus:
    """It ends like this, and the log says so last."""
    status = await campaign.wait_for_end()
    assert status.state is state
    assert data_without_policy(campaign.records[-1]) == {"reason": reason, "state": state.value}
    return status


async def test_the_reference_story_a_soft_decline_is_retried_after_three_hours_and_recovered(
    campaigns: RecoveryRuns,
) -> None:
    campaign = await campaigns("generic_decline", script=[SUCCEED])
    await campaign.begin_with_failure()

    await assert_ended(campaign, State.RECOVERED, "charged")
    closing = ["charge.requested", "charge.succeeded", "recovery.closed"]
    assert campaign.event_types == [*OPENING, "retry.planned", *closing]
    assert 3 <= charge_times(campaign)[0] <= 3.31
    assert campaign.gateway.success_count == 1


async def test_insufficient_funds_climbs_the_ladder_until_the_budget_is_used(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(script=[decline_result("insufficient_funds")] * 9)
    await campaign.begin_with_failure()

    await assert_ended(campaign, State.EXHAUSTED, "budget")
    gaps = [
        after - before for before, after in zip([0.0, *charge_times(campaign)], charge_times(campaign), strict=False)
    ]
    assert [round(gap) for gap in gaps] == pytest.approx([3, 25, 75, 176], rel=0.08)
    assert len(set(idempotency_keys(campaign.gateway.orders))) == 4
    assert [row.attempt for row in campaign.all_records_of(EventType.CHARGE_REQUESTED)] == [1, 2, 3, 4]


@pytest.mark.parametrize("code", ["lost_card", "expired_card", "authentication_required"])
async def test_what_no_retry_can_mend_waits_for_the_customer_and_a_new_method_is_tried_at_once(
    campaigns: RecoveryRuns, code: str
) -> None:
    campaign = await campaigns(code)
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(2 * DAY)
    assert campaign.gateway.orders == []
    assert (await campaign.running_handle.query("status", result_type=RecoveryStatus)).state is State.AWAITING_CUSTOMER

    await campaign.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_new"))

    await assert_ended(campaign, State.RECOVERED, "charged")
    (order,) = campaign.gateway.orders
    assert order.method_id == "pm_new"
    assert campaign.first_record(EventType.CHARGE_REQUESTED).data["trigger"] == "payment_method_change"


async def test_a_customer_who_never_acts_loses_the_recovery_at_the_deadline(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns("lost_card")
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.EXHAUSTED, "customer_deadline")
    assert campaign.gateway.orders == []


async def test_a_stop_instruction_ends_it_at_once(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns("revocation_of_authorization")
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.BLOCKED, "stop_instruction")
    assert campaign.event_types == [*OPENING, "retry.skipped", "recovery.closed"]


async def test_fraud_waits_for_a_review_that_nobody_gives(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns("fraudulent", risk=Risk(level="highest"))
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.BLOCKED, "review_overdue")
    assert campaign.gateway.orders == []


async def test_an_unknown_code_follows_the_most_careful_ladder(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns("never_heard_of")
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert campaign.first_record(EventType.FAILURE_CLASSIFIED).data["cause"] == "UNKNOWN"
    assert charge_times(campaign)[0] >= 24


async def test_a_velocity_limit_cools_down_first(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns("card_velocity_exceeded")
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert 24 <= charge_times(campaign)[0] <= 26.5


async def test_an_advice_to_wait_is_honoured_over_the_ladder(campaigns: RecoveryRuns) -> None:
    failure = Failure(code="insufficient_funds", network="mastercard", network_code="51", network_advice="28")
    campaign = await campaigns(failure=failure)
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert charge_times(campaign)[0] >= 144


async def test_a_setting_of_ours_goes_to_the_operators_and_approval_means_one_attempt(campaigns: RecoveryRuns) -> None:
    from core.contracts import Action, Command

    campaign = await campaigns("testmode_decline")
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    approval = Command(action=Action.REVIEW, actor="ann", reason="key mended", decision="approve")
    assert (await campaign.submit_update("review", approval)).state is not State.IN_REVIEW
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert data_without_policy(campaign.first_record(EventType.REVIEWED)) == {
        "actor": "ann",
        "reason": "key mended",
        "decision": "approve",
    }


async def test_a_paid_invoice_is_never_charged_even_when_the_payment_was_not_announced(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns()
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    campaign.gateway.set_status(InvoiceStatus.PAID)
    await assert_ended(campaign, State.RECOVERED, "paid_elsewhere")
    assert campaign.gateway.orders == []


async def test_a_failure_that_comes_after_the_payment_finds_the_invoice_paid(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns()
    campaign.gateway.set_status(InvoiceStatus.PAID)
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.RECOVERED, "paid_elsewhere")
    assert campaign.event_types == ["payment.failed", "invoice.paid_elsewhere", "recovery.closed"]


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
async def test_a_word_from_the_provider_ends_the_sleep(
    campaigns: RecoveryRuns, kind: EventKind, state: State, reason: str
) -> None:
    campaign = await campaigns()
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(HOUR)
    await campaign.send_event(an_event(kind, occurred_at=now))
    await assert_ended(campaign, state, reason)
    assert campaign.gateway.orders == []


async def test_while_the_provider_retries_by_itself_we_stand_down(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns()
    now = await campaign.begin_with_failure()
    in_two_days = now + 2 * DAY
    campaign.gateway.invoice = campaign.gateway.invoice.model_copy(update={"next_provider_attempt": in_two_days})

    await assert_ended(campaign, State.RECOVERED, "charged")
    skipped = campaign.first_record(EventType.RETRY_SKIPPED)
    assert skipped.data["reason"] == "provider_retry"
    assert campaign.first_record(EventType.CHARGE_REQUESTED).occurred_at > in_two_days


async def test_a_retry_of_the_provider_is_a_new_failure_and_several_events_about_it_are_one(
    campaigns: RecoveryRuns,
) -> None:
    campaign = await campaigns("generic_decline")
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(HOUR)
    for event_id in ("evt_2a", "evt_2b"):
        await campaign.send_event(a_failure_event(occurred_at=now, event_id=event_id, provider_attempt=2))
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert campaign.event_types.count("payment.failed") == 2
    assert campaign.event_types.count("retry.planned") == 2
    assert charge_times(campaign)[0] >= 4


async def test_a_charge_without_an_answer_is_read_and_repeated_with_its_key(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(script=[UNKNOWN])
    campaign.gateway.reconciliations = [UNKNOWN, UNKNOWN, ChargeResult(outcome=Outcome.SUCCEEDED, charge_id="ch_1")]
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert campaign.event_types[-4:] == ["charge.requested", "charge.unknown", "charge.reconciled", "recovery.closed"]
    assert len(campaign.gateway.orders) == 3
    assert len(set(idempotency_keys(campaign.gateway.orders))) == 1
    assert len({order.model_dump_json() for order in campaign.gateway.orders}) == 1


async def test_after_the_key_has_expired_a_charge_is_only_read_until_it_is_known(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(script=[UNKNOWN, SUCCEED])
    never = ChargeResult(outcome=Outcome.NOT_CHARGED, reason="no_trace")
    campaign.gateway.reconciliations = [UNKNOWN] * 34 + [never]
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.RECOVERED, "charged")
    first, *_, second = campaign.gateway.orders
    repeated = [order for order in campaign.gateway.orders if order.idempotency_key == first.idempotency_key]
    assert second.attempt == 2
    assert campaign.first_record(EventType.CHARGE_RECONCILED).data["outcome"] == "not_charged"
    assert 25 < len(repeated) < 32


async def test_a_provider_without_keys_is_never_asked_twice(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(script=[UNKNOWN], idempotency=None)
    campaign.gateway.reconciliations = [UNKNOWN] * 3 + [ChargeResult(outcome=Outcome.SUCCEEDED, charge_id="tx_1")]
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert len(campaign.gateway.orders) == 1


async def test_what_a_provider_without_keys_never_shows_a_person_decides(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(script=[UNKNOWN, SUCCEED], idempotency=None)
    await campaign.begin_with_failure()
    await campaign.advance_clock(2 * DAY)
    assert campaign.event_types[-3:] == ["charge.requested", "charge.unknown", "retry.skipped"]
    status = await campaign.submit_update("review", Command(action=Action.REVIEW, decision="approve"))
    assert status.attempt == 1
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert idempotency_keys(campaign.gateway.orders) == [f"pri-stripe-{campaign.invoice_id}-{n}" for n in (1, 2)]
    assert campaign.first_record(EventType.CHARGE_RECONCILED).data["evidence"] == "operator"


async def failure_event_with_method(campaign: RecoveryRun) -> ProviderEvent:
    """Of a provider that can't be asked which method failed: its event is all there is."""
    failure = Failure(code="insufficient_funds", method_id="pm_1")
    return a_failure_event(occurred_at=await campaign.environment.get_current_time(), failure=failure)


async def test_a_provider_that_cannot_be_read_tells_by_webhook_what_became_of_a_charge(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(script=[UNKNOWN], can_read=False, away=99)
    await campaign.begin_with_failure(await failure_event_with_method(campaign))
    with campaign.environment.auto_time_skipping_disabled():
        await campaign.environment.sleep(4 * HOUR)
        assert campaign.event_types[-2:] == ["charge.requested", "charge.unknown"]
        (key,) = set(idempotency_keys(campaign.gateway.orders))
        now = await campaign.environment.get_current_time()
        await campaign.send_event(
            an_event(EventKind.INVOICE_PAID, occurred_at=now, idempotency_key=key, payment_id="psp_1")
        )
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert campaign.first_record(EventType.CHARGE_RECONCILED).data["evidence"] == "webhook"
    assert campaign.gateway.away == 99, "never read"


async def test_a_recovery_may_begin_where_the_providers_own_retries_end(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(can_read=False)
    event = await failure_event_with_method(campaign)
    await campaign.send_event(event.model_copy(update={"kind": EventKind.PROVIDER_STOPPED}))
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert charge_times(campaign) == pytest.approx([3], rel=0.11)


async def test_a_provider_that_is_away_delays_and_costs_no_attempt(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns()
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    campaign.gateway.away = 25
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert campaign.event_types.count("charge.requested") == 1


@pytest.mark.parametrize("asked", [timedelta(minutes=2), timedelta(minutes=40)])
async def test_the_wait_that_a_busy_provider_asks_for_is_honoured(campaigns: RecoveryRuns, asked: timedelta) -> None:
    """Shorter than the activity's patience or longer: never sooner, with the same key, and no attempt is lost."""
    campaign = await campaigns()
    campaign.gateway.busy = [asked] * 3
    await campaign.begin_with_failure()
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert len(idempotency_keys(campaign.gateway.orders)) == 4
    assert len(set(idempotency_keys(campaign.gateway.orders))) == 1
    asked_for, landed = (
        campaign.first_record(EventType.CHARGE_REQUESTED),
        campaign.first_record(EventType.CHARGE_SUCCEEDED),
    )
    assert 3 * asked <= landed.occurred_at - asked_for.occurred_at < 4 * asked


async def test_a_long_history_begins_anew_and_goes_on_from_the_log(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(script=[decline_result("insufficient_funds")] * 2 + [SUCCEED])
    now = await campaign.environment.get_current_time()
    await campaign.send_event(a_failure_event(occurred_at=now), history_limit=25)
    first_run = campaign.running_handle.first_execution_run_id
    await assert_ended(campaign, State.RECOVERED, "charged")
    assert (await campaign.running_handle.describe()).run_id != first_run
    assert [row.attempt for row in campaign.all_records_of(EventType.CHARGE_REQUESTED)] == [1, 2, 3]
    assert campaign.event_types.count("payment.failed") == 1


async def test_sequences_have_no_gap_and_states_follow_each_other(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(script=[decline_result("insufficient_funds"), SUCCEED])
    await campaign.begin_with_failure()
    await campaign.wait_for_end()
    assert [row.sequence for row in campaign.records] == list(range(1, len(campaign.records) + 1))
    for before, after in zip(campaign.records, campaign.records[1:], strict=False):
        assert after.from_state == before.to_state


async def test_a_whole_campaign_of_weeks_takes_seconds(campaigns: RecoveryRuns) -> None:
    campaign = await campaigns(script=[decline_result("generic_decline")] * 9)
    failed_at = await campaign.begin_with_failure()
    await campaign.wait_for_end()
    assert campaign.records[-1].occurred_at - failed_at > timedelta(days=10)
