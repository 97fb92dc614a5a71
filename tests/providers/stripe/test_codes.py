"""Stripe's failure codes of debits and local methods: each is known, and none is charged again by itself."""

import re
from inspect import getsource

import pytest
from stripe import _payment_intent

from catalog import load_decline_tables
from core.classification.classify import classify
from core.classification.taxonomy import Cause, NextAction
from core.payments import Failure
from providers.stripe import StripeProvider
from providers.stripe.config import StripeConfig

TABLES = load_decline_tables({"stripe": StripeProvider(StripeConfig()).decline_codes})
NEVER_BY_ITSELF = [
    "bank_account_closed",
    "bank_account_frozen",
    "bank_account_invalid_details",
    "bank_account_restricted",
    "bank_account_unusable",
    "debit_not_authorized",
    "payment_method_bank_account_blocked",
    "payment_method_microdeposit_verification_timeout",
    "recipient_deceased",
    "refer_to_customer",
    "tokenized_account_number_deactivated",
]
PAYMENT_CODE_PATTERN = re.compile(r"(bank_account|payment_method|payment_intent|three_d_secure|card|debit|sepa|acss)_")
OTHER_CODES = {
    "bank_account_exists",
    "payment_method_bank_account_already_verified",
    "payment_method_configuration_failures",
    "cardholder_phone_number_required",
    "acss_debit_session_incomplete",
}
"""Of creating or changing objects: no payment fails with them (docs.stripe.com/error-codes)."""


def codes_of_the_library() -> set[str]:
    """Every possible value of `PaymentIntent.last_payment_error.code`."""
    source = getsource(_payment_intent)
    begin = source.index("code: Optional", source.index("class LastPaymentError"))
    return set(re.findall(r'"([a-z0-9_]+)"', source[begin : source.index("]", source.index("Literal[", begin))]))


def cause_of(code: str) -> Cause:
    return classify(Failure(code=code), TABLES, provider="stripe").cause


@pytest.mark.parametrize("code", NEVER_BY_ITSELF)
def test_closed_bank_account_is_not_debited_again(code: str) -> None:
    assert cause_of(code).next_action in {NextAction.WAIT_FOR_METHOD, NextAction.STOP}


def test_every_code_that_a_payment_can_fail_with_is_known() -> None:
    codes = {code for code in codes_of_the_library() if PAYMENT_CODE_PATTERN.match(code)} - OTHER_CODES
    assert len(codes) > 40
    assert {code for code in codes if cause_of(code) is Cause.UNKNOWN} == set()


def test_network_return_code_does_not_change_the_cause() -> None:
    for code, network_code in {"insufficient_funds": "R01", "bank_account_closed": "R02"}.items():
        classification = classify(Failure(code=code, network_code=network_code), TABLES, provider="stripe")
        assert classification.cause is cause_of(code)


@pytest.mark.parametrize("code", ["payment_intent_mandate_invalid", "billing_invalid_mandate"])
def test_revoked_mandate_asks_for_another_method(code: str) -> None:
    assert cause_of(code) is Cause.PERMANENT
