"""Partial payments, pending and late money, and invoices out of scope."""

from typing import Any

import pytest

from core.classification.taxonomy import Cause
from core.collection_terms import CollectionTerms, SubscriptionStatus
from core.errors import CommandRefused
from core.events import EventType, State, Trigger
from core.operators import Action
from core.payments import (
    Card,
    ChargeResult,
    EventKind,
    Failure,
    InvoiceStatus,
    InvoiceView,
    MethodKind,
    Outcome,
    PaymentMethod,
)
from core.recovery.invoice_check import (
    FIRST_READ_DELAY,
    MAX_READ_DELAY,
    announced_facts,
    check_invoice,
    provider_refusal_event,
    reopen_returned_payment,
)
from core.recovery.machine import MAX_STAND_BACK, Charge, Close, Read, Wait
from core.recovery.reactions import opening_event
from core.recovery.state import PAYMENT_UNDER_WAY
from tests.support.builders import DAY, HOUR, a_failure_event
from tests.support.gateway import SUCCEED
from tests.support.recovery_scenario import OPEN_INVOICE, RecoveryScenario, scenario_in_flight

SUCCEEDED = {"latest_charge_id": "t1", "latest_charge_status": "succeeded"}
PAID_INVOICE = OPEN_INVOICE.model_copy(update={"status": InvoiceStatus.PAID, "amount_due": 0} | SUCCEEDED)
"""As a bank's return leaves it: the transaction still reads as through."""
PROCESSING = OPEN_INVOICE.model_copy(update={"processing": True})
CARD = PaymentMethod(method_id="pm_card", card=Card(kind=MethodKind.CARD, fingerprint="fp_default"))


def invoice_with(**changes: Any) -> InvoiceView:
    """The invoice with these fields."""
    return OPEN_INVOICE.model_copy(update=changes)


# --- money on its way -----------------------------------------------------------------------------


def test_pending_payment_is_waited_for_until_the_next_look() -> None:
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    assert scenario.request_charge(PROCESSING) == ["retry.skipped"]
    assert scenario.next_step() == Wait(
        until=scenario.now + FIRST_READ_DELAY, why="a payment of this invoice is on its way"
    )
    assert scenario.advance_clock(FIRST_READ_DELAY).next_step() == Read()


def test_looks_at_a_pending_payment_become_rarer() -> None:
    scenario, delays = RecoveryScenario().fail_payment(), []
    for _ in range(8):
        scenario.read_invoice(PROCESSING)
        step = scenario.next_step()
        assert isinstance(step, Wait)
        assert step.until
        delays.append(step.until - scenario.now)
        scenario.now = step.until
    assert delays == sorted(delays)
    assert delays[-1] == MAX_READ_DELAY


def test_payment_that_never_arrives_does_not_keep_the_recovery_open() -> None:
    scenario = RecoveryScenario().fail_payment()
    scenario.read_invoice(PROCESSING)
    assert isinstance(scenario.advance_clock(MAX_STAND_BACK).next_step(), Close)


@pytest.mark.parametrize("cause", [Cause.INSUFFICIENT_FUNDS, Cause.CARD_DATA])
def test_pending_payment_stops_the_window(cause: Cause) -> None:
    scenario = RecoveryScenario().fail_payment(cause)
    ends = scenario.recovery.window_ends_at
    assert ends
    scenario.advance_clock(20 * DAY).read_invoice(PROCESSING)
    scenario.advance_clock(6 * DAY).decide_failure(cause)
    assert scenario.recovery.window_ends_at == ends + 6 * DAY
    assert not scenario.recovery.stage.is_final


def test_returned_debit_extends_the_window_by_its_waiting_time() -> None:
    scenario = RecoveryScenario().fail_payment()
    ends = scenario.recovery.window_ends_at
    assert ends
    scenario.read_invoice(PROCESSING)
    scenario.advance_clock(40 * DAY).receive_event(
        EventKind.PAYMENT_REVERSED, returned_kind="returned_debit", currency="EUR"
    )
    assert scenario.recovery.window_ends_at == ends + 40 * DAY
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert not scenario.recovery.stage.is_final


@pytest.mark.parametrize("after", ["paused", "refused"])
def test_waiting_time_is_given_back_during_a_pause_or_refused_key(after: str) -> None:
    scenario = RecoveryScenario().fail_payment()
    ends = scenario.recovery.window_ends_at
    assert ends
    scenario.read_invoice(PROCESSING)
    scenario.advance_clock(40 * DAY)
    if after == "paused":
        scenario.read_invoice(invoice_with(terms=CollectionTerms(collection_paused=True)))
    else:
        scenario.append_events(provider_refusal_event(scenario.recovery, "HTTP 401.", scenario.now))
    assert scenario.recovery.window_ends_at == ends + 40 * DAY
    assert isinstance(scenario.next_step(), Wait)


def test_pending_payment_moves_the_customers_deadline() -> None:
    scenario = RecoveryScenario().fail_payment(Cause.CARD_DATA)
    scenario.read_invoice(PROCESSING)
    scenario.advance_clock(40 * DAY).read_invoice(invoice_with(terms=CollectionTerms(collection_paused=True)))
    assert isinstance(scenario.next_step(), Wait)


def test_last_look_finds_a_pending_payment() -> None:
    scenario = RecoveryScenario().fail_payment(Cause.CARD_DATA).advance_clock(21 * DAY)
    assert scenario.take_last_look(PROCESSING) == ["retry.skipped"]
    assert scenario.recovery.standing_back
    assert scenario.recovery.standing_back.reason == PAYMENT_UNDER_WAY
    assert scenario.receive_event(EventKind.INVOICE_PAID)[-1] == "recovery.closed"
    assert scenario.ending == (State.RECOVERED, "paid_elsewhere")


def test_last_look_finds_an_unreported_payment() -> None:
    scenario = RecoveryScenario().fail_payment(Cause.CARD_DATA).advance_clock(21 * DAY)
    scenario.take_last_look(invoice_with(status=InvoiceStatus.PAID))
    assert scenario.ending == (State.RECOVERED, "paid_elsewhere")


def test_nothing_is_charged_beside_a_pending_payment() -> None:
    scenario = RecoveryScenario().fail_payment()
    scenario.read_invoice(PROCESSING)
    with pytest.raises(CommandRefused) as refused:
        scenario.submit_command(Action.RETRY)
    assert refused.value.code == "in_flight"


def test_new_method_waits_behind_a_pending_payment() -> None:
    scenario = RecoveryScenario().fail_payment(Cause.CARD_DATA)
    scenario.receive_event(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert scenario.request_charge(PROCESSING) == ["retry.skipped"]
    scenario.advance_clock(HOUR).decide_failure(Cause.CARD_DATA)
    assert scenario.next_step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_our_own_pending_charge_is_only_reconciled() -> None:
    assert scenario_in_flight().read_invoice(PROCESSING) == []


# --- parts ----------------------------------------------------------------------------------------


def test_partial_payment_leaves_the_rest_open() -> None:
    scenario = RecoveryScenario().fail_payment()
    assert scenario.receive_event(EventKind.INVOICE_PAID, paid_amount=1900, currency="EUR") == [
        "invoice.paid_elsewhere"
    ]
    assert (scenario.recovery.amount, scenario.recovery.paid, scenario.current_state()) == (3000, 1900, State.WAITING)
    scenario.receive_event(EventKind.INVOICE_PAID, event_id="evt_rest", paid_amount=3000, currency="EUR")
    assert scenario.ending == (State.RECOVERED, "paid_elsewhere")


@pytest.mark.parametrize("kind", [EventKind.PAYMENT_FAILED, EventKind.PROVIDER_STOPPED])
def test_later_failure_of_the_full_amount_keeps_the_part_paid(kind: EventKind) -> None:
    """Adyen's rescue retries the original amount; an unreadable provider is charged by what we know."""
    scenario = RecoveryScenario().fail_payment()
    scenario.receive_event(EventKind.INVOICE_PAID, paid_amount=1900, currency="EUR")
    scenario.advance_clock(HOUR).receive_event(kind, event_id="evt_2", provider_attempt=2, amount=4900, currency="EUR")
    assert scenario.recovery.amount == 3000
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    scenario.advance_until_due().request_charge(announced_facts(scenario.recovery).invoice)
    assert scenario.last_record(EventType.CHARGE_REQUESTED).data["amount"] == 3000


def test_partial_payment_in_another_currency_is_not_converted() -> None:
    scenario = RecoveryScenario().fail_payment()
    scenario.receive_event(EventKind.INVOICE_PAID, paid_amount=1, currency="USD")
    assert scenario.ending == (State.RECOVERED, "paid_elsewhere"), "no sum can be made of two currencies"


@pytest.mark.parametrize("due", [1, 2500])
def test_only_the_open_amount_is_charged(due: int) -> None:
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    assert scenario.request_charge(invoice_with(amount_due=due)) == ["invoice.paid_elsewhere"]
    assert scenario.request_charge(invoice_with(amount_due=due)) == ["charge.requested"]
    assert scenario.last_record(EventType.CHARGE_REQUESTED).data["amount"] == due


def test_fully_credited_invoice_is_not_charged() -> None:
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    scenario.request_charge(invoice_with(amount_due=0, amount_paid=0))
    assert scenario.ending == (State.RECOVERED, "paid_elsewhere")


def test_partial_charge_leaves_the_rest_open() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(ChargeResult(outcome=Outcome.SUCCEEDED, charge_id="ch_part", amount=1000))
    assert (scenario.recovery.amount, scenario.recovery.paid, scenario.next_step()) == (3900, 1000, Read())


def test_returned_partial_payment_is_owed_again() -> None:
    scenario = RecoveryScenario().fail_payment()
    scenario.receive_event(EventKind.INVOICE_PAID, paid_amount=1900, currency="EUR")
    event_fields = {"returned_amount": 1900, "returned_kind": "returned_debit", "currency": "EUR"}
    assert scenario.receive_event(EventKind.PAYMENT_REVERSED, **event_fields) == ["payment.reversed"]
    assert (scenario.recovery.amount, scenario.recovery.paid, scenario.next_step()) == (4900, 0, Read())


# --- money after the end --------------------------------------------------------------------------


def test_money_returned_after_recovery_is_a_row_with_its_amount() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(SUCCEED)
    rows = [
        (EventKind.PAYMENT_REFUNDED, "refund", "payment.refunded"),
        (EventKind.PAYMENT_REVERSED, "failed_capture", "payment.reversed"),
        (EventKind.DISPUTE_OPENED, "chargeback", "payment.reversed"),
    ]
    for number, (kind, returned_kind, row) in enumerate(rows, start=1):
        assert scenario.receive_event(
            kind, event_id=f"e{number}", returned_amount=100, returned_kind=returned_kind
        ) == [row]
        assert scenario.recovery.returned == 100 * number
    assert scenario.ending == (State.RECOVERED, "charged")


def test_dispute_counts_once_and_not_after_it_is_won() -> None:
    scenario = scenario_in_flight()
    scenario.record_answer(SUCCEED)
    money = {"returned_amount": 4900, "returned_kind": "chargeback", "payment_id": "pay_1"}
    scenario.receive_event(EventKind.DISPUTE_OPENED, event_id="first", **money)
    assert scenario.receive_event(EventKind.DISPUTE_OPENED, event_id="second", **money) == ["event.late"]
    assert scenario.recovery.returned == 4900
    assert scenario.receive_event(EventKind.PAYMENT_RESTORED, **money | {"returned_kind": "restored"}) == [
        "payment.late"
    ]
    assert (scenario.recovery.returned, scenario.recovery.paid_late) == (0, 0)
    assert scenario.receive_event(EventKind.DISPUTE_OPENED, event_id="again", **money) == ["payment.reversed"]
    assert scenario.recovery.returned == 4900, "after a won dispute another one takes the money anew"


def test_returned_debit_opens_a_recovery() -> None:
    failure = Failure(code="AM04", method_id="pm_bank")
    event = a_failure_event(kind=EventKind.PAYMENT_REVERSED, failure=failure, returned_amount=4900)
    scenario = RecoveryScenario()
    assert scenario.receive_event(event) == ["payment.failed"]
    assert scenario.recovery.amount == 4900
    assert opening_event(event.model_copy(update={"amount": None})).data["amount"] == 4900, (
        "what came back is owed again"
    )


def test_returned_money_without_a_bank_reason_opens_no_recovery() -> None:
    assert (
        RecoveryScenario().receive_event(
            EventKind.PAYMENT_REVERSED, returned_amount=4900, returned_kind="failed_capture"
        )
        == []
    )


def test_bank_inquiry_does_not_block_the_recovery() -> None:
    scenario = RecoveryScenario().fail_payment()
    assert scenario.receive_event(EventKind.DISPUTE_INQUIRY) == ["dispute.opened"]
    assert scenario.current_state() is State.WAITING


# --- whose claim ----------------------------------------------------------------------------------


TERM_CASES = [
    ({"subscription_status": SubscriptionStatus.CANCELED}, (State.CANCELED, "subscription_ended")),
    ({"customer_deleted": True}, (State.CANCELED, "customer_deleted")),
]


@pytest.mark.parametrize(("terms", "end"), TERM_CASES)
def test_reading_replaces_a_missed_event(terms: dict[str, Any], end: tuple[State, str]) -> None:
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    assert "charge.requested" not in scenario.request_charge(invoice_with(terms=CollectionTerms(**terms)))
    assert scenario.ending == end


def test_out_of_scope_invoice_ends_with_its_rule() -> None:
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    scenario.request_charge(invoice_with(out_of_scope="send_invoice"))
    assert scenario.ending == (State.CANCELED, "out_of_scope")
    assert scenario.last_record(EventType.RETRY_SKIPPED).data["reason"] == "send_invoice"


def test_paused_collection_stops_charges_but_not_the_window() -> None:
    paused = invoice_with(terms=CollectionTerms(collection_paused=True))
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    assert scenario.request_charge(paused) == ["retry.skipped"]
    assert scenario.advance_clock(HOUR).next_step() == Read()
    scenario.read_invoice(paused)
    scenario.now = scenario.recovery.window_ends_at or scenario.now
    scenario.take_last_look(paused)
    assert scenario.ending == (State.EXHAUSTED, "window")


REST_CASES = [{"terms": CollectionTerms(collection_paused=True)}, {"written_off": True}]


@pytest.mark.parametrize("rests", REST_CASES)
def test_operator_retry_is_refused_while_collection_is_paused(rests: dict[str, Any]) -> None:
    """Known before or read right at the charge: the command is not kept for later."""
    scenario = RecoveryScenario().fail_payment()
    scenario.submit_command(Action.RETRY)
    scenario.request_charge(invoice_with(**rests))
    assert scenario.last_record(EventType.RETRY_SKIPPED).data["action"] == "refuse"
    assert scenario.recovery.trigger is None
    scenario.read_invoice(invoice_with(**rests))
    with pytest.raises(CommandRefused) as refused:
        scenario.submit_command(Action.RETRY)
    assert refused.value.code == "paused"


def test_under_old_rules_a_pending_payment_does_not_stop_a_charge() -> None:
    old = RecoveryScenario().fail_payment().recovery.with_changes(rules=1)
    assert check_invoice(old, PROCESSING, old.opened_at or RecoveryScenario().now) == ()


def test_returned_payment_does_not_count_as_paid() -> None:
    recovery = RecoveryScenario().fail_payment().recovery.with_changes(failure=Failure(code="R01", charge_id="t1"))
    view = reopen_returned_payment(recovery, PAID_INVOICE)
    assert (view.status, view.amount_due) == (InvoiceStatus.OPEN, recovery.amount)
    assert check_invoice(recovery, view, RecoveryScenario().now) == ()


@pytest.mark.parametrize(
    ("charge", "status"), [("t2", "succeeded"), ("t1", "failed"), (None, "succeeded"), (None, None)]
)
def test_any_other_payment_still_counts(charge: str | None, status: str | None) -> None:
    """Also a payment outside of the provider, where the newest charge is the failed one."""
    recovery = RecoveryScenario().fail_payment().recovery.with_changes(failure=Failure(charge_id="t1"))
    paid = PAID_INVOICE.model_copy(update={"latest_charge_id": charge, "latest_charge_status": status})
    assert reopen_returned_payment(recovery, paid) == paid
