"""Whether the shopper was present when a payment was refused."""

from typing import Any

import pytest

from core.collection_terms import CollectionTerms
from core.payments import EventKind
from tests.providers.adyen.test_events import read_one, webhook_item

NO_TOKEN: dict[str, Any] = {"recurring.recurringDetailReference": None}


def shopper_present(brand: str = "visa", code: str = "AUTHORISATION", **additional: Any) -> bool | None:
    event = read_one(webhook_item(code, False, reason="Refused", payment={"brand": brand}, additional=additional))
    assert event.kind in {EventKind.PAYMENT_FAILED, EventKind.PROVIDER_STOPPED}
    assert event.terms is None or event.terms == CollectionTerms(shopper_present=event.terms.shopper_present)
    return event.terms.shopper_present if event.terms else None


@pytest.mark.parametrize("token", [{}, NO_TOKEN])
@pytest.mark.parametrize(
    ("interaction", "is_present"),
    [("Ecommerce", True), ("ecommerce", True), ("POS", True), ("Moto", True), ("ContAuth", False), ("", None)],
)
def test_shopper_interaction_decides_about_presence(
    interaction: str, is_present: bool | None, token: dict[str, Any]
) -> None:
    assert shopper_present(shopperInteraction=interaction, **token) is is_present


@pytest.mark.parametrize(
    ("model", "is_present"),
    [("Subscription", False), ("UnscheduledCardOnFile", False), ("CardOnFile", None), ("", None)],
)
def test_recurring_model_decides_without_an_interaction(model: str, is_present: bool | None) -> None:
    assert shopper_present(recurringProcessingModel=model) is is_present
    assert shopper_present(recurringProcessingModel=model, shopperInteraction="Ecommerce") is True


SIGNS = [
    {"cvcResult": "1 Matches"},
    {"cvcResult": "2 Doesn't match"},
    {"threeDAuthenticated": "true"},
    {"terminalId": "V400m-324688179"},
    {"tenderReference": "oLkO001517998574000"},
]


@pytest.mark.parametrize("sign", SIGNS)
def test_a_typed_cvc_a_challenge_or_a_terminal_show_a_person(sign: dict[str, str]) -> None:
    assert shopper_present(**sign) is True
    assert shopper_present(**sign, shopperInteraction="ContAuth") is False


@pytest.mark.parametrize("sign", [{"cvcResult": "6 No CVC/CVV provided"}, {"threeDAuthenticated": "false"}])
def test_other_values_show_no_shopper(sign: dict[str, str]) -> None:
    assert shopper_present(**sign) is None


@pytest.mark.parametrize("brand", ["ideal", "sofort", "giropay", "bankTransfer_IBAN", "boleto", "multibanco", "oxxo"])
def test_bank_payment_methods_mean_a_present_shopper(brand: str) -> None:
    assert shopper_present(brand) is True
    assert shopper_present(brand, **NO_TOKEN) is True


@pytest.mark.parametrize("brand", ["paypal", "klarna", "alipay", "wechatpayWeb", "afterpaytouch"])
def test_a_wallet_may_be_stored(brand: str) -> None:
    assert shopper_present(brand, **NO_TOKEN) is True
    assert shopper_present(brand) is None


@pytest.mark.parametrize("brand", ["visa", "interac_card", "something_new", "sepadirectdebit"])
def test_cards_debits_and_unknown_methods_do_not_tell_presence(brand: str) -> None:
    assert shopper_present(brand, **NO_TOKEN) is None


def test_our_own_charges_and_rescues_are_the_merchants() -> None:
    assert shopper_present(**{"metadata.priCharge": "pri-adyen-1", "cvcResult": "1 Matches"}) is False
    assert shopper_present(**{"retry.rescueScheduled": "true"}) is False
    assert shopper_present(code="AUTORESCUE") is False
