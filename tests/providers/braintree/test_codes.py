"""Braintree's decline table: every documented code, and the sandbox's answers to the amounts 2000 to 3000."""

import csv
from functools import cache
from io import StringIO

import pytest
from braintree import Transaction

import catalog
from core.classification.classify import classify
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Cause
from core.payments import Failure, Outcome
from providers.braintree import create
from providers.braintree.gateway import BraintreeGateway
from sandbox.braintree.client import BraintreeSandboxClient
from sandbox.braintree.processor_responses import code_for_amount
from tests.providers.braintree.orders import order_for

ROWS = {row["code"]: row for row in csv.DictReader(StringIO(create({}).decline_codes))}
REJECTIONS = {text for name, text in vars(Transaction.GatewayRejectionReason).items() if not name.startswith("_")} - {
    "unrecognized"
}
SPOT_CHECKS = {
    "2000": Cause.GENERIC,
    "2001": Cause.INSUFFICIENT_FUNDS,
    "2003": Cause.VELOCITY,
    "2010": Cause.CARD_DATA,
    "2016": Cause.DUPLICATE,
    "2018": Cause.STOP_INSTRUCTION,
    "2021": Cause.FRAUD,
    "2026": Cause.CONFIGURATION,
    "2033": Cause.TECHNICAL,
    "2047": Cause.PERMANENT,
    "2070": Cause.STOP_INSTRUCTION,
    "2099": Cause.AUTHENTICATION_REQUIRED,
    "2109": Cause.GENERIC,
    "2999": Cause.GENERIC,
    "3000": Cause.TECHNICAL,
    "excessive_retry": Cause.VELOCITY,
    "duplicate": Cause.DUPLICATE,
    "fraud": Cause.FRAUD,
    "risk_threshold": Cause.FRAUD,
    "three_d_secure": Cause.AUTHENTICATION_REQUIRED,
}
RETURNS = {
    **dict.fromkeys(("R01", "R09", "AM04"), Cause.INSUFFICIENT_FUNDS),
    **dict.fromkeys(("R02", "R03", "R04", "R13", "R15", "R16", "R20", "AC01", "AC04", "MD07"), Cause.PERMANENT),
    **dict.fromkeys(("R05", "R07", "R08", "R10", "R29", "MD01", "MD06", "MS02"), Cause.STOP_INSTRUCTION),
    **dict.fromkeys(("R24", "AM05"), Cause.DUPLICATE),
    **dict.fromkeys(("R11", "R18", "R68", "R85", "AG02"), Cause.CONFIGURATION),
    **dict.fromkeys(("MS03", "4001"), Cause.GENERIC),
    "R32": Cause.TECHNICAL,
    "4005": Cause.FRAUD,
    "settlement_failed": Cause.TECHNICAL,
}
ACH = [*range(1, 48), *range(50, 54), *range(61, 78), *range(80, 86)]
"""Every return code of Nacha that is in use."""
DOCUMENTED = [*range(2000, 2110), 2500, 2999, 3000]


@cache
def decline_tables() -> DeclineTables:
    return catalog.load_decline_tables({"braintree": create({}).decline_codes})


def cause_of(failure: Failure) -> Cause:
    return classify(failure, decline_tables(), provider="braintree").cause


@pytest.mark.parametrize(("code", "cause"), SPOT_CHECKS.items())
def test_cause_of_each_code(code: str, cause: Cause) -> None:
    assert cause_of(Failure(code=code)) is cause


@pytest.mark.parametrize(("code", "cause"), RETURNS.items())
def test_cause_of_a_returned_debit(code: str, cause: Cause) -> None:
    assert cause_of(Failure(code=code)) is cause


def test_every_return_code_of_nacha_is_known_and_none_is_about_a_card() -> None:
    named = {f"R{number:02}" for number in ACH}
    assert {code for code in ROWS if code.startswith("R") and code[1:].isdigit()} == named
    assert {ROWS[code]["cause"] for code in named}.isdisjoint({"CARD_DATA", "GENERIC", "UNKNOWN"})


def test_every_code_from_2000_to_3000_is_known() -> None:
    assert [code for code in range(2000, 3001) if str(code) not in ROWS] == []


def test_every_gateway_rejection_of_the_library_is_known() -> None:
    assert len(REJECTIONS) >= 9
    assert sorted(REJECTIONS - set(ROWS)) == []


def test_the_file_itself_stays_readable() -> None:
    assert "2109-2999" not in create({}).decline_codes
    assert all(len(row["source"]) > 5 for row in ROWS.values())


@pytest.mark.parametrize("code", DOCUMENTED)
async def test_an_amount_of_the_sandbox_is_answered_with_its_code(
    box: BraintreeSandboxClient, gateway: BraintreeGateway, code: int
) -> None:
    failed_payment = await box.create_failed_payment(amount=code * 100)
    result = await gateway.charge(order_for(failed_payment, amount=code * 100))
    assert result.outcome is Outcome.DECLINED
    assert result.failure.code == str(code)
    assert cause_of(result.failure).value == ROWS[str(code)]["cause"]
    assert await box.read_ledger(failed_payment.invoice) == []


def test_each_amount_of_the_sandbox_asks_for_a_code_that_the_table_knows() -> None:
    """All amounts from 2000.00 to 3000.99, without HTTP."""
    codes = {
        f"{code}.{cents}": code_for_amount(f"{code}.{cents}") for code in range(2000, 3001) for cents in ("00", "99")
    }
    assert all(code == amount[:4] and code in ROWS for amount, code in codes.items())
    assert all(cause_of(Failure(code=code)).value == ROWS[str(code)]["cause"] for code in codes.values())
    assert [code_for_amount(amount) for amount in ("1999.99", "3001.00", "20.00")] == [None] * 3


@pytest.mark.parametrize("amount", [199_999, 300_100])
async def test_other_amounts_are_approved(box: BraintreeSandboxClient, gateway: BraintreeGateway, amount: int) -> None:
    failed_payment = await box.create_failed_payment(amount=amount)
    assert (await gateway.charge(order_for(failed_payment, amount=amount))).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("reason", sorted(REJECTIONS))
async def test_a_gateway_rejection_is_a_decline_that_no_network_saw(
    box: BraintreeSandboxClient, gateway: BraintreeGateway, reason: str
) -> None:
    failed_payment = await box.create_failed_payment(script=(f"decline:{reason}",))
    result = await gateway.charge(order_for(failed_payment))
    assert (result.outcome, result.failure.code) == (Outcome.DECLINED, reason)
    assert result.failure.network_status == "not_sent_to_network"
    assert result.charge_id
    assert cause_of(result.failure).value == ROWS[reason]["cause"]
