"""Partial payments and returned money at Adyen."""

from typing import Any

import pytest

import catalog
from core.classification.classify import classify
from core.classification.taxonomy import Cause
from core.payments import EventKind, MethodKind, ProviderEvent
from providers.adyen import create
from providers.adyen.shopper_interaction import LONGEST_RESCUE
from tests.providers.adyen.test_events import AT, ORIGINAL, read_one, webhook_item
from tests.providers.contract.adyen_subject import THEN

TABLES = catalog.load_decline_tables({"adyen": create({}).decline_codes})


def event_after_payment(code: str, success: bool = True, **fields: Any) -> ProviderEvent:
    return read_one(webhook_item(code, success, originalReference=ORIGINAL, **fields))


def test_an_authorisation_and_its_capture_are_the_same_money() -> None:
    paid = read_one(webhook_item("AUTHORISATION", payment={"amount": 3000}) | {"pspReference": ORIGINAL})
    captured = event_after_payment("CAPTURE", payment={"amount": 2500})
    assert (paid.kind, paid.payment_id, paid.paid_amount) == (EventKind.INVOICE_PAID, ORIGINAL, 3000)
    assert (captured.kind, captured.payment_id, captured.paid_amount) == (EventKind.INVOICE_PAID, ORIGINAL, 2500)


def test_rescued_payment_reports_its_amount() -> None:
    event = event_after_payment("AUTORESCUE", payment={"amount": 3000})
    assert (event.kind, event.paid_amount) == (EventKind.INVOICE_PAID, 3000)


RETURN_CASES = [
    ("REFUND", True, EventKind.PAYMENT_REFUNDED, "refund"),
    ("REFUND_WITH_DATA", True, EventKind.PAYMENT_REFUNDED, "refund"),
    ("CANCEL_OR_REFUND", True, EventKind.PAYMENT_REFUNDED, "refund"),
    ("CANCELLATION", True, EventKind.PAYMENT_REFUNDED, "refund"),
    ("TECHNICAL_CANCEL", True, EventKind.PAYMENT_REFUNDED, "refund"),
    ("CAPTURE", False, EventKind.PAYMENT_REVERSED, "failed_capture"),
    ("CAPTURE_FAILED", True, EventKind.PAYMENT_REVERSED, "failed_capture"),
    ("EXPIRE", True, EventKind.PAYMENT_REVERSED, "failed_capture"),
    ("CHARGEBACK", True, EventKind.DISPUTE_OPENED, "chargeback"),
    ("SECOND_CHARGEBACK", True, EventKind.DISPUTE_OPENED, "chargeback"),
    ("DISPUTE_OPENED_WITH_CHARGEBACK", True, EventKind.DISPUTE_OPENED, "chargeback"),
    ("CHARGEBACK_REVERSED", True, EventKind.PAYMENT_RESTORED, "restored"),
    ("PREARBITRATION_WON", True, EventKind.PAYMENT_RESTORED, "restored"),
    ("REFUNDED_REVERSED", True, EventKind.PAYMENT_RESTORED, "restored"),
]


@pytest.mark.parametrize(("code", "success", "kind", "event_code"), RETURN_CASES)
def test_returned_money_names_amount_and_payment(code: str, success: bool, kind: EventKind, event_code: str) -> None:
    event = event_after_payment(code, success, payment={"amount": 1500, "currency": "EUR"})
    assert (event.kind, event.returned_kind, event.failure) == (kind, event_code, None)
    assert (event.returned_amount, event.currency) == (1500, "EUR")
    assert (event.payment_id, event.invoice_id) == (ORIGINAL, "inv 1/2026")


@pytest.mark.parametrize(
    ("code", "success"),
    [
        ("REFUND", False),
        ("CANCEL_OR_REFUND", False),
        ("CANCELLATION", False),
        ("PAIDOUT_REVERSED", True),
        ("VOID_PENDING_REFUND", True),
        ("POSTPONED_REFUND", True),
        ("ORDER_OPENED", True),
        ("ORDER_CLOSED", True),
        ("ORDER_CLOSED", False),
    ],
)
def test_event_without_money_movement_is_ignored_with_a_reason(code: str, success: bool) -> None:
    event = event_after_payment(code, success)
    assert event.kind is EventKind.OTHER
    assert event.detail
    assert (event.returned_amount, event.returned_kind) == (None, None)


def test_refund_rejected_by_the_scheme_counts_as_paid_again() -> None:
    """Adyen sends REFUND with success before the scheme has answered: the returned money is restored."""
    event = event_after_payment("REFUND_FAILED", payment={"amount": 1500, "currency": "EUR"})
    assert (event.kind, event.returned_kind) == (EventKind.PAYMENT_RESTORED, "restored")
    assert (event.returned_amount, event.payment_id) == (1500, ORIGINAL)


@pytest.mark.parametrize("reason", ["Transaction Recaptured", "Transaction Auto-recaptured"])
def test_resolved_capture_failure_counts_as_paid_again(reason: str) -> None:
    """The payment was counted, and CAPTURE_FAILED took it back: it must be counted again."""
    event = event_after_payment("CAPTURE", reason=reason, payment={"amount": 1500, "currency": "EUR"})
    assert (event.kind, event.returned_amount, event.payment_id) == (EventKind.PAYMENT_RESTORED, 1500, ORIGINAL)
    assert event_after_payment("CAPTURE").kind is EventKind.INVOICE_PAID


def test_opened_dispute_has_no_returned_amount() -> None:
    event = event_after_payment("NOTIFICATION_OF_CHARGEBACK", reason="Fraudulent Transaction")
    assert (event.kind, event.returned_amount) == (EventKind.DISPUTE_OPENED, None)
    assert event_after_payment("REQUEST_FOR_INFORMATION").kind is EventKind.DISPUTE_INQUIRY


def test_unreadable_amount_is_left_out() -> None:
    event = read_one(webhook_item("CHARGEBACK", originalReference=ORIGINAL) | {"amount": {}})
    assert (event.kind, event.returned_amount) == (EventKind.DISPUTE_OPENED, None)


def test_a_reference_of_the_refund_itself_needs_no_invoice() -> None:
    event = read_one(webhook_item("REFUND", originalReference=ORIGINAL) | {"merchantReference": ""})
    assert (event.kind, event.invoice_id, event.payment_id) == (EventKind.PAYMENT_REFUNDED, None, ORIGINAL)


def returned_debit(code: str | None, reason: str = "", brand: str = "sepadirectdebit", **more: Any) -> ProviderEvent:
    payment = {"brand": brand, "amount": 4900, "currency": "EUR"}
    return event_after_payment(
        "CHARGEBACK", reason=reason, payment=payment, additional={"chargebackReasonCode": code} | more
    )


def test_a_debit_that_its_bank_did_not_pay_is_a_failure() -> None:
    event = returned_debit("AM04", "AM04:InsufficientFunds")
    assert (event.kind, event.returned_kind, event.returned_amount) == (
        EventKind.PAYMENT_REVERSED,
        "returned_debit",
        4900,
    )
    assert (event.amount, event.currency, event.provider_attempt) == (4900, "EUR", THEN)
    assert event.failure
    assert (event.failure.code, event.failure.charge_id) == ("AM04", ORIGINAL)
    assert event.card
    assert event.card.kind is MethodKind.DIRECT_DEBIT


RETURN_REASONS = [
    ("AM04", "", "sepadirectdebit", Cause.INSUFFICIENT_FUNDS),
    (" ms03 ", "", "sepadirectdebit", Cause.GENERIC),
    (None, "MS03: Not specified reason agent generated", "sepadirectdebit", Cause.GENERIC),
    (None, "Insufficient funds", "sepadirectdebit", Cause.INSUFFICIENT_FUNDS),
    ("AC04", "", "sepadirectdebit", Cause.PERMANENT),
    ("MD01", "", "sepadirectdebit", Cause.STOP_INSTRUCTION),
    ("MD07", "", "sepadirectdebit", Cause.STOP_INSTRUCTION),
    ("RR04", "", "sepadirectdebit", Cause.PERMANENT),
    ("R01", "", "ach", Cause.INSUFFICIENT_FUNDS),
    ("R02", "", "ach", Cause.PERMANENT),
    ("R10", "", "ach", Cause.STOP_INSTRUCTION),
    (None, "R29: Corporate Customer Advises Not Authorized", "ach", Cause.STOP_INSTRUCTION),
    ("2", "", "directdebit_GB", Cause.STOP_INSTRUCTION),
    ("XX99", "", "sepadirectdebit", Cause.UNKNOWN),
    (None, "", "sepadirectdebit", Cause.UNKNOWN),
]


@pytest.mark.parametrize(("code", "reason", "brand", "cause"), RETURN_REASONS)
def test_scheme_reason_determines_the_cause(code: str | None, reason: str, brand: str, cause: Cause) -> None:
    failure = returned_debit(code, reason, brand).failure
    assert failure
    assert classify(failure, TABLES, provider="adyen").cause is cause


def test_refused_debit_may_carry_the_banks_code() -> None:
    item = webhook_item(
        "AUTHORISATION", False, reason="AM04 : Insufficient funds", payment={"brand": "sepadirectdebit"}
    )
    failure = read_one(item).failure
    assert failure
    assert failure.code == "AM04"


def test_recovery_stands_back_for_a_returned_debit_that_adyen_rescues() -> None:
    event = returned_debit("AM04", **{"retry.rescueScheduled": "true"})
    assert event.next_provider_attempt == AT + LONGEST_RESCUE


def test_chargeback_notification_of_a_debit_is_an_inquiry() -> None:
    assert event_after_payment("NOTIFICATION_OF_CHARGEBACK", payment={"brand": "ach"}).kind is EventKind.DISPUTE_INQUIRY
    assert returned_debit("10.4", brand="visa").kind is EventKind.DISPUTE_OPENED
