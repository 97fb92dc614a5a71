"""The precedence of network advice, network code and provider code, one row per rule of the design."""

import pytest

from core.classification.classify import classify, summarize_classification
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Category, Cause
from core.payments import Failure

MC, VISA = "mastercard", "visa"

RULES = {
    "network advice over response code": (
        Failure(network=MC, network_advice="24", network_code="91"),
        "INSUFFICIENT_FUNDS",
        "mastercard advice_code=24",
    ),
    "network advice over provider code": (
        Failure(network=MC, network_advice="03", code="insufficient_funds"),
        "PERMANENT",
        "mastercard advice_code=03",
    ),
    "provider advice over provider code": (
        Failure(advice="do_not_try_again", code="insufficient_funds"),
        "PERMANENT",
        "stripe advice_code=do_not_try_again",
    ),
    "provider advice over response code": (
        Failure(advice="confirm_card_data", network=VISA, network_code="51"),
        "CARD_DATA",
        "stripe advice_code=confirm_card_data",
    ),
    "response code over provider code": (
        Failure(network=VISA, network_code="51", code="processing_error"),
        "INSUFFICIENT_FUNDS",
        "any network_code=51",
    ),
    "generic advice gives way": (
        Failure(advice="try_again_later", code="insufficient_funds"),
        "INSUFFICIENT_FUNDS",
        "stripe decline_code=insufficient_funds",
    ),
    "generic advice does not soften": (
        Failure(advice="try_again_later", code="stolen_card"),
        "PERMANENT",
        "stripe decline_code=stolen_card",
    ),
    "generic response code gives way": (
        Failure(network=VISA, network_code="05", code="expired_card"),
        "CARD_DATA",
        "stripe decline_code=expired_card",
    ),
    "generic says more than unknown": (
        Failure(network=VISA, network_code="00", code="do_not_honor"),
        "GENERIC",
        "stripe decline_code=do_not_honor",
    ),
    "hard response code is not softened by a provider code": (
        Failure(network=VISA, network_code="41", code="insufficient_funds"),
        "PERMANENT",
        "any network_code=41",
    ),
    "hard provider code is not softened by a response code": (
        Failure(network=VISA, network_code="51", code="lost_card"),
        "PERMANENT",
        "stripe decline_code=lost_card",
    ),
    "hard provider code is softened by network advice": (
        Failure(network=MC, network_advice="25", code="lost_card"),
        "INSUFFICIENT_FUNDS",
        "mastercard advice_code=25",
    ),
    "of two pieces of advice the hard one": (
        Failure(network=MC, network_advice="24", advice="do_not_try_again"),
        "PERMANENT",
        "stripe advice_code=do_not_try_again",
    ),
    "stop instruction over other advice": (
        Failure(network=VISA, network_code="R1", advice="do_not_try_again"),
        "STOP_INSTRUCTION",
        "visa network_code=R1",
    ),
    "stop instruction as advice": (
        Failure(network=VISA, network_advice="R3", code="do_not_honor"),
        "STOP_INSTRUCTION",
        "visa advice_code=R3",
    ),
    "stop instruction under the provider's name": (
        Failure(advice="do_not_try_again", code="revocation_of_authorization"),
        "STOP_INSTRUCTION",
        "stripe decline_code=revocation_of_authorization",
    ),
    "advice without a reason does not hide fraud": (
        Failure(advice="do_not_try_again", code="fraudulent"),
        "FRAUD",
        "stripe decline_code=fraudulent",
    ),
    "Radar's reason over a code without one": (
        Failure(code="generic_decline", outcome="blocked", outcome_reason="highest_risk_level"),
        "FRAUD",
        "stripe outcome_reason=highest_risk_level",
    ),
    "held back as unlikely is generic": (
        Failure(code="card_declined", outcome="blocked", outcome_reason="low_probability_of_authorization"),
        "GENERIC",
        "stripe error_code=card_declined",
    ),
    "a bucket is resolved by advice": (
        Failure(network=MC, network_code="79", network_advice="01", code="do_not_honor"),
        "CARD_DATA",
        "mastercard advice_code=01",
    ),
    "a security bucket with new data asks for 3-D Secure": (
        Failure(network=MC, network_code="83", network_advice="01"),
        "AUTHENTICATION_REQUIRED",
        "mastercard advice_code=01 with network_code=83",
    ),
    "a bucket alone leaves it to the provider": (
        Failure(network=MC, network_code="82", code="do_not_honor"),
        "GENERIC",
        "stripe decline_code=do_not_honor",
    ),
    "advice without a network is Mastercard's": (
        Failure(network_advice="24", code="do_not_honor"),
        "INSUFFICIENT_FUNDS",
        "mastercard advice_code=24",
    ),
    "a Mastercard number means nothing to Visa": (
        Failure(network=VISA, network_advice="24", code="do_not_honor"),
        "GENERIC",
        "stripe decline_code=do_not_honor",
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_precedence(tables: DeclineTables, rule: str) -> None:
    failure, cause, decided_by = RULES[rule]
    answer = classify(failure, tables, provider="stripe")
    assert (answer.cause, answer.decided_by) == (Cause(cause), decided_by)
    assert answer.category is answer.cause.category
    assert answer.source


@pytest.mark.parametrize("name", ["mc", "MC", " Master ", "MasterCard", "maestro"])
def test_network_names_are_normalised(tables: DeclineTables, name: str) -> None:
    answer = classify(Failure(network=name, network_advice="24"), tables, provider="stripe")
    assert answer.decided_by == "mastercard advice_code=24"


@pytest.mark.parametrize("name", ["amex", "American Express", "american-express", "AMERICAN_EXPRESS"])
def test_names_of_american_express(tables: DeclineTables, name: str) -> None:
    answer = classify(Failure(network=name, network_code="116"), tables, provider="stripe")
    assert answer.cause is Cause.INSUFFICIENT_FUNDS


@pytest.mark.parametrize(
    "failure",
    [
        Failure(code=" Insufficient_Funds "),
        Failure(network=" VISA ", network_code=" 51 "),
        Failure(network="mastercard", network_advice=" 24"),
    ],
)
def test_codes_are_trimmed_and_folded(tables: DeclineTables, failure: Failure) -> None:
    assert classify(failure, tables, provider="stripe").cause is Cause.INSUFFICIENT_FUNDS


def test_single_digit_code_gets_a_leading_zero(tables: DeclineTables) -> None:
    assert classify(Failure(network="mc", network_advice="3"), tables, provider="stripe").code == "03"


def test_advised_wait_is_kept_beside_another_answer(tables: DeclineTables) -> None:
    failure = Failure(network="mc", network_advice="30", code="stop_payment_order")
    answer = classify(failure, tables, provider="stripe")
    assert (answer.cause, answer.wait_seconds) == (Cause.STOP_INSTRUCTION, 10 * 86_400)


def test_unknown_code_is_reviewed_and_shown(tables: DeclineTables) -> None:
    answer = classify(Failure(code="brand_new", outcome="issuer_declined"), tables, provider="stripe")
    assert (answer.category, answer.cause, answer.code) == (Category.REVIEW, Cause.UNKNOWN, None)
    assert "code='brand_new'" in answer.decided_by
    assert "no code" in classify(Failure(), tables, provider="stripe").decided_by


def test_approval_code_is_no_decline_reason(tables: DeclineTables) -> None:
    answer = classify(Failure(network="visa", network_code="00"), tables, provider="stripe")
    assert (answer.cause, answer.code) == (Cause.UNKNOWN, "00")
    assert answer.decided_by.startswith("any network_code=00 (approved)")


def test_a_merchant_overrides_rows_but_neither_advice_nor_a_stop(tables: DeclineTables) -> None:
    def cause_with_override(failure: Failure, key: str) -> Cause:
        return classify(failure, tables, {key: Cause.GENERIC}, provider="stripe").cause

    hard = classify(Failure(code="do_not_honor"), tables, {"stripe.do_not_honor": Cause.PERMANENT}, provider="stripe")
    assert (hard.cause, hard.source) == (Cause.PERMANENT, "overrides of the policy file")
    assert (
        cause_with_override(Failure(code="transaction_not_allowed"), "stripe.transaction_not_allowed") is Cause.GENERIC
    )
    assert cause_with_override(Failure(network="amex", network_code="200"), "amex.200") is Cause.GENERIC
    assert cause_with_override(Failure(advice="do_not_try_again"), "stripe.do_not_try_again") is Cause.PERMANENT
    assert cause_with_override(Failure(network="mc", network_advice="21"), "mastercard.21") is Cause.STOP_INSTRUCTION
    assert cause_with_override(Failure(network="visa", network_code="R1"), "visa.r1") is Cause.STOP_INSTRUCTION


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("insufficient_funds", "retry"),
        ("card_velocity_exceeded", "cool_down"),
        ("expired_card", "ask_customer"),
        ("lost_card", "wait_for_method"),
        ("fraudulent", "review"),
        ("stop_payment_order", "stop"),
        ("duplicate_transaction", "reconcile"),
        ("invalid_amount", "tell_operators"),
        ("never_heard_of", "retry"),
    ],
)
def test_classification_summary_has_four_fields(tables: DeclineTables, code: str, step: str) -> None:
    words = summarize_classification(classify(Failure(code=code), tables, provider="stripe"))
    assert set(words) == {"category", "cause", "decided_by", "next"}
    assert words["next"] == step
