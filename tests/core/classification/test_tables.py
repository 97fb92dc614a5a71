"""The shipped tables are complete, sourced, and each of their rows is what a failure with its code becomes."""

from collections import Counter

import pytest

from core.classification.classify import classify
from core.classification.tables import (
    ADVICE_COLUMNS,
    NETWORK_COLUMNS,
    PROVIDER_COLUMNS,
    DeclineTables,
    parse_decline_tables,
)
from core.classification.taxonomy import Cause
from core.errors import InvalidInput
from core.payments import Failure

# Written by hand from the facts, not from the files.
STRIPE = """
authentication_required=AUTHENTICATION_REQUIRED call_issuer=GENERIC card_not_supported=PERMANENT
card_velocity_exceeded=VELOCITY do_not_honor=GENERIC do_not_try_again=PERMANENT duplicate_transaction=DUPLICATE
expired_card=CARD_DATA fraudulent=FRAUD generic_decline=GENERIC incorrect_cvc=CARD_DATA incorrect_pin=PERMANENT
insufficient_funds=INSUFFICIENT_FUNDS invalid_amount=CONFIGURATION issuer_not_available=TECHNICAL lost_card=PERMANENT
merchant_blacklist=FRAUD new_account_information_available=CARD_DATA pickup_card=PERMANENT processing_error=TECHNICAL
reenter_transaction=TECHNICAL revocation_of_all_authorizations=STOP_INSTRUCTION security_violation=FRAUD
revocation_of_authorization=STOP_INSTRUCTION stop_payment_order=STOP_INSTRUCTION testmode_decline=CONFIGURATION
transaction_not_allowed=PERMANENT try_again_later=GENERIC withdrawal_count_limit_exceeded=VELOCITY
partner_generic_decline=GENERIC payment_limit_exceeded=VELOCITY invalid_billing_agreement=STOP_INSTRUCTION
partner_insufficient_funds=INSUFFICIENT_FUNDS partner_high_risk_customer=FRAUD partner_payment_not_found=UNKNOWN
highest_risk_level=FRAUD rule=FRAUD low_probability_of_authorization=GENERIC live_mode_test_card=CONFIGURATION
previously_declined_do_not_retry=PERMANENT card_decline_rate_limit_exceeded=VELOCITY rate_limit=API_LIMIT
idempotency_key_in_use=TECHNICAL authentication_error=CONFIGURATION permission_error=CONFIGURATION
invalid_request_error=CONFIGURATION missing=CONFIGURATION payment_intent_authentication_failure=AUTHENTICATION_REQUIRED
"""

# network/code=cause; `-` for a failure whose network isn't known.
NETWORKS = """
visa/01=GENERIC visa/04=PERMANENT mastercard/05=GENERIC amex/05=GENERIC visa/07=FRAUD visa/12=CONFIGURATION
visa/14=CARD_DATA visa/41=PERMANENT discover/51=INSUFFICIENT_FUNDS visa/54=CARD_DATA visa/59=FRAUD visa/61=VELOCITY
visa/65=VELOCITY visa/70=AUTHENTICATION_REQUIRED mastercard/70=GENERIC mastercard/71=PERMANENT mastercard/79=UNKNOWN
visa/82=CARD_DATA mastercard/82=UNKNOWN visa/83=FRAUD mastercard/83=UNKNOWN visa/91=TECHNICAL visa/94=DUPLICATE
visa/1A=AUTHENTICATION_REQUIRED mastercard/1Z=TECHNICAL visa/5C=PERMANENT visa/9G=STOP_INSTRUCTION visa/N4=VELOCITY
visa/N7=CARD_DATA visa/R0=STOP_INSTRUCTION visa/R1=STOP_INSTRUCTION visa/R3=STOP_INSTRUCTION -/R1=STOP_INSTRUCTION
mastercard/R1=UNKNOWN visa/Z5=GENERIC amex/100=GENERIC amex/101=CARD_DATA amex/116=INSUFFICIENT_FUNDS
amex/200=PERMANENT amex/911=TECHNICAL -/116=INSUFFICIENT_FUNDS visa/116=UNKNOWN visa/00=UNKNOWN visa/85=UNKNOWN
"""

WAITS = {"02": 72, "24": 1, "25": 24, "26": 48, "27": 96, "28": 144, "29": 192, "30": 240}

ADVICE = """
01=CARD_DATA 02=INSUFFICIENT_FUNDS 03=PERMANENT 04=CONFIGURATION 05=CONFIGURATION 21=STOP_INSTRUCTION 22=CONFIGURATION
24=INSUFFICIENT_FUNDS 25=INSUFFICIENT_FUNDS 26=INSUFFICIENT_FUNDS 27=INSUFFICIENT_FUNDS 28=INSUFFICIENT_FUNDS
29=INSUFFICIENT_FUNDS 30=INSUFFICIENT_FUNDS 40=PERMANENT 41=PERMANENT 42=FRAUD 43=GENERIC 99=PERMANENT
"""


def parse_pairs(text: str) -> list[list[str]]:
    return [pair.split("=") for pair in text.split()]


@pytest.mark.parametrize(("code", "cause"), parse_pairs(STRIPE))
def test_stripe_codes(tables: DeclineTables, code: str, cause: str) -> None:
    assert classify(Failure(code=code), tables, provider="stripe").cause == cause


@pytest.mark.parametrize(("code", "cause"), parse_pairs(NETWORKS))
def test_network_codes(tables: DeclineTables, code: str, cause: str) -> None:
    network, _, response = code.partition("/")
    failure = Failure(network=None if network == "-" else network, network_code=response)
    assert classify(failure, tables, provider="stripe").cause == cause


@pytest.mark.parametrize(("code", "cause"), parse_pairs(ADVICE))
def test_mastercard_advice_and_its_waits(tables: DeclineTables, code: str, cause: str) -> None:
    answer = classify(Failure(network="mastercard", network_advice=code), tables, provider="stripe")
    assert answer.cause == cause
    assert answer.wait_seconds == (WAITS[code] * 3_600 if code in WAITS else None)


def test_every_row_of_every_table_decides_alone(tables: DeclineTables) -> None:
    for row in tables.providers.values():
        advice = row.kind == "advice_code"
        reason = row.code if row.kind == "outcome_reason" else None
        code = None if advice or reason else row.code
        failure = Failure(code=code, outcome_reason=reason, advice=row.code if advice else None)
        assert classify(failure, tables, provider=row.table).cause == row.cause, row.name
    for row in tables.networks.values():
        network = None if row.table == "any" else row.table
        assert classify(Failure(network=network, network_code=row.code), tables, provider="x").cause == row.cause
    for row in tables.advice.values():
        failure = Failure(network=row.table, network_advice=row.code, network_code=row.with_code)
        assert classify(failure, tables, provider="x").cause == row.cause, row.name


def test_the_tables_are_complete(tables: DeclineTables) -> None:
    kinds = Counter(row.kind for row in tables.providers.values())
    local = [row for row in tables.providers.values() if row.source.endswith("local methods")]
    assert kinds["decline_code"] == 50 + 12 + 8, "six local codes are card codes too, eight are of debits"
    assert kinds["outcome_reason"] == 18 + 7
    assert len(local) == 12 + 18
    assert kinds["advice_code"] == 3
    assert len({code for _, code in tables.networks}) == 83 + 25
    assert len(tables.advice) == 19 + 1 + 3


def test_every_row_has_its_source_and_its_reason(tables: DeclineTables) -> None:
    rows = [*tables.providers.values(), *tables.networks.values(), *tables.advice.values()]
    assert all(row.source.strip() and row.meaning.strip() for row in rows)


def test_every_cause_is_reached_by_some_row(tables: DeclineTables) -> None:
    rows = [*tables.providers.values(), *tables.networks.values(), *tables.advice.values()]
    assert {row.cause for row in rows} == set(Cause)


HEAD = ",".join(PROVIDER_COLUMNS)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("code,cause\n", "codes.csv:1: the columns must be kind,code,cause,meaning,source"),
        (f"{HEAD}\ndecline_code,a,NOPE,m,s\n", "codes.csv:2: unknown cause 'NOPE'"),
        (f"{HEAD}\nmood,a,GENERIC,m,s\n", "codes.csv:2: unknown kind 'mood'"),
        (f"{HEAD}\ndecline_code,a,GENERIC,m,\n", "codes.csv:2: source is empty"),
        (f"{HEAD}\ndecline_code,a,GENERIC\n", "codes.csv:2: 5 cells are needed"),
        (f"{HEAD}\ndecline_code,a,GENERIC,m,s,more\n", "codes.csv:2: 5 cells are needed"),
        (
            f"{HEAD}\ndecline_code,a,GENERIC,m,s\ndecline_code,A,FRAUD,m,s\n",
            "codes.csv:3: p decline_code=a is there twice",
        ),
    ],
)
def test_a_wrong_table_names_file_and_line(text: str, complaint: str) -> None:
    empty = ("n", ",".join(NETWORK_COLUMNS)), ("a", ",".join(ADVICE_COLUMNS))
    with pytest.raises(InvalidInput) as excinfo:
        parse_decline_tables({"p": ("codes.csv", text)}, *empty)
    assert str(excinfo.value) == complaint


def test_a_wait_must_be_whole_seconds() -> None:
    advice = f"{','.join(ADVICE_COLUMNS)}\nmastercard,24,,GENERIC,1.5,m,s\n"
    with pytest.raises(InvalidInput, match=r"^a:2: wait_seconds must be a whole number"):
        parse_decline_tables({}, ("n", ",".join(NETWORK_COLUMNS)), ("a", advice))
