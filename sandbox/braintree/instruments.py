"""Payment instruments as XML: each kind has its own element on a transaction, in the vault and in a customer.

Source: transaction.py, payment_method_parser.py, customer.py and payment_instrument_type.py of the official client.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sandbox.models import Document


class Instrument(StrEnum):
    """`payment_instrument_type` of a transaction."""

    CREDIT_CARD = "credit_card"
    APPLE_PAY = "apple_pay_card"
    GOOGLE_PAY = "android_pay_card"
    PAYPAL = "paypal_account"
    VENMO = "venmo_account"
    US_BANK_ACCOUNT = "us_bank_account"
    SEPA_DEBIT = "sepa_debit_account"


DEBIT_INSTRUMENTS = frozenset({Instrument.US_BANK_ACCOUNT, Instrument.SEPA_DEBIT})
"""Their result comes days later, and may be taken back for weeks."""


@dataclass(frozen=True)
class ElementNames:
    """Of one kind: on a transaction, as a stored method, and in a customer's list."""

    on_transaction: str
    in_vault: str
    in_customer: str


ELEMENT_NAMES = {
    Instrument.CREDIT_CARD: ElementNames("credit-card", "credit-card", "credit-cards"),
    Instrument.APPLE_PAY: ElementNames("apple-pay", "apple-pay-card", "apple-pay-cards"),
    Instrument.GOOGLE_PAY: ElementNames("android-pay-card", "android-pay-card", "android-pay-cards"),
    Instrument.PAYPAL: ElementNames("paypal", "paypal-account", "paypal-accounts"),
    Instrument.VENMO: ElementNames("venmo-account", "venmo-account", "venmo-accounts"),
    Instrument.US_BANK_ACCOUNT: ElementNames("us-bank-account", "us-bank-account", "us-bank-accounts"),
    Instrument.SEPA_DEBIT: ElementNames("sepa-debit-account-detail", "sepa-debit-account", "sepa-debit-accounts"),
}


def instrument_of(one: Document) -> Instrument:
    """With which kind a remembered transaction or method is paid; a card where nothing else is said."""
    return Instrument(one.get("instrument") or Instrument.CREDIT_CARD)


def is_debit(one: Document) -> bool:
    """Whether it is a direct debit."""
    return instrument_of(one) in DEBIT_INSTRUMENTS


def transaction_details(one: Document) -> Document:
    """The elements of a transaction: the credit card is always there, if only as an empty one."""
    kind = instrument_of(one)
    empty: Document = {"credit-card": {"token": None, "bin": None, "last-4": None, "card-type": None}}
    return empty | {ELEMENT_NAMES[kind].on_transaction: instrument_fields(one)}


def instrument_fields(one: Document) -> Document:
    """What Braintree shows of it."""
    kind, token = instrument_of(one), {"token": one["token"]}
    card = {"bin": "411111", "expiration-month": "12", "expiration-year": "2030", "debit": "No"}
    card |= {"country-of-issuance": "USA"}
    shown: dict[Instrument, dict[str, Any]] = {
        Instrument.CREDIT_CARD: {
            "last-4": one["last4"],
            "card-type": one["card_type"],
            "unique-number-identifier": one["fingerprint"],
            **card,
        },
        Instrument.APPLE_PAY: {"last-4": one["last4"], "card-type": f"Apple Pay - {one['card_type']}", **card},
        Instrument.GOOGLE_PAY: {"virtual-card-last-4": one["last4"], "virtual-card-type": one["card_type"], **card},
        Instrument.PAYPAL: {"payer-email": "payer@example.com", "billing-agreement-id": "B-1"},
        Instrument.VENMO: {"username": "venmojoe", "venmo-user-id": "456"},
        Instrument.US_BANK_ACCOUNT: {"last-4": one["last4"], "routing-number": "123456789", "account-type": "checking"},
        Instrument.SEPA_DEBIT: {
            "last-4": one["last4"],
            "mandate-type": "RECURRENT",
            "merchant-or-partner-customer-id": "p",
        },
    }
    return token | shown[kind]
