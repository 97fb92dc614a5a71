"""Which payment method a try names, what an unfit one costs, and what is no card."""

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
    """The invoice as it reads now."""
    return OPEN_INVOICE.model_copy(update=changes)


def charge_another_card(
    scenario: RecoveryScenario, answer: ChargeResult, cause: Cause, method: str = "pm_2"
) -> RecoveryScenario:
    """A new card is given and tried at once, with this answer and its cause."""
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


def test_after_another_card_was_tried_every_later_try_names_it() -> None:
    story = charge_another_card(
        RecoveryScenario().fail_payment(Cause.CARD_DATA), SOFT_DECLINE, Cause.INSUFFICIENT_FUNDS
    )
    assert story.advance_until_due().next_step() == Charge(trigger=Trigger.SCHEDULED)
    story.request_charge()
    assert story.last_record(EventType.CHARGE_REQUESTED).data["method_id"] == "pm_2"


def test_what_is_known_of_one_card_does_not_count_for_another() -> None:
    story = RecoveryScenario().fail_payment(Cause.PERMANENT)
    story.recovery = story.recovery.with_changes(fingerprint="fp_lost", network="visa")
    charge_another_card(story, SOFT_DECLINE, Cause.INSUFFICIENT_FUNDS)
    assert (story.recovery.fingerprint, story.recovery.network) == (None, None)
    assert story.recovery.cause is Cause.INSUFFICIENT_FUNDS


def test_an_unfit_method_costs_nothing_but_its_own_try() -> None:
    story = RecoveryScenario().fail_payment()
    before = story.recovery
    charge_another_card(story, UNFIT_RESULT, Cause.UNKNOWN)
    kept = ("stage", "next_attempt_at", "attempts_used", "cause", "until", "method_in_use", "fingerprint")
    assert [getattr(story.recovery, name) for name in kept] == [getattr(before, name) for name in kept]
    assert story.recovery.unfit_methods == ("pm_2",)
    assert story.advance_until_due().next_step() == Charge(trigger=Trigger.SCHEDULED)


def test_an_unfit_method_leaves_the_customers_deadline_alone() -> None:
    story = RecoveryScenario().fail_payment(Cause.CARD_DATA)
    until = story.recovery.until
    charge_another_card(story.advance_clock(DAY), UNFIT_RESULT, Cause.UNKNOWN)
    assert (story.current_state(), story.recovery.until) == (State.AWAITING_CUSTOMER, until)


def test_the_method_in_use_that_is_gone_gives_its_place_to_the_default() -> None:
    story = charge_another_card(
        RecoveryScenario().fail_payment(Cause.CARD_DATA), SOFT_DECLINE, Cause.INSUFFICIENT_FUNDS
    ).advance_until_due()
    story.request_charge()
    used = story.recovery.attempts_used
    story.record_answer(UNFIT_RESULT)
    assert story.recovery.method_in_use is None
    assert story.recovery.attempts_used == used - 1
    story.decide_failure(Cause.INSUFFICIENT_FUNDS)
    story.advance_until_due().request_charge()
    assert story.last_record(EventType.CHARGE_REQUESTED).data["method_id"] is None


@pytest.mark.parametrize("cause", [Cause.CARD_DATA, Cause.PERMANENT])
def test_a_new_card_that_is_refused_for_good_does_not_end_the_schedule_of_the_one_before(cause: Cause) -> None:
    story = RecoveryScenario().fail_payment()
    planned = story.recovery.next_attempt_at
    charge_another_card(story.advance_clock(HOUR), HARD_DECLINE, cause)
    assert (story.current_state(), story.recovery.next_attempt_at) == (State.WAITING, planned)
    assert (story.recovery.cause, story.recovery.method_in_use) == (Cause.INSUFFICIENT_FUNDS, None)
    assert "pm_2" in story.recovery.unfit_methods


@pytest.mark.parametrize("answer", [HARD_DECLINE, UNFIT_RESULT])
def test_the_schedule_goes_on_with_the_card_before_although_the_useless_one_is_the_default_now(
    answer: ChargeResult,
) -> None:
    """A charge without a name would take the new default, which is of no use."""
    story = RecoveryScenario()
    story.append_events(opening_event(a_failure_event(failure=Failure(code="insufficient_funds", method_id="pm_1"))))
    story.decide_failure(Cause.INSUFFICIENT_FUNDS)
    charge_another_card(story.advance_clock(HOUR), answer, Cause.PERMANENT)
    default = PaymentMethod(method_id="pm_2", card=Card(kind=MethodKind.CARD))
    assert assess_ability(story.recovery, facts_read(method=default)) is Chargeability.CHARGEABLE
    assert story.advance_until_due().request_charge(invoice_with(methods_known=True, method=default)) == [
        "charge.requested"
    ]
    assert story.last_record(EventType.CHARGE_REQUESTED).data["method_id"] == "pm_1"


def test_without_a_schedule_a_new_card_that_is_refused_for_good_is_what_it_is_judged_by() -> None:
    story = charge_another_card(RecoveryScenario().fail_payment(Cause.CARD_DATA), HARD_DECLINE, Cause.PERMANENT)
    assert (story.current_state(), story.recovery.cause) == (State.AWAITING_CUSTOMER, Cause.PERMANENT)


def test_a_card_that_was_refused_for_good_is_not_named_again_when_the_provider_tries_another() -> None:
    """pm_2 is lost; then the provider's own try of the default fails softly: that one is retried, not the lost one."""
    story = charge_another_card(RecoveryScenario().fail_payment(Cause.CARD_DATA), HARD_DECLINE, Cause.PERMANENT)
    soft = Failure(code="insufficient_funds", method_id="pm_default")
    story.advance_clock(DAY).receive_event(
        a_failure_event(event_id="evt_2", provider_attempt=2, occurred_at=story.now, failure=soft)
    )
    story.decide_failure(Cause.INSUFFICIENT_FUNDS)
    story.advance_until_due().request_charge()
    assert story.last_record(EventType.CHARGE_REQUESTED).data["method_id"] is None


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
def test_which_methods_trigger(role: MethodRole, method: str, rows: list[str]) -> None:
    """The card pm_1 was refused for good: new data of it helps, choosing it once more doesn't."""
    story = RecoveryScenario()
    story.append_events(opening_event(a_failure_event(failure=Failure(code="expired_card", method_id="pm_1"))))
    story.decide_failure(Cause.CARD_DATA)
    story.recovery = story.recovery.with_changes(default_methods=("pm_default",))
    assert (
        story.receive_event(EventKind.METHOD_UPDATED, method_id=method, method_version="new", method_role=role) == rows
    )


# --- what is no card, and what isn't there --------------------------------------------------------


def facts_read(**known: Any) -> FailureFacts:
    """What a provider that can be read says."""
    return FailureFacts(invoice=invoice_with(methods_known=True, **known), failure=Failure(code="insufficient_funds"))


@pytest.mark.parametrize(
    ("method", "able"),
    [(None, Chargeability.NO_METHOD), (DEBIT, Chargeability.NOT_A_CARD), (CARD, Chargeability.CHARGEABLE)],
)
def test_whether_anything_can_be_charged(method: PaymentMethod | None, able: Chargeability) -> None:
    assert assess_ability(RecoveryScenario().fail_payment().recovery, facts_read(method=method)) is able


def test_a_provider_that_cannot_be_read_has_said_all_there_is() -> None:
    asked = FailureFacts(invoice=OPEN_INVOICE, failure=Failure(code="x"), missing=(UNREADABLE_PROVIDER,))
    assert assess_ability(RecoveryScenario().fail_payment().recovery, asked) is Chargeability.NO_METHOD
    named = asked.model_copy(update={"failure": Failure(code="x", method_id="token")})
    assert assess_ability(RecoveryScenario().fail_payment().recovery, named) is Chargeability.CHARGEABLE


@pytest.mark.parametrize(("method", "reason"), [(None, "no_method"), (DEBIT, "not_a_card")])
def test_what_is_no_card_is_never_charged(method: PaymentMethod | None, reason: str) -> None:
    """A fresh read finds it right before the charge, whatever was known when it was planned."""
    story = RecoveryScenario().fail_payment().advance_until_due()
    assert story.request_charge(invoice_with(methods_known=True, method=method)) == ["retry.skipped"]
    assert story.last_record(EventType.RETRY_SKIPPED).data["reason"] == reason
    assert story.next_step() == Read(), "it is decided anew, so that the customer is asked"


def test_a_default_that_is_chosen_once_more_is_tried_once_more() -> None:
    story = RecoveryScenario().fail_payment(Cause.CARD_DATA)
    for number, method in enumerate(("pm_b", "pm_c", "pm_b", "pm_b")):
        rows = story.receive_event(
            EventKind.METHOD_UPDATED, event_id=f"e{number}", method_id=method, method_role=MethodRole.DEFAULT
        )
        assert rows == ([] if number == 3 else ["payment_method.updated"])


def test_an_operator_who_wants_it_charged_is_told_so() -> None:
    story = RecoveryScenario().fail_payment()
    story.submit_command(Action.RETRY)
    assert story.request_charge(invoice_with(methods_known=True, method=DEBIT)) == ["retry.skipped"]
    assert story.last_record(EventType.RETRY_SKIPPED).data["reason"] == "hard_decline"
    assert story.recovery.next_attempt_at, "and the schedule stays"


def test_no_method_at_the_charge_costs_no_retry() -> None:
    story = scenario_in_flight()
    story.record_answer(NO_METHOD_RESULT)
    assert story.next_step() == Read()
    assert story.recovery.attempts_used == 0
    story.decide_failure(Cause.UNKNOWN)
    assert (story.current_state(), story.recovery.ability) == (State.AWAITING_CUSTOMER, Chargeability.NO_METHOD)


def test_a_default_that_cannot_be_charged_is_not_tried_again_and_again() -> None:
    """A detached default still reads as one, and a nameless charge of it is refused before any bank hears of it."""
    story = RecoveryScenario().fail_payment()
    story.recovery = story.recovery.with_changes(default_methods=("pm_card", "pm_other"))
    scenario_in_flight(story).record_answer(NO_METHOD_RESULT)
    assert assess_ability(story.recovery, facts_read(method=CARD)) is Chargeability.NO_METHOD
    other = PaymentMethod(method_id="pm_other", card=CARD.card)
    assert assess_ability(story.recovery, facts_read(method=other)) is Chargeability.CHARGEABLE, (
        "nothing is known against the next one"
    )
    story.receive_event(EventKind.METHOD_UPDATED, method_id="pm_card", method_role=MethodRole.UPDATED)
    assert assess_ability(story.recovery, facts_read(method=CARD)) is Chargeability.CHARGEABLE, (
        "new data is worth a try"
    )
