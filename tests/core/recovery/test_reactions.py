"""Reactions to provider events and commands: duplicates, echoes, late events, confirmations, refusals."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from core.classification.taxonomy import Cause
from core.errors import CommandRefused
from core.events import EventType, State
from core.operators import Action, Command, parse_command
from core.payments import ChargeResult, EventKind, Failure, InvoiceStatus, Outcome, ProviderEvent
from core.recovery.commands import accept_command, check_command
from core.recovery.invoice_check import check_invoice
from core.recovery.machine import append_events
from core.recovery.reactions import ECHO_TOLERANCE, opening_event, react_to_event
from core.recovery.state import Recovery
from tests.support.builders import DAY, HOUR, THEN, a_failure_event, an_event
from tests.support.gateway import SUCCEED, UNKNOWN
from tests.support.recovery_scenario import (
    OPEN_INVOICE,
    SOFT_DECLINE,
    RecoveryScenario,
    scenario_in_flight,
    scenario_in_review,
)

SECOND = timedelta(seconds=1)
OUR_DECLINE = ChargeResult(outcome=Outcome.DECLINED, failure=Failure(code="x", charge_id="ch_1"), charge_id="ch_1")


def repeated_failure(**changes: Any) -> ProviderEvent:
    """Another event about a failed payment."""
    return a_failure_event(**{"event_id": "evt_again"} | changes)


def recovered_scenario() -> RecoveryScenario:
    """A scenario that ended recovered."""
    scenario = scenario_in_flight()
    scenario.record_answer(SUCCEED)
    return scenario


# --- one failure is one (invoice, provider attempt) --------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        a_failure_event(),
        repeated_failure(),
        repeated_failure(kind=EventKind.ACTION_REQUIRED),
        repeated_failure(provider_attempt=None),
        repeated_failure(provider_attempt=0),
    ],
    ids=["same event", "same attempt", "the same attempt's other event", "no attempt", "older attempt"],
)
def test_further_events_about_the_same_failure_change_nothing(event: ProviderEvent) -> None:
    assert RecoveryScenario().fail_payment().advance_clock(HOUR).receive_event(event) == []


def test_a_newer_attempt_is_a_new_failure() -> None:
    scenario = RecoveryScenario().fail_payment().advance_clock(DAY)
    assert scenario.receive_event(repeated_failure(provider_attempt=2, occurred_at=scenario.now)) == ["payment.failed"]
    assert scenario.recovery.failed_at == scenario.now


@pytest.mark.parametrize("kind", EventKind)
@pytest.mark.parametrize("failure", [None, Failure(code="insufficient_funds")], ids=["bare", "with a failure"])
def test_events_that_open_a_recovery_write_its_first_row(kind: EventKind, failure: Failure | None) -> None:
    event = a_failure_event(kind=kind, failure=failure)
    first = react_to_event(Recovery(provider="stripe", invoice_id="in_1"), event)
    assert event.opens_recovery is ([row.type for row in first] == [EventType.PAYMENT_FAILED])


def test_failed_payments_and_returned_debits_open_a_recovery() -> None:
    bare = {kind for kind in EventKind if a_failure_event(kind=kind, failure=None).opens_recovery}
    assert bare == {EventKind.PAYMENT_FAILED, EventKind.ACTION_REQUIRED, EventKind.PROVIDER_STOPPED}
    with_failure = {kind for kind in EventKind if a_failure_event(kind=kind).opens_recovery}
    assert with_failure == bare | {EventKind.PAYMENT_REVERSED}


def test_late_event_of_an_older_attempt_changes_nothing() -> None:
    scenario = RecoveryScenario()
    scenario.append_events(opening_event(a_failure_event(provider_attempt=3)))
    assert scenario.receive_event(repeated_failure(provider_attempt=2)) == []


def test_failure_older_than_our_last_attempt_keeps_the_schedule() -> None:
    scenario = scenario_in_flight()
    tried_at = scenario.now
    scenario.record_answer(SOFT_DECLINE)
    scenario.receive_event(repeated_failure(provider_attempt=2, occurred_at=tried_at - HOUR))
    assert scenario.recovery.failed_at == tried_at


# --- echoes of our own charge ------------------------------------------------------------------------------


def test_echo_of_our_own_charge_is_always_recognised_by_its_id() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(OUR_DECLINE)
    echo = repeated_failure(provider_attempt=2, failure=Failure(charge_id="ch_1"), occurred_at=scenario.now + DAY)
    assert scenario.advance_clock(DAY).receive_event(echo) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (ECHO_TOLERANCE, None, []),
        (ECHO_TOLERANCE + SECOND, None, ["payment.failed"]),
        (None, ECHO_TOLERANCE, []),
        (None, ECHO_TOLERANCE + SECOND, ["payment.failed"]),
    ],
)
def test_echo_is_recognised_by_its_time(before: timedelta | None, after: timedelta | None, expected: list[str]) -> None:
    scenario = scenario_in_flight()
    charged_at = scenario.now
    scenario.advance_clock(5 * SECOND).record_answer(SOFT_DECLINE)
    at = charged_at - before if before else scenario.now + (after or SECOND)
    assert scenario.receive_event(repeated_failure(provider_attempt=2, occurred_at=at)) == expected


def test_while_a_charge_is_in_flight_every_failure_since_is_its_echo() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(UNKNOWN)
    assert (
        scenario.advance_clock(HOUR).receive_event(repeated_failure(provider_attempt=2, occurred_at=scenario.now)) == []
    )


# --- after the end -----------------------------------------------------------------------------------------


def test_a_late_failure_never_overwrites_a_success() -> None:
    scenario = recovered_scenario().advance_clock(DAY)
    assert scenario.receive_event(repeated_failure(provider_attempt=2, occurred_at=scenario.now)) == ["event.late"]
    assert scenario.ending == (State.RECOVERED, "charged")
    assert scenario.receive_event(repeated_failure(provider_attempt=2, occurred_at=scenario.now)) == [], (
        "and is known when it comes again"
    )


@pytest.mark.parametrize("kind", [EventKind.INVOICE_PAID, EventKind.RETRY_SCHEDULED, EventKind.WAKE, EventKind.OTHER])
def test_payment_confirmation_after_the_end_changes_nothing(kind: EventKind) -> None:
    assert recovered_scenario().receive_event(kind) == []


def test_echo_of_a_charge_after_the_end_changes_nothing() -> None:
    scenario = scenario_in_flight()
    scenario.submit_command(Action.CANCEL)
    scenario.record_answer(OUR_DECLINE)
    assert scenario.receive_event(repeated_failure(provider_attempt=2, occurred_at=scenario.now)) == []


@pytest.mark.parametrize("kind", [EventKind.DISPUTE_OPENED, EventKind.FRAUD_WARNING, EventKind.INVOICE_VOIDED])
def test_relevant_events_after_the_end_are_recorded(kind: EventKind) -> None:
    assert recovered_scenario().receive_event(kind) == ["event.late"]


def test_payment_after_giving_up_is_recorded() -> None:
    scenario = RecoveryScenario().fail_payment()
    scenario.submit_command(Action.CANCEL)
    assert scenario.receive_event(EventKind.INVOICE_PAID) == ["payment.late"]


# --- endings from outside ----------------------------------------------------------------------------------

ENDINGS = [
    (EventKind.INVOICE_PAID, (State.RECOVERED, "paid_elsewhere")),
    (EventKind.INVOICE_VOIDED, (State.CANCELED, "voided")),
    (EventKind.INVOICE_UNCOLLECTIBLE, (State.CANCELED, "uncollectible")),
    (EventKind.DISPUTE_OPENED, (State.BLOCKED, "dispute")),
    (EventKind.FRAUD_WARNING, (State.BLOCKED, "early_fraud_warning")),
]
SITUATIONS: Mapping[str, Callable[[], RecoveryScenario]] = {
    "received": lambda: _opened_scenario(RecoveryScenario()),
    "waiting": lambda: RecoveryScenario().fail_payment(),
    "paused": lambda: _paused_scenario(RecoveryScenario().fail_payment()),
    "awaiting_customer": lambda: RecoveryScenario().fail_payment(Cause.PERMANENT),
    "in_review": scenario_in_review,
}


def _opened_scenario(scenario: RecoveryScenario) -> RecoveryScenario:
    scenario.append_events(opening_event(a_failure_event()))
    return scenario


def _paused_scenario(scenario: RecoveryScenario) -> RecoveryScenario:
    scenario.submit_command(Action.PAUSE)
    return scenario


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize(("kind", "end"), ENDINGS)
def test_ending_event_ends_the_recovery_in_every_situation(
    situation: str, kind: EventKind, end: tuple[State, str]
) -> None:
    scenario = SITUATIONS[situation]()
    assert scenario.receive_event(kind)[-1] == "recovery.closed"
    assert scenario.ending == end


@pytest.mark.parametrize("subscription", [None, "sub_2"])
def test_end_of_another_subscription_changes_nothing(subscription: str | None) -> None:
    scenario = RecoveryScenario()
    scenario.append_events(opening_event(a_failure_event(subscription_id="sub_1")))
    assert scenario.receive_event(EventKind.SUBSCRIPTION_ENDED, subscription_id=subscription) == []
    scenario.receive_event(EventKind.SUBSCRIPTION_ENDED, subscription_id="sub_1")
    assert scenario.ending == (State.CANCELED, "subscription_ended")


def test_method_counts_as_new_only_once() -> None:
    scenario = RecoveryScenario().fail_payment()
    first = an_event(EventKind.METHOD_UPDATED, event_id="a", method_id="pm_2", method_version="1")
    assert scenario.receive_event(first) == ["payment_method.updated"]
    assert scenario.receive_event(first.model_copy(update={"event_id": "b"})) == []
    assert scenario.receive_event(first.model_copy(update={"event_id": "c", "method_version": "2"})) == [
        "payment_method.updated"
    ]
    assert scenario.receive_event(EventKind.METHOD_UPDATED, method_id=None) == []


def test_every_event_kind_is_handled_or_ignored_on_purpose() -> None:
    silent = {EventKind.RETRY_SCHEDULED, EventKind.WAKE, EventKind.OTHER, EventKind.PAYMENT_RESTORED}
    for kind in EventKind:
        scenario = _opened_scenario(RecoveryScenario())
        scenario.recovery = scenario.recovery.with_changes(subscription_id="sub_1")
        event = repeated_failure(kind=kind, provider_attempt=2, subscription_id="sub_1", method_id="pm_2")
        assert bool(react_to_event(scenario.recovery, event)) is (kind not in silent), kind


def test_every_invoice_status_is_handled() -> None:
    recovery = RecoveryScenario().fail_payment().recovery
    expected = {
        status: len(check_invoice(recovery, OPEN_INVOICE.model_copy(update={"status": status}), THEN))
        for status in InvoiceStatus
    }
    assert {status for status, rows in expected.items() if not rows} == {InvoiceStatus.OPEN, InvoiceStatus.MISSING}


# --- operators ---------------------------------------------------------------------------------------------


def _ended_scenario(scenario: RecoveryScenario) -> RecoveryScenario:
    scenario.submit_command(Action.CANCEL)
    return scenario


@pytest.mark.parametrize(
    ("build_scenario", "code"),
    [
        (recovered_scenario, "closed"),
        (lambda: _ended_scenario(scenario_in_flight()), "closed"),
        (scenario_in_flight, "in_flight"),
        (lambda: _paused_scenario(RecoveryScenario().fail_payment()), "paused"),
        (scenario_in_review, "fraud_hold"),
        (lambda: scenario_in_review(Cause.CONFIGURATION), "fraud_hold"),
        (lambda: RecoveryScenario().fail_payment(Cause.PERMANENT), "hard_decline"),
        (lambda: RecoveryScenario().fail_payment(Cause.CARD_DATA), "hard_decline"),
    ],
)
def test_a_retry_is_refused_with_its_code(build_scenario: Any, code: str) -> None:
    with pytest.raises(CommandRefused) as excinfo:
        build_scenario().submit_command(Action.RETRY)
    assert excinfo.value.code == code
    assert str(excinfo.value).endswith(".")


@pytest.mark.parametrize("action", Action)
def test_every_command_is_refused_after_the_end(action: Action) -> None:
    with pytest.raises(CommandRefused) as excinfo:
        check_command(recovered_scenario().recovery, Command(action=action, decision="approve"))
    assert excinfo.value.code == "closed"


def test_a_review_needs_something_to_review_and_a_decision() -> None:
    with pytest.raises(CommandRefused, match="nothing to review"):
        RecoveryScenario().fail_payment().submit_command(Action.REVIEW, decision="approve")
    for decision in (None, "", "ok", "approved"):
        with pytest.raises(CommandRefused, match="approve or reject"):
            scenario_in_review().submit_command(Action.REVIEW, decision=decision)


@pytest.mark.parametrize("typed", ["approve", "Approve", " APPROVE "])
def test_review_decisions_are_parsed_leniently(typed: str) -> None:
    command = parse_command(Action.REVIEW, {"decision": typed})
    assert accept_command(scenario_in_review().recovery, command, THEN)[0].data["decision"] == "approve"


def test_redundant_request_writes_nothing() -> None:
    """The caller gets the answer at once."""
    assert RecoveryScenario().fail_payment().submit_command(Action.RESUME) == []
    assert _paused_scenario(RecoveryScenario().fail_payment()).submit_command(Action.PAUSE) == []


def test_redundant_signal_is_recorded_without_effect() -> None:
    """Under older rules it was not recorded, and those histories must replay."""
    paused, signal = (
        _paused_scenario(RecoveryScenario().fail_payment()).recovery,
        Command(action=Action.PAUSE, signal="run:1"),
    )
    events = accept_command(paused, signal, THEN)
    assert [event.type for event in events] == [EventType.PAUSED]
    after, _ = append_events(paused, events, THEN)
    assert after.paused
    assert after.with_changes(sequence=paused.sequence, last_signal=paused.last_signal) == paused
    assert accept_command(paused.with_changes(rules=1), signal, THEN) == ()
