"""Adyen's names of payment methods: which are cards and of which network, and what the others are.

Source: docs.adyen.com/payment-methods/payment-method-types, docs.adyen.com/development-resources/paymentmethodvariant.
A variant is a method's name with a suffix: `visastandarddebit`, `mc_applepay`, `directdebit_GB`.
"""

import re
from collections.abc import Mapping
from typing import Final

from core.payments import MethodKind

_NETWORKS: Final[Mapping[str, str]] = {"mc": "mastercard", "maestro": "mastercard", "electron": "visa", "vpay": "visa"}
_BRANDS: Final = re.compile(
    r"(visa|mc|maestro|amex|discover|diners|jcb|cup|elo|hipercard|hiper|cartebancaire|mada|dankort)[a-z0-9_]*"
    r"|(electron|vpay|accel|pulse|star|nyce|troy|mir|rupay|carnet|uatp|argencard|naranja|cabal|girocard|bcmc"
    r"|eftpos_australia|interac_card|korean_local_card)(?:_[a-z0-9_]+)?"
)
"""First group: networks whose variants may follow directly; second: those with a variant only after an underscore."""
_CARD_WALLETS: Final = frozenset(
    {"scheme", "card", "networktoken", "applepay", "googlepay", "paywithgoogle", "samsungpay", "clicktopay"}
)
"""Names of cards of any network; a phone's wallet is charged as the card in it."""
_APP_NAMES: Final = (
    r"paypal|alipay|wechatpay|venmo|cashapp|amazonpay|vipps|mobilepay|swish|twint|mbway|bizum|payconiq|bcmc_mobile"
    r"|momo|gcash|dana|grabpay|gopay|kakaopay|naverpay|kcp_payco|kcp_naverpay|linepay|paypay|shopeepay|touchngo"
    r"|molpay_boost|mercadopago|picpay|qiwiwallet|moneybookers|paytm|satispay|wero|rabbitlinepay|truemoney"
)
_BANK_NAMES: Final = (
    r"ideal|sofort|directebanking|giropay|eps|trustly|banktransfer|kcp_banktransfer|sepacredittransfer|boleto"
    r"|primeiropay_boleto|multibanco|oxxo|pix|blik|dotpay|przelewy24|p24|onlinebanking|ebanking|molpay|fpx|doku"
    r"|econtext|dragonpay|paybybank|openbanking|open_banking|konbini|interac|paynow|promptpay|upi|duitnow|payto"
    r"|paysafecard|payshop|pse|efecty|baloto|spei|rapipago|pagofacil|7eleven|seveneleven|euteller|paytrail|poli"
)
_CREDIT_NAMES: Final = (
    r"klarna|afterpay|clearpay|affirm|atome|zip|oney|facilypay|ratepay|walley|scalapay|alma|riverty|billie|sezzle"
    r"|givex|svs|valuelink|genericgiftcard|giftcard"
)
"""Credit of a third party, and gift cards."""
_DEBITS: Final = re.compile(r"(?s:.*?directdebit.*)|ach(_.*)?|elv|eft(_.*)?|bacs|becs|paybybank_ais_dd")
_APPS: Final = re.compile(rf"({_APP_NAMES}).*")
_CREDITS: Final = re.compile(rf"({_CREDIT_NAMES}).*")
_BANKS: Final = re.compile(rf"({_BANK_NAMES}).*")
_KINDS: Final = (
    (_DEBITS, MethodKind.DIRECT_DEBIT),
    (_APPS, MethodKind.WALLET),
    (_CREDITS, MethodKind.OTHER),
    (_BANKS, MethodKind.BANK_TRANSFER),
)
"""Tried in this order: a name may match two patterns, an app's name and the bank's that it begins with."""
_NO_CARDS: Final = frozenset({"bcmc_mobile", "bcmc_mobile_qr"})


def network_of_method(method: str | None) -> str | None:
    """The card network of a method such as `mc` or `visa_applepay`; another method's own name; None if not known."""
    name = _normalise_name(method)
    brand = _card_brand(name)
    if brand:
        return _NETWORKS.get(brand, brand)
    return None if is_generic_method(name) else name


def kind_of_method(method: str | None, *, card_seen: bool = False) -> MethodKind | None:
    """The kind of a method, OTHER for an unlisted name; with `card_seen` (the item shows card data) CARD instead."""
    name = _normalise_name(method)
    if _card_brand(name) or name in _CARD_WALLETS:
        return MethodKind.CARD
    known = next((kind for shape, kind in _KINDS if shape.fullmatch(name)), None)
    if known or not (card_seen or name):
        return known
    return MethodKind.CARD if card_seen else MethodKind.OTHER


def is_paid_by_shopper(method: str | None) -> bool:
    """Whether only the shopper can pay by this method, in an app, at a bank or with a voucher, unless it is stored."""
    kind = kind_of_method(method)
    if kind is MethodKind.OTHER:
        return _CREDITS.fullmatch(_normalise_name(method)) is not None
    return kind in {MethodKind.BANK_TRANSFER, MethodKind.WALLET}


def is_generic_method(method: str | None) -> bool:
    """Whether the name doesn't say which card network it is."""
    return _normalise_name(method) in _CARD_WALLETS | {""}


def _normalise_name(method: str | None) -> str:
    return (method or "").strip().lower()


def _card_brand(name: str) -> str | None:
    found = None if name in _NO_CARDS else _BRANDS.fullmatch(name)
    return found[1] or found[2] if found else None
