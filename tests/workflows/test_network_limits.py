"""A recovery whose card has reached its network's limit waits, or ends with the reason."""

from datetime import datetime
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from core.card_networks.rules import AttemptOutcome, LedgerEntry
from core.contracts import RecoveryStatus
from core.events import EventType, State, format_timestamp, parse_timestamp
from core.operators import Action, Command
from core.payments import Card, EventKind, Failure
from tests.support.builders import DAY, HOUR, an_event
from tests.support.gateway import decline_result
from tests.workflows.conftest import RecoveryRun, RecoveryRuns
from tests.workflows.test_recoveries import assert_ended, charge_times

ALLOWED_TRIES = 20
"""Visa, per card and amount in thirty days."""


def add_used_tries(recovery_run: RecoveryRun, at: datetime, count: int = ALLOWED_TRIES, **more: Any) -> None:
    """Adds tries of this card at that time by recoveries of other invoices."""
    defaults: dict[str, Any] = {"fingerprint": "fp_1", "network": "visa", "amount": 4900, "currency": "EUR"}
    for number in range(count):
        entry = LedgerEntry(
            recovery_id=f"recovery-stripe-in_other_{format_timestamp(at)}_{number}", key="failure-1", provider="stripe",
            at=at, trigger="provider", outcome=AttemptOutcome.DECLINED, **defaults | more,
        )  # fmt: skip
        recovery_run.log.ledger[entry.recovery_id, entry.key] = entry


async def test_plan_is_moved_to_the_time_the_network_window_frees_up(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("generic_decline")
    freed = await recovery_run.environment.get_current_time() + 5 * DAY
    add_used_tries(recovery_run, freed - 30 * DAY)
    await recovery_run.begin_with_failure()

    await assert_ended(recovery_run, State.RECOVERED, "charged")
    plan = recovery_run.first_record(EventType.RETRY_PLANNED)
    assert parse_timestamp(plan.data["at"]) == freed
    network_check = plan.data["network"]
    assert (network_check["rule"], network_check["used"], network_check["allowed"]) == ("visa_30d", 21, 20)
    assert (parse_timestamp(network_check["planned_at"]) or freed) < freed - 4 * DAY
    (charge,) = recovery_run.all_records_of(EventType.CHARGE_REQUESTED)
    assert freed <= charge.occurred_at < freed + HOUR / 60
    assert EventType.RETRY_SKIPPED.value not in recovery_run.event_types, "nothing was due that had to be skipped"


async def test_charge_at_the_network_limit_is_skipped_and_made_later(recovery_runs: RecoveryRuns) -> None:
    """When it was planned, tries were left; other invoices of the card used them."""
    recovery_run = await recovery_runs("generic_decline")
    start = await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    freed = start + 4 * DAY
    add_used_tries(recovery_run, freed - 30 * DAY)

    await assert_ended(recovery_run, State.RECOVERED, "charged")
    skipped = recovery_run.first_record(EventType.RETRY_SKIPPED)
    assert (skipped.data["reason"], skipped.data["action"]) == ("network_limit", "postpone")
    assert skipped.data["rule"] == "visa_30d"
    assert parse_timestamp(skipped.data["at"]) == freed
    assert skipped.data["why"].startswith("The card network allows 20 tries of one card and amount in 30 days")
    (charge,) = recovery_run.all_records_of(EventType.CHARGE_REQUESTED)
    assert freed <= charge.occurred_at < freed + HOUR / 60
    assert charge.attempt == 1, "what was skipped used no attempt"
    assert len(recovery_run.gateway.orders) == 1


async def test_network_window_beyond_the_retry_window_ends_the_recovery(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("generic_decline")
    now = await recovery_run.environment.get_current_time()
    add_used_tries(recovery_run, now - HOUR)
    await recovery_run.begin_with_failure()

    await assert_ended(recovery_run, State.EXHAUSTED, "network_limit")
    skipped = recovery_run.first_record(EventType.RETRY_SKIPPED)
    assert (skipped.data["reason"], skipped.data["action"], skipped.data["rule"]) == (
        "network_limit",
        "give_up",
        "visa_30d",
    )
    assert "the next one is possible at" in skipped.data["why"]
    assert recovery_run.gateway.orders == []


async def test_network_window_found_full_at_the_charge_ends_the_recovery(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("generic_decline")
    await recovery_run.begin_with_failure()
    add_used_tries(recovery_run, await recovery_run.advance_clock(HOUR))
    await assert_ended(recovery_run, State.EXHAUSTED, "network_limit")
    assert recovery_run.first_record(EventType.RETRY_SKIPPED).data["action"] == "give_up"
    assert recovery_run.gateway.orders == []


async def test_stop_instruction_on_another_invoice_ends_the_recovery_for_this_card(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("generic_decline")
    start = await recovery_run.begin_with_failure()
    add_used_tries(recovery_run, start - 300 * DAY, 1, network_code="R1")
    await assert_ended(recovery_run, State.EXHAUSTED, "network_limit")
    skipped = recovery_run.first_record(EventType.RETRY_SKIPPED)
    assert (skipped.data["rule"], skipped.data["network"]["never"]) == ("never_again", "stop_instruction")
    assert skipped.data["why"] == "The card network forbids any further try of this card: stop instruction."
    assert recovery_run.gateway.orders == []


async def test_own_retries_count_towards_the_network_limit(recovery_runs: RecoveryRuns) -> None:
    """Eighteen tries are used: the opening failure and one retry fill the window, and the next plan moves."""
    recovery_run = await recovery_runs("generic_decline", script=[decline_result("generic_decline")])
    now = await recovery_run.environment.get_current_time()
    freed = now + 6 * DAY
    add_used_tries(recovery_run, freed - 30 * DAY, ALLOWED_TRIES - 2)
    await recovery_run.begin_with_failure()
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    first, second = recovery_run.all_records_of(EventType.CHARGE_REQUESTED)
    assert charge_times(recovery_run)[0] < 4
    assert first.occurred_at < freed <= second.occurred_at < freed + HOUR / 60


async def test_manual_retry_at_the_network_limit_is_refused_and_the_plan_kept(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("generic_decline")
    start = await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    freed = start + 4 * DAY
    add_used_tries(recovery_run, freed - 30 * DAY)
    planned = recovery_run.first_record(EventType.RETRY_PLANNED).data["at"]

    with pytest.raises(WorkflowUpdateFailedError) as refusal:
        await recovery_run.submit_update("retry_now", Command(action=Action.RETRY, actor="ann", reason="she called"))

    cause = refusal.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.details[0]) == ("Refused", "network_limit")
    assert str(cause.message).startswith("The card network allows 20 tries of one card and amount in 30 days")
    assert format_timestamp(freed) in str(cause.message)
    assert recovery_run.gateway.orders == []
    skipped = recovery_run.first_record(EventType.RETRY_SKIPPED)
    assert (skipped.data["action"], skipped.data["trigger"]) == ("refuse", "manual")
    status = await recovery_run.running_handle.query("status", result_type=RecoveryStatus)
    assert (status.state, status.next_attempt_at) == (State.WAITING, parse_timestamp(planned))
    await assert_ended(recovery_run, State.RECOVERED, "charged")


async def test_another_card_has_tries_of_its_own(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs("lost_card", failure=Failure(code="lost_card"))
    recovery_run.gateway.cards["pm_new"] = Card(fingerprint="fp_2", network="visa")
    start = await recovery_run.begin_with_failure()
    add_used_tries(recovery_run, start)
    now = await recovery_run.advance_clock(DAY)
    await recovery_run.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_new"))
    await assert_ended(recovery_run, State.RECOVERED, "charged")
    assert recovery_run.first_record(EventType.CHARGE_REQUESTED).data["fingerprint"] == "fp_2"


async def test_same_card_with_another_id_shares_its_tries(recovery_runs: RecoveryRuns) -> None:
    """A new method that is the same used-up card is refused, and the customer is waited for."""
    recovery_run = await recovery_runs("lost_card", failure=Failure(code="lost_card"))
    recovery_run.gateway.cards["pm_same"] = Card(fingerprint="fp_1", network="visa")
    start = await recovery_run.begin_with_failure()
    add_used_tries(recovery_run, start)
    now = await recovery_run.advance_clock(DAY)
    await recovery_run.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_same"))
    await assert_ended(recovery_run, State.EXHAUSTED, "customer_deadline")
    assert [row.data["action"] for row in recovery_run.all_records_of(EventType.RETRY_SKIPPED)] == [
        "wait_for_method",
        "refuse",
    ]
    assert recovery_run.gateway.orders == []
