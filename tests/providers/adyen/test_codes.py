"""Adyen's decline table against its sources, and issuers' raw responses."""

import pytest

import catalog
from core.classification.classify import classify
from core.classification.taxonomy import Cause
from core.payments import Failure
from providers.adyen import create
from providers.adyen.failures import failure_of, network_code
from providers.adyen.methods import network_of_method
from providers.fields import Fields
from sandbox.adyen.payments import REFUSAL_REASONS

TABLES = catalog.load_decline_tables({"adyen": create({}).decline_codes})
CAUSES = {
    Cause.GENERIC: "2 3 27",
    Cause.TECHNICAL: "4 9 21 39",
    Cause.PERMANENT: "5 10 17 18 19 23 25 34 35 44 45",
    Cause.CARD_DATA: "6 8 24 32",
    Cause.CONFIGURATION: "7",
    Cause.AUTHENTICATION_REQUIRED: "11 33 36 37 38 41 42 43",
    Cause.INSUFFICIENT_FUNDS: "12",
    Cause.FRAUD: "14 20 22 31",
    Cause.UNKNOWN: "15",
    Cause.STOP_INSTRUCTION: "16 26 50",
    Cause.VELOCITY: "28 29 40 46",
}
ROWS = [(code, cause) for cause, codes in CAUSES.items() for code in codes.split()]


def cause_of(code: str | None, **more: str | None) -> Cause:
    return classify(Failure(code=code, **more), TABLES, provider="adyen").cause


def test_the_table_is_complete() -> None:
    assert {code for code, _ in ROWS} == set(REFUSAL_REASONS)


@pytest.mark.parametrize(("code", "cause"), ROWS)
def test_refusal_by_number_and_in_words_is_classified_alike(code: str, cause: Cause) -> None:
    assert cause_of(code) is cause_of(REFUSAL_REASONS[code]) is cause_of(REFUSAL_REASONS[code].upper()) is cause


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("51 : Insufficient funds", "51"),
        ("05 : Do not honor", "05"),
        ("r1 : Revocation", "R1"),
        ("N7 : CVV2 failure", "N7"),
        ("51", "51"),
        ("DECLINED", None),
        ("No", None),
        ("Insufficient funds", None),
        ("1234 : too long", None),
        (None, None),
    ],
)
def test_raw_issuer_responses_are_parsed(raw: str | None, code: str | None) -> None:
    assert network_code(raw) == code


@pytest.mark.parametrize(
    ("method", "network"),
    [
        ("visa", "visa"),
        ("mc", "mastercard"),
        ("mc_applepay", "mastercard"),
        ("visa_googlepay", "visa"),
        ("maestro", "mastercard"),
        ("amex", "amex"),
        ("sepadirectdebit", "sepadirectdebit"),
        ("", None),
        (None, None),
    ],
)
def test_payment_methods_are_networks(method: str | None, network: str | None) -> None:
    assert network_of_method(method) == network


def test_issuers_code_overrides_a_plain_refusal() -> None:
    failure = failure_of("Refused", Fields({"refusalReasonRaw": "51 : Insufficient funds"}), "visa", None)
    assert classify(failure, TABLES, provider="adyen").cause is Cause.INSUFFICIENT_FUNDS


def test_mastercard_advice_takes_precedence() -> None:
    failure = failure_of("Refused", Fields({"merchantAdviceCode": "03 : Do not try again"}), "mc", None)
    assert classify(failure, TABLES, provider="adyen").cause is Cause.PERMANENT


@pytest.mark.parametrize("reason", [REFUSAL_REASONS["20"], REFUSAL_REASONS["21"], REFUSAL_REASONS["46"]])
def test_charge_blocked_by_adyen_is_no_network_try(reason: str) -> None:
    assert failure_of(reason, Fields({}), "visa", None).network_status == "not_sent_to_network"
    assert failure_of("Refused", Fields({}), "visa", None).network_status is None
