"""Which payment method an attempt names, what an unfit method costs, and which methods are no cards."""

from typing import Any

import pytest

from core.classification.taxonomy import Cause, Chargeability
from core.events import EventType, State, Trigger
from core.operators import Action
from core.payments import (
    NO_METHOD,
    UNFIT_METHOD,
    Card,
    ChargeResult,
    EventKind,
    Failure,
    FailureFacts,
    InvoiceView,
    MethodKind,
    MethodRole,
    Outcome,
    PaymentMethod,
)
from core.recovery.chargeability import UNREADABLE_PROVIDER, assess_ability
from core.recovery.machine import Charge, Read
from core.recovery.reactions import opening_event
from tests.support.builders import DAY, HOUR, a_failure_event
from tests.support.recovery_scenario import OPEN_INVOICE, SOFT_DECLINE, RecoveryScenario, scenario_in_flight

HARD_DECLINE = ChargeResult(outcome=Outcome.DECLINED, failure=Failure(code="lost_card"))
UNFIT_RESULT = ChargeResult(outcome=Outcome.NOT_CHARGED, reason=UNFIT_METHOD)
NO_METHOD_RESULT = ChargeResult(outcome=Outcome.NOT_CHARGED, reason=NO_METHOD)
DEBIT = PaymentMethod(method_id="pm_bank", card=Card(kind=MethodKind.DIRECT_DEBIT))
CARD = PaymentMethod(method_id="pm_card", card=Card(kind=MethodKind.CARD, fingerprint="fp_default"))


def invoice_with(**changes: Any) -> InvoiceView:
    """The invoice with these fields."""
    return OPEN_INVOICE.model_copy(update=changes)


def charge_another_card(
    scenario: RecoveryScenario, answer: ChargeResult, cause: Cause, method: str = "pm_2"
) -> RecoveryScenario:
    """The scenario after a new card was added and charged with this result and cause."""
    scenario.receive_event(
        EventKind.METHOD_UPDATED, event_id=f"evt_{method}", method_id=method, method_role=MethodRole.DEFAULT
    )
    assert scenario.request_charge() == ["charge.requested"]
    assert scenario.recovery.in_flight
    assert scenario.recovery.in_flight.method_id == method
    scenario.record_answer(answer)
    if scenario.recovery.undecided:
        scenario.decide_failure(cause)
    return scenario


# --- which method ---------------------------------------------------------------------------------


def test_later_charges_name_another_card_once_it_was_tried() -> None:
    scenario = charge_another_card(
        RecoveryScenario().fail_payment(Cause.CARD_DATA), SOFT_DECLINE, Cause.INSUFFICIENT_FUNDS
    )
    assert scenario.advance_until_due().next_step() == Charge(trigger=Trigger.SCHEDULED)
    scenario.request_charge()
    assert scenario.last_record(EventType.CHARGE_REQUESTED).data["method_id"] == "pm_2"


def test_facts_of_one_card_do_not_apply_to_another() -> None:
    scenario = RecoveryScenario().fail_payment(Cause.PERMANENT)
    scenario.recovery = scenario.recovery.with_changes(fingerprint="fp_lost", network="visa")
    charge_another_card(scenario, SOFT_DECLINE, Cause.INSUFFICIENT_FUNDS)
    assert (scenario.recovery.fingerprint, scenario.recovery.network) == (None, None)
    assert scenario.recovery.cause is Cause.INSUFFICIENT_FUNDS


def test_unfit_method_costs_only_its_own_attempt() -> None:
    scenario = RecoveryScenario().fail_payment()
    before = scenario.recovery
    charge_another_card(scenario, UNFIT_RESULT, Cause.UNKNOWN)
    unchanged_fields = ("stage", "next_attempt_at", "attempts_used", "cause", "until", "method_in_use", "fingerprint")
    assert [getattr(scenario.recovery, name) for name in unchanged_fields] == [
        getattr(before, name) for name in unchanged_fields
    ]
    assert scenario.recovery.unfit_methods == ("pm_2",)
    assert scenario.advance_until_due().next_step() == Charge(trigger=Trigger.SCHEDULED)


def test_unfit_method_keeps_the_customers_deadline() -> None:
    scenario = RecoveryScenario().fail_payment(Cause.CARD_DATA)
    deadline = scenario.recovery.until
    charge_another_card(scenario.advance_clock(DAY), UNFIT_RESULT, Cause.UNKNOWN)
    assert (scenario.current_state(), scenario.recovery.until) == (State.AWAITING_CUSTOMER, deadline)


def test_removed_method_in_use_is_replaced_by_the_default() -> None:
    scenario = charge_another_card(
        RecoveryScenario().fail_payment(Cause.CARD_DATA), SOFT_DECLINE, Cause.INSUFFICIENT_FUNDS
    ).advance_until_due()
    scenario.request_charge()
    attempts_used = scenario.recovery.attempts_used
    scenario.record_answer(UNFIT_RESULT)
    assert scenario.recovery.method_in_use is None
    assert scenario.recovery.attempts_used == attempts_used - 1
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    scenario.advance_until_due().request_charge()
    assert scenario.last_record(EventType.CHARGE_REQUESTED).data["method_id"] is None


@pytest.mark.parametrize("cause", [Cause.CARD_DATA, Cause.PERMANENT])
def test_hard_decline_of_a_new_card_keeps_the_previous_cards_schedule(cause: Cause) -> None:
    scenario = RecoveryScenario().fail_payment()
    planned = scenario.recovery.next_attempt_at
    charge_another_card(scenario.advance_clock(HOUR), HARD_DECLINE, cause)
    assert (scenario.current_state(), scenario.recovery.next_attempt_at) == (State.WAITING, planned)
    assert (scenario.recovery.cause, scenario.recovery.method_in_use) == (Cause.INSUFFICIENT_FUNDS, None)
    assert "pm_2" in scenario.recovery.unfit_methods


@pytest.mark.parametrize("answer", [HARD_DECLINE, UNFIT_RESULT])
def test_schedule_continues_with_the_previous_card_although_the_declined_one_is_the_default(
    answer: ChargeResult,
) -> None:
    """A charge without a name would take the new default, which is of no use."""
    scenario = RecoveryScenario()
    scenario.append_events(opening_event(a_failure_event(failure=Failure(code="insufficient_funds", method_id="pm_1"))))
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    charge_another_card(scenario.advance_clock(HOUR), answer, Cause.PERMANENT)
    default = PaymentMethod(method_id="pm_2", card=Card(kind=MethodKind.CARD))
    assert assess_ability(scenario.recovery, facts_read(method=default)) is Chargeability.CHARGEABLE
    assert scenario.advance_until_due().request_charge(invoice_with(methods_known=True, method=default)) == [
        "charge.requested"
    ]
    assert scenario.last_record(EventType.CHARGE_REQUESTED).data["method_id"] == "pm_1"


def test_without_a_schedule_the_hard_decline_of_a_new_card_decides() -> None:
    scenario = charge_another_card(RecoveryScenario().fail_payment(Cause.CARD_DATA), HARD_DECLINE, Cause.PERMANENT)
    assert (scenario.current_state(), scenario.recovery.cause) == (State.AWAITING_CUSTOMER, Cause.PERMANENT)


def test_hard_declined_card_is_not_named_after_the_provider_tries_another() -> None:
    """pm_2 is hard-declined; then the provider's own attempt of the default fails softly and is the one retried."""
    scenario = charge_another_card(RecoveryScenario().fail_payment(Cause.CARD_DATA), HARD_DECLINE, Cause.PERMANENT)
    soft = Failure(code="insufficient_funds", method_id="pm_default")
    scenario.advance_clock(DAY).receive_event(
        a_failure_event(event_id="evt_2", provider_attempt=2, occurred_at=scenario.now, failure=soft)
    )
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    scenario.advance_until_due().request_charge()
    assert scenario.last_record(EventType.CHARGE_REQUESTED).data["method_id"] is None


ROLES = [
    (MethodRole.UPDATED, "pm_other", []),
    (MethodRole.UPDATED, "pm_1", ["payment_method.updated"]),
    (MethodRole.UPDATED, "pm_default", ["payment_method.updated"]),
    (MethodRole.DEFAULT, "pm_other", ["payment_method.updated"]),
    (MethodRole.ATTACHED, "pm_other", ["payment_method.updated"]),
    (MethodRole.DEFAULT, "pm_1", []),
    (MethodRole.ATTACHED, "pm_1", []),
]


@pytest.mark.parametrize(("role", "method", "rows"), ROLES)
def test_which_method_events_trigger_a_charge(role: MethodRole, method: str, rows: list[str]) -> None:
    """After a hard decline of pm_1, new data of it triggers a charge; choosing it again doesn't."""
    scenario = RecoveryScenario()
    scenario.append_events(opening_event(a_failure_event(failure=Failure(code="expired_card", method_id="pm_1"))))
    scenario.decide_failure(Cause.CARD_DATA)
    scenario.recovery = scenario.recovery.with_changes(default_methods=("pm_default",))
    assert (
        scenario.receive_event(EventKind.METHOD_UPDATED, method_id=method, method_version="new", method_role=role)
        == rows
    )


# --- what is no card, and what isn't there --------------------------------------------------------


def facts_read(**fields: Any) -> FailureFacts:
    """Facts as read from a readable provider; `fields` replace the defaults."""
    return FailureFacts(invoice=invoice_with(methods_known=True, **fields), failure=Failure(code="insufficient_funds"))


@pytest.mark.parametrize(
    ("method", "able"),
    [(None, Chargeability.NO_METHOD), (DEBIT, Chargeability.NOT_A_CARD), (CARD, Chargeability.CHARGEABLE)],
)
def test_whether_anything_can_be_charged(method: PaymentMethod | None, able: Chargeability) -> None:
    assert assess_ability(RecoveryScenario().fail_payment().recovery, facts_read(method=method)) is able


def test_chargeability_at_an_unreadable_provider_needs_a_named_method() -> None:
    facts = FailureFacts(invoice=OPEN_INVOICE, failure=Failure(code="x"), missing=(UNREADABLE_PROVIDER,))
    assert assess_ability(RecoveryScenario().fail_payment().recovery, facts) is Chargeability.NO_METHOD
    named = facts.model_copy(update={"failure": Failure(code="x", method_id="token")})
    assert assess_ability(RecoveryScenario().fail_payment().recovery, named) is Chargeability.CHARGEABLE


@pytest.mark.parametrize(("method", "reason"), [(None, "no_method"), (DEBIT, "not_a_card")])
def test_non_card_methods_are_never_charged(method: PaymentMethod | None, reason: str) -> None:
    """A fresh read right before the charge finds it, whatever was planned."""
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    assert scenario.request_charge(invoice_with(methods_known=True, method=method)) == ["retry.skipped"]
    assert scenario.last_record(EventType.RETRY_SKIPPED).data["reason"] == reason
    assert scenario.next_step() == Read(), "it is decided anew, so that the customer is asked"


def test_default_method_that_is_chosen_again_is_tried_again() -> None:
    scenario = RecoveryScenario().fail_payment(Cause.CARD_DATA)
    for number, method in enumerate(("pm_b", "pm_c", "pm_b", "pm_b")):
        rows = scenario.receive_event(
            EventKind.METHOD_UPDATED, event_id=f"e{number}", method_id=method, method_role=MethodRole.DEFAULT
        )
        assert rows == ([] if number == 3 else ["payment_method.updated"])


def test_operator_retry_of_a_non_card_method_is_skipped_with_the_reason() -> None:
    scenario = RecoveryScenario().fail_payment()
    scenario.submit_command(Action.RETRY)
    assert scenario.request_charge(invoice_with(methods_known=True, method=DEBIT)) == ["retry.skipped"]
    assert scenario.last_record(EventType.RETRY_SKIPPED).data["reason"] == "hard_decline"
    assert scenario.recovery.next_attempt_at, "and the schedule stays"


def test_no_method_at_the_charge_costs_no_retry() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(NO_METHOD_RESULT)
    assert scenario.next_step() == Read()
    assert scenario.recovery.attempts_used == 0
    scenario.decide_failure(Cause.UNKNOWN)
    assert (scenario.current_state(), scenario.recovery.ability) == (State.AWAITING_CUSTOMER, Chargeability.NO_METHOD)


def test_unchargeable_default_is_not_tried_repeatedly() -> None:
    """A detached default is still listed, and a charge without a named method is refused by the provider itself."""
    scenario = RecoveryScenario().fail_payment()
    scenario.recovery = scenario.recovery.with_changes(default_methods=("pm_card", "pm_other"))
    scenario_in_flight(scenario).record_answer(NO_METHOD_RESULT)
    assert assess_ability(scenario.recovery, facts_read(method=CARD)) is Chargeability.NO_METHOD
    other = PaymentMethod(method_id="pm_other", card=CARD.card)
    assert assess_ability(scenario.recovery, facts_read(method=other)) is Chargeability.CHARGEABLE, (
        "nothing is known against the next one"
    )
    scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_card", method_role=MethodRole.UPDATED)
    assert assess_ability(scenario.recovery, facts_read(method=CARD)) is Chargeability.CHARGEABLE, (
        "new data is worth a try"
    )
