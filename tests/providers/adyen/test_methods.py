"""Which of Adyen's payment methods are cards, of which network, and what the others are."""

import pytest

from core.payments import EventKind, MethodKind
from providers.adyen.methods import kind_of_method, network_of_method
from tests.providers.adyen.test_events import read_one, webhook_item

KINDS = {
    MethodKind.CARD: (
        "visa mc amex maestro discover diners jcb cup elo hipercard cartebancaire bcmc dankort mada scheme card "
        "visastandarddebit mcpremiumcredit amex_applepay visa_googlepay mc_samsungpay visa_vipps applepay googlepay "
        "paywithgoogle eftpos_australia interac_card bcmc_applepay VISA networktoken star"
    ),
    MethodKind.DIRECT_DEBIT: (
        "sepadirectdebit sepadirectdebit_amazonpay ach ach_plaid directdebit_GB directdebit_NL "
        "eft_directdebit_CA eft elv paybybank_AIS_DD"
    ),
    MethodKind.BANK_TRANSFER: (
        "ideal sofort directEbanking giropay eps bankTransfer_IBAN bankTransfer_NL boleto boletobancario_santander "
        "multibanco oxxo pix blik trustly onlineBanking_CZ ebanking_FI molpay_ebanking_fpx_MY paybybank paysafecard "
        "econtext_seven_eleven doku_alfamart interac"
    ),
    MethodKind.WALLET: (
        "paypal alipay alipay_hk alipay_plus wechatpayWeb venmo cashapp amazonpay vipps mobilepay swish twint "
        "bcmc_mobile bcmc_mobile_QR mbway momo_wallet gcash grabpay_SG kakaopay molpay_boost"
    ),
    MethodKind.OTHER: (
        "klarna klarna_account klarna_paynow afterpay_default afterpaytouch clearpay affirm atome ratepay "
        "facilypay_3x givex genericgiftcard something_new"
    ),
}


@pytest.mark.parametrize(("kind", "method"), [(kind, name) for kind, names in KINDS.items() for name in names.split()])
def test_the_kind_of_a_method(kind: MethodKind, method: str) -> None:
    assert kind_of_method(method) is kind


def test_unknown_method_with_card_data_is_a_card() -> None:
    assert kind_of_method("something_new", card_seen=True) is MethodKind.CARD
    assert kind_of_method("ideal", card_seen=True) is MethodKind.BANK_TRANSFER
    assert (kind_of_method(None), kind_of_method("", card_seen=True)) == (None, MethodKind.CARD)


@pytest.mark.parametrize(
    ("method", "network"),
    [
        ("visastandarddebit", "visa"),
        ("mccorporate", "mastercard"),
        ("maestro", "mastercard"),
        ("electron", "visa"),
        ("amex_googlepay", "amex"),
        ("cartebancaire", "cartebancaire"),
        ("applepay", None),
        ("scheme", None),
        ("directdebit_GB", "directdebit_gb"),
        ("bcmc_mobile", "bcmc_mobile"),
    ],
)
def test_the_network_behind_a_variant(method: str, network: str | None) -> None:
    assert network_of_method(method) == network


def test_wallet_counts_as_its_card() -> None:
    item = webhook_item(
        "AUTHORISATION", False, payment={"brand": "applepay"}, additional={"paymentMethodVariant": "mc_applepay"}
    )
    card = read_one(item).card
    assert card
    assert (card.kind, card.network) == (MethodKind.CARD, "mastercard")


def test_a_refused_debit_is_no_card() -> None:
    event = read_one(webhook_item("AUTHORISATION", False, reason="Refused", payment={"brand": "sepadirectdebit"}))
    assert event.kind is EventKind.PAYMENT_FAILED
    assert event.card
    assert event.card.kind is MethodKind.DIRECT_DEBIT
    assert event.terms is None, "a debit of a mandate needs nobody"
