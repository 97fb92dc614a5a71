"""Charges that reading cannot resolve are answered by the provider's webhook or by an operator."""

from datetime import timedelta
from typing import Any

import pytest

from core.classification.taxonomy import Cause
from core.errors import CommandRefused
from core.events import EventType, State, Trigger
from core.operators import Action
from core.payments import Card, EventKind, Failure, ProviderEvent
from core.recovery import charge_events
from core.recovery.invoice_check import REVIEW_PERIOD, announced_facts
from core.recovery.machine import Charge, Decide, Read, Reconcile, Wait
from tests.support.builders import DAY, HOUR, a_failure_event
from tests.support.gateway import SUCCEED, UNKNOWN
from tests.support.recovery_scenario import SOFT_DECLINE, RecoveryScenario, scenario_in_flight

OUR_CHARGE: dict[str, Any] = {"idempotency_key": "pri-stripe-in_1-1", "event_id": "evt_ours"}


def scenario_with_unknown_charge() -> RecoveryScenario:
    """A scenario whose charge in flight has an unknown result."""
    scenario = scenario_in_flight()
    scenario.record_answer(UNKNOWN)
    return scenario


def scenario_in_manual_review() -> RecoveryScenario:
    """The same a day later, in review."""
    scenario = scenario_with_unknown_charge().advance_clock(DAY)
    scenario.append_events(charge_events.manual_review_event(scenario.recovery, scenario.now))
    return scenario


# --- the provider's own word -----------------------------------------------------------------------------------------


def test_success_event_answers_the_charge_in_flight() -> None:
    scenario = scenario_with_unknown_charge()
    assert scenario.receive_event(EventKind.INVOICE_PAID, payment_id="psp_1", **OUR_CHARGE) == [
        "charge.reconciled",
        "recovery.closed",
    ]
    assert scenario.ending == (State.RECOVERED, "charged")
    row = scenario.last_record(EventType.CHARGE_RECONCILED)
    assert row.attempt == 1
    assert row.data["evidence"] == "webhook"
    assert row.data["charge_id"] == "psp_1"


@pytest.mark.parametrize("kind", [EventKind.PAYMENT_FAILED, EventKind.ACTION_REQUIRED])
def test_decline_event_answers_the_charge_with_codes_and_card(kind: EventKind) -> None:
    scenario = scenario_with_unknown_charge()
    failure, card = Failure(code="expired_card", charge_id="psp_1"), Card(fingerprint="fp_9")
    assert scenario.receive_event(kind, failure=failure, card=card, **OUR_CHARGE) == ["charge.reconciled"]
    assert scenario.next_step() == Decide()
    assert (scenario.recovery.failure, scenario.recovery.card) == (failure, card)
    assert scenario.recovery.in_flight is None
    assert scenario.receive_event(kind, failure=failure, **OUR_CHARGE) == [], "told twice"


def test_success_event_before_a_timeout_answers_the_charge() -> None:
    scenario = scenario_in_flight()
    assert scenario.receive_event(EventKind.INVOICE_PAID, **OUR_CHARGE)[0] == "charge.reconciled"


def test_answer_is_recorded_no_earlier_than_its_charge() -> None:
    scenario = scenario_with_unknown_charge()
    scenario.receive_event(EventKind.PAYMENT_FAILED, occurred_at=scenario.now - HOUR, **OUR_CHARGE)
    row, requested = scenario.last_record(EventType.CHARGE_RECONCILED), scenario.last_record(EventType.CHARGE_REQUESTED)
    assert row.occurred_at >= requested.occurred_at


def test_decline_of_an_older_charge_changes_nothing() -> None:
    scenario = scenario_with_unknown_charge()
    other = {"idempotency_key": "pri-stripe-in_1-0", "event_id": "evt_older", "provider_attempt": 99}
    assert scenario.receive_event(EventKind.PAYMENT_FAILED, **other) == []
    assert scenario.next_step() == Reconcile()


def test_success_of_an_older_charge_still_counts() -> None:
    scenario = scenario_with_unknown_charge()
    other = {"idempotency_key": "pri-stripe-in_1-0", "event_id": "evt_older"}
    assert scenario.receive_event(EventKind.INVOICE_PAID, **other) == ["invoice.paid_elsewhere"]
    scenario.record_answer(SOFT_DECLINE)
    assert scenario.ending == (State.RECOVERED, "paid_elsewhere")


def test_after_an_answered_charge_its_decline_is_an_echo_at_any_time() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(SOFT_DECLINE)
    assert (
        scenario.advance_clock(20 * DAY).receive_event(EventKind.PAYMENT_FAILED, provider_attempt=99, **OUR_CHARGE)
        == []
    )


def test_after_the_end_a_decline_is_ignored_and_a_success_recorded() -> None:
    scenario = scenario_with_unknown_charge()
    scenario.submit_command(Action.CANCEL)
    scenario.record_answer(SOFT_DECLINE, by_reading=True)
    assert scenario.ending == (State.CANCELED, "operator")
    assert scenario.receive_event(EventKind.PAYMENT_FAILED, **OUR_CHARGE) == []
    assert scenario.receive_event(EventKind.INVOICE_PAID, **OUR_CHARGE) == ["payment.late"]


# --- a person's word -------------------------------------------------------------------------------------------------


def test_unresolvable_charge_waits_for_review_still_in_flight() -> None:
    scenario = scenario_in_manual_review()
    assert scenario.current_state() is State.IN_REVIEW
    assert scenario.recovery.in_flight
    assert scenario.next_step() == Wait(until=scenario.now + REVIEW_PERIOD, why="an operator must review it")
    with pytest.raises(CommandRefused) as refused:
        scenario.submit_command(Action.RETRY)
    assert refused.value.code == "in_flight"


def test_approval_confirms_that_nothing_was_charged() -> None:
    scenario = scenario_in_manual_review()
    assert scenario.submit_command(Action.REVIEW, decision="approve") == ["operator.reviewed", "charge.reconciled"]
    row = scenario.last_record(EventType.CHARGE_RECONCILED).data
    assert (row["outcome"], row["evidence"]) == ("not_charged", "operator")
    assert scenario.next_step() == Read()
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.next_step() == Charge(trigger=Trigger.MANUAL)
    scenario.request_charge()
    assert scenario.recovery.attempt == 2


def test_rejection_ends_the_recovery_with_the_charge_unanswered() -> None:
    scenario = scenario_in_manual_review()
    assert scenario.submit_command(Action.REVIEW, decision="reject") == ["operator.reviewed", "recovery.closed"]
    assert scenario.ending == (State.BLOCKED, "rejected")


def test_cancel_ends_the_recovery_with_the_charge_unanswered() -> None:
    scenario = scenario_in_manual_review()
    scenario.submit_command(Action.CANCEL)
    assert scenario.ending == (State.CANCELED, "operator")


def test_overdue_review_of_an_unknown_charge_ends_the_recovery() -> None:
    scenario = scenario_in_manual_review().advance_clock(REVIEW_PERIOD)
    assert scenario.next_step() == scenario.next_step().model_copy(
        update={"state": State.EXHAUSTED, "reason": "review_overdue"}
    )


@pytest.mark.parametrize("kind", [EventKind.PAYMENT_FAILED, EventKind.METHOD_UPDATED, EventKind.RETRY_SCHEDULED])
def test_nothing_is_charged_during_the_review(kind: EventKind) -> None:
    scenario = scenario_in_manual_review()
    scenario.receive_event(kind, method_id="pm_2", provider_attempt=9, occurred_at=scenario.now + DAY)
    assert isinstance(scenario.next_step(), Wait)


def test_late_provider_event_overrides_the_review() -> None:
    scenario = scenario_in_manual_review()
    scenario.receive_event(EventKind.PAYMENT_FAILED, failure=Failure(code="insufficient_funds"), **OUR_CHARGE)
    assert scenario.next_step() == Decide()
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.current_state() is State.WAITING


# --- the provider's own retries --------------------------------------------------------------------------------------


def provider_retry_event() -> ProviderEvent:
    """The event that announces the provider's own retry."""
    return a_failure_event(next_provider_attempt=a_failure_event().occurred_at + 48 * DAY, card=Card(country="DE"))


def test_announced_facts_are_the_last_known_state() -> None:
    scenario = RecoveryScenario()
    scenario.receive_event(provider_retry_event())
    facts = announced_facts(scenario.recovery)
    assert facts.invoice.next_provider_attempt == provider_retry_event().next_provider_attempt
    assert facts.card.country == "DE"


def test_recovery_stands_back_while_the_provider_retries() -> None:
    scenario = RecoveryScenario()
    scenario.receive_event(provider_retry_event())
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.advance_until_due().request_charge(announced_facts(scenario.recovery).invoice) == ["retry.skipped"]
    assert scenario.last_record(EventType.RETRY_SKIPPED).data["reason"] == "provider_retry"


def test_rescue_of_our_declined_charge_is_recognised_by_its_echo() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(SOFT_DECLINE)
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    rescue = {"next_provider_attempt": scenario.now + 48 * DAY, "provider_attempt": 99}
    assert scenario.receive_event(EventKind.PAYMENT_FAILED, **OUR_CHARGE | rescue) == ["payment.failed"]
    assert scenario.receive_event(EventKind.PAYMENT_FAILED, **OUR_CHARGE | rescue | {"event_id": "evt_again"}) == []
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.advance_until_due().request_charge(announced_facts(scenario.recovery).invoice) == ["retry.skipped"]


def test_rescue_of_a_charge_answered_by_webhook_is_recognised() -> None:
    scenario = scenario_with_unknown_charge()
    scenario.receive_event(EventKind.PAYMENT_FAILED, next_provider_attempt=scenario.now + 48 * DAY, **OUR_CHARGE)
    assert announced_facts(scenario.recovery).invoice.next_provider_attempt == scenario.now + 48 * DAY


def test_retries_begin_with_the_known_failure_when_the_provider_gives_up() -> None:
    scenario = RecoveryScenario()
    scenario.receive_event(provider_retry_event())
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    scenario.advance_until_due().request_charge(announced_facts(scenario.recovery).invoice)
    event_fields = {"event_id": "evt_stopped", "amount": 4900, "currency": "EUR"}
    assert scenario.advance_clock(DAY).receive_event(EventKind.PROVIDER_STOPPED, **event_fields) == ["payment.failed"]
    assert scenario.receive_event(EventKind.PROVIDER_STOPPED, **event_fields) == [], "told twice"
    assert scenario.recovery.failure == provider_retry_event().failure
    assert announced_facts(scenario.recovery).invoice.next_provider_attempt is None
    assert scenario.next_step() == Read()
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.recovery.next_attempt_at
    assert scenario.recovery.next_attempt_at - scenario.now < timedelta(hours=4)
    assert scenario.advance_until_due().request_charge(announced_facts(scenario.recovery).invoice) == [
        "charge.requested"
    ]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (None, "insufficient_funds"),
        (Failure(method_id="pm_1"), "insufficient_funds"),
        (Failure(code="expired_card"), "expired_card"),
    ],
)
def test_end_of_provider_retries_without_a_code_keeps_the_known_one(failure: Failure | None, code: str) -> None:
    scenario = RecoveryScenario()
    scenario.receive_event(EventKind.PAYMENT_FAILED, failure=Failure(code="insufficient_funds"))
    scenario.advance_clock(DAY)
    assert scenario.receive_event(EventKind.PROVIDER_STOPPED, failure=failure) == ["payment.failed"]
    assert scenario.recovery.failure
    assert scenario.recovery.failure.code == code


def test_end_of_provider_retries_opens_a_missing_recovery() -> None:
    scenario = RecoveryScenario()
    event_fields = {"event_id": "evt_stopped", "amount": 4900, "currency": "EUR"}
    assert scenario.receive_event(EventKind.PROVIDER_STOPPED, **event_fields) == ["payment.failed"]
    assert scenario.recovery.amount == 4900


# --- what a provider without a default must be told ------------------------------------------------------------------


def test_charge_order_names_customer_and_failed_method() -> None:
    scenario = RecoveryScenario()
    scenario.receive_event(a_failure_event(failure=Failure(code="insufficient_funds", method_id="token_1")))
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    scenario_in_flight(scenario)
    order = scenario.recovery.in_flight
    assert order
    assert (order.customer_id, order.method_id, order.last_method_id) == ("cus_1", None, "token_1")


def test_charge_order_names_the_last_failed_method() -> None:
    scenario = RecoveryScenario().fail_payment()
    scenario.receive_event(EventKind.METHOD_UPDATED, method_id="token_2")
    scenario.request_charge()
    scenario.record_answer(
        SOFT_DECLINE.model_copy(update={"failure": Failure(code="insufficient_funds", method_id="token_2")})
    )
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    scenario_in_flight(scenario)
    assert scenario.recovery.in_flight
    assert scenario.recovery.in_flight.last_method_id == "token_2"
    scenario.record_answer(SUCCEED)
    assert scenario.ending == (State.RECOVERED, "charged")
