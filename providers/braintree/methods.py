"""What a payment was made with, and stored methods: the client's classes as kinds, cards and networks."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import braintree
from babel.core import get_global
from braintree.europe_bank_account import EuropeBankAccount
from braintree.local_payment import LocalPayment
from braintree.masterpass_card import MasterpassCard
from braintree.meta_checkout_card import MetaCheckoutCard
from braintree.meta_checkout_token import MetaCheckoutToken
from braintree.paypal_here import PayPalHere
from braintree.samsung_pay_card import SamsungPayCard
from braintree.sepa_direct_debit_account import SepaDirectDebitAccount
from braintree.visa_checkout_card import VisaCheckoutCard

from core.payments import Card, MethodKind, PaymentMethod
from providers.braintree.client_objects import ID, WORD, attribute, text_attribute

_Kind = MethodKind
KINDS: Final[Mapping[type, MethodKind]] = MappingProxyType(
    {
        braintree.CreditCard: _Kind.CARD,
        braintree.ApplePayCard: _Kind.CARD,
        braintree.AndroidPayCard: _Kind.CARD,
        braintree.AmexExpressCheckoutCard: _Kind.CARD,
        MasterpassCard: _Kind.CARD,
        MetaCheckoutCard: _Kind.CARD,
        MetaCheckoutToken: _Kind.CARD,
        SamsungPayCard: _Kind.CARD,
        VisaCheckoutCard: _Kind.CARD,
        braintree.PayPalAccount: _Kind.WALLET,
        braintree.VenmoAccount: _Kind.WALLET,
        PayPalHere: _Kind.OTHER,
        braintree.UsBankAccount: _Kind.DIRECT_DEBIT,
        SepaDirectDebitAccount: _Kind.DIRECT_DEBIT,
        EuropeBankAccount: _Kind.BANK_TRANSFER,
        LocalPayment: _Kind.BANK_TRANSFER,
        braintree.UnknownPaymentMethod: _Kind.OTHER,
    }
)
"""A card in a phone's wallet is charged as a card. Source: the client's payment_method_parser.py and transaction.py."""
_DETAILS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "credit_card": "credit_card_details",
        "paypal_account": "paypal_details",
        "apple_pay_card": "apple_pay_details",
        "android_pay_card": "android_pay_card_details",
        "venmo_account": "venmo_account_details",
        "us_bank_account": "us_bank_account",
        "sepa_debit_account": "sepa_direct_debit_account_details",
        "europe_bank_account": "europe_bank_account_details",
        "local_payment": "local_payment_details",
        "paypal_here": "paypal_here_details",
        "visa_checkout_card": "visa_checkout_card_details",
        "samsung_pay_card": "samsung_pay_card_details",
        "masterpass_card": "masterpass_card_details",
        "amex_express_checkout_card": "amex_express_checkout_card_details",
        "meta_checkout_card": "meta_checkout_card_details",
        "meta_checkout_token": "meta_checkout_token_details",
    }
)
"""The attribute of a transaction for each `payment_instrument_type` (payment_instrument_type.py of the client)."""
_NETWORKS: Final[Mapping[str, str]] = {"american express": "amex", "diners": "diners", "china unionpay": "unionpay"}
_LAST_FOUR: Final = re.compile(r"[0-9]{4}")
_PHONE_WALLET: Final = re.compile(r"^(apple|google|android|samsung) pay - ")


def instrument_of(transaction: Any) -> Any:
    """The instrument that was charged: that of the transaction's type, else the first that isn't empty, or None.

    The client fills the attributes of all other types with empty objects.
    """
    told = _DETAILS.get(str(attribute(transaction, "payment_instrument_type")))
    if told and (named := attribute(transaction, told)) is not None:
        return named
    found = [attribute(transaction, name) for name in _DETAILS.values()]
    return next((one for one in found if _says_anything(one)), None)


def _says_anything(instrument: Any) -> bool:
    return any(text_attribute(instrument, name, WORD) for name in ("token", "last_4")) or bool(
        attribute(instrument, "card_type")
    )


def kind_of_instrument(instrument: Any) -> MethodKind | None:
    """The kind of a transaction's instrument or a stored method, by its class; None if there is none."""
    return None if instrument is None else KINDS.get(type(instrument))


def card_of_instrument(instrument: Any) -> Card:
    """The card. Its fingerprint is the number's identifier, the same in all of the merchant's vault, else the token."""
    debit = attribute(instrument, "debit")
    return Card(
        kind=kind_of_instrument(instrument),
        fingerprint=text_attribute(instrument, "unique_number_identifier", WORD)
        or text_attribute(instrument, "token", ID),
        network=network_of_instrument(instrument),
        last4=text_attribute(instrument, "last_4", _LAST_FOUR),
        country=country_of(attribute(instrument, "country_of_issuance")),
        funding={"Yes": "debit", "No": "credit"}.get(str(debit)),
    )


def vault_method(method: Any) -> PaymentMethod | None:
    """A stored method; None without a token."""
    token = text_attribute(method, "token", ID)
    return PaymentMethod(method_id=token, card=card_of_instrument(method)) if token else None


def network_of_instrument(instrument: Any) -> str | None:
    """The card network in lower case, also of `Apple Pay - Visa`; None without a card type."""
    name = _PHONE_WALLET.sub("", str(attribute(instrument, "card_type") or "").lower())
    return _NETWORKS.get(name, name) or None


def country_of(told: Any) -> str | None:
    """The country in the two letters of ISO 3166, also from three, as cards have it; None if it is neither."""
    code = told.upper() if isinstance(told, str) and told.isascii() and told.isalpha() else ""
    if len(code) == 3:
        code = next(iter(get_global("territory_aliases").get(code, ())), "")
    return code if len(code) == 2 else None
