"""How Adyen's own retries end: process statuses are no decline codes, and numbers equal their words."""

import pytest

import catalog
from core.classification.classify import classify
from core.classification.taxonomy import Cause
from core.payments import EventKind, Failure, MethodKind
from providers.adyen import create
from providers.adyen.failures import refusal_code
from tests.providers.adyen.test_events import read_one, webhook_item

TABLES = catalog.load_decline_tables({"adyen": create({}).decline_codes})


def cause_of(failure: Failure | None) -> Cause:
    assert failure
    return classify(failure, TABLES, provider="adyen").cause


ENDS = [
    "retryWindowHasElapsed",
    "maxRetryAttemptsReached",
    "internalError",
    "RetryWindowHasElapsed",
    "retry window has elapsed",
    "max_retry_attempts_reached",
    "someOtherEnd",
    "",
    "null",
]


@pytest.mark.parametrize("reason", ENDS)
def test_end_of_a_rescue_keeps_the_banks_code(reason: str) -> None:
    event = read_one(webhook_item("AUTORESCUE", False, reason=reason))
    assert event.failure
    assert (event.kind, event.failure.code, event.card) == (EventKind.PROVIDER_STOPPED, None, None)
    assert event.detail in (reason, None)


def test_end_of_a_rescue_names_the_stored_method() -> None:
    """It may be the first event about this payment."""
    stored = {"recurring.recurringDetailReference": "TOKEN", "recurring.shopperReference": "shopper 1"}
    event = read_one(webhook_item("AUTORESCUE", False, reason="maxRetryAttemptsReached", additional=stored))
    assert event.failure
    assert (event.failure.code, event.failure.method_id, event.customer_id) == (None, "TOKEN", "shopper 1")


@pytest.mark.parametrize("reason", ["fraudDecline", "FraudDecline"])
def test_a_rescue_that_ended_as_fraud_is_fraud(reason: str) -> None:
    event = read_one(webhook_item("AUTORESCUE", False, reason=reason))
    assert event.kind is EventKind.PROVIDER_STOPPED
    assert cause_of(event.failure) is Cause.FRAUD


def test_rescue_that_ended_with_a_refusal_has_its_code() -> None:
    assert cause_of(read_one(webhook_item("AUTORESCUE", False, reason="Expired Card")).failure) is Cause.CARD_DATA


def test_process_status_is_no_decline_code() -> None:
    assert read_one(webhook_item("AUTHORISATION", False, reason="retryWindowHasElapsed")).failure == Failure(
        network="visa", method_id="M5N7TQ4TG5PFWR50", charge_id="PSP0000000000001"
    )


NUMBERED_REASONS = [
    ("800 Contract not found", "800", Cause.CARD_DATA),
    ("803 PaymentDetail not found", "803", Cause.CARD_DATA),
    ("803: PaymentDetail not found", "803", Cause.CARD_DATA),
    ("803 - paymentdetail not found", "803", Cause.CARD_DATA),
    ("805 RecurringDetailReference not available", "805", Cause.CARD_DATA),
    ("010 Not allowed", "010", Cause.CONFIGURATION),
    ("905 Payment details are not supported", "905", Cause.CONFIGURATION),
    ("12 Not enough balance", "12", Cause.INSUFFICIENT_FUNDS),
    ("12", "12", Cause.INSUFFICIENT_FUNDS),
    ("NOT ENOUGH BALANCE", "NOT ENOUGH BALANCE", Cause.INSUFFICIENT_FUNDS),
    ("3D Not Authenticated", "3D Not Authenticated", Cause.AUTHENTICATION_REQUIRED),
    ("3DS Authentication Error", "3DS Authentication Error", Cause.AUTHENTICATION_REQUIRED),
    (" Refused ", "Refused", Cause.GENERIC),
]


@pytest.mark.parametrize(("reason", "code", "cause"), NUMBERED_REASONS)
def test_refusal_number_with_its_words_is_read_as_the_number(reason: str, code: str, cause: Cause) -> None:
    assert refusal_code(reason) == code
    assert cause_of(Failure(code=code)) is cause


def test_a_refusal_without_a_stored_method_keeps_its_cause() -> None:
    bare = {"recurring.recurringDetailReference": None, "shopperReference": None, "recurring.shopperReference": None}
    event = read_one(webhook_item("AUTHORISATION", False, reason="Not enough balance", additional=bare))
    assert event.failure
    assert (event.failure.code, event.failure.method_id, event.customer_id) == ("Not enough balance", None, None)
    assert cause_of(event.failure) is Cause.INSUFFICIENT_FUNDS
    assert event.card
    assert (event.card.kind, event.card.fingerprint) == (MethodKind.CARD, None)


def test_next_rescue_attempt_has_no_effect() -> None:
    assert read_one(webhook_item("AUTORESCUE_NEXT_ATTEMPT")).kind is EventKind.RETRY_SCHEDULED
