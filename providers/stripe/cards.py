"""The card, or the other method that was charged, read from Stripe's charges, errors and payment methods."""

from collections.abc import Mapping
from typing import Final

from core.payments import Card, MethodKind
from providers.fields import Fields

_CARDS: Final = ("card", "three_d_secure")
"""Types that are cards. Apple Pay, Google Pay and a card passed through by Link have the type `card`."""
_DEBITS: Final = (
    "ach_debit acss_debit au_becs_debit bacs_debit bank_account nz_bank_account payto sepa_debit us_bank_account"
)
_TRANSFERS: Final = (
    "ach_credit_transfer bancontact bizum blik boleto customer_balance eps fpx giropay ideal konbini multibanco oxxo"
    " p24 pay_by_bank paynow paper_check pix promptpay sepa_credit_transfer sofort upi"
)
_WALLETS: Final = (
    "alipay amazon_pay cashapp grabpay kakao_pay link mb_way mobilepay naver_pay payco paypal paypay revolut_pay"
    " samsung_pay satispay stripe_account swish twint wechat wechat_pay"
)
KINDS: Final[Mapping[str, MethodKind]] = {
    **dict.fromkeys(_CARDS, MethodKind.CARD),
    **dict.fromkeys(_DEBITS.split(), MethodKind.DIRECT_DEBIT),
    **dict.fromkeys(_TRANSFERS.split(), MethodKind.BANK_TRANSFER),
    **dict.fromkeys(_WALLETS.split(), MethodKind.WALLET),
}


def kind_of_type(type_: str | None) -> MethodKind | None:
    """The kind of a Stripe payment method type; None if Stripe names none.

    OTHER for every type that the table doesn't hold: buy now and pay later, Korean cards, crypto, cards present at a
    reader (which can't be charged again), and types that Stripe adds later.
    """
    return KINDS.get(type_, MethodKind.OTHER) if type_ else None


_NETWORKS: Final = {"american express": "amex", "american_express": "amex", "diners club": "diners"}


def card_of_error(error: Fields) -> Card:
    """The card of the method that a payment error names; empty if it names none."""
    return card_of_method(method_of_error(error))


def card_of_charge(charge: Fields) -> Card:
    """The card or other method that a charge was made with."""
    details = charge.child("payment_method_details")
    return _card_of_type(details, details.code("type")) if details else card_of_method(charge.expanded_object("source"))


def card_of_method(method: Fields) -> Card:
    """The card of a payment method, or of an older integration's source, which may itself be the card."""
    bare = method.raw.get("object")
    if bare in ("card", "bank_account"):  # a tuple, not a set: a value from outside may not be hashable
        return (
            _card_details(method, kind_of_type(bare))
            if bare == "card"
            else _account_details(method, MethodKind.DIRECT_DEBIT)
        )
    return _card_of_type(method, method.code("type"))


def merge_cards(first: Card, second: Card) -> Card:
    """One card with each field from `first`, or from `second` where `first` doesn't have it."""
    return Card(**(second.model_dump(exclude_none=True) | first.model_dump(exclude_none=True)))


def method_of_error(error: Fields) -> Fields:
    """The payment method that an error names, or the source of older integrations; empty if it names none."""
    return error.expanded_object("payment_method") or error.expanded_object("source")


def _card_of_type(holder: Fields, type_: str | None) -> Card:
    """The details under the name of their type; without a type, a `card` object shows that it is one."""
    kind = kind_of_type(type_) or (MethodKind.CARD if holder.child("card") else None)
    if kind is MethodKind.CARD or kind is None:
        return _card_details(holder.child("card") or holder, kind)
    details = holder.child(type_ or "")
    return (
        _card_details(details, kind)
        if type_ in {"card_present", "interac_present"}
        else _account_details(details, kind)
    )


def _account_details(details: Fields, kind: MethodKind) -> Card:
    """A bank account or a wallet, without a card network: no network's limits apply to it."""
    whatever = details.leniently()
    known = {name: whatever.code(name) for name in ("fingerprint", "last4", "country")}
    return Card(kind=kind, **known)


def _card_details(card: Fields, kind: MethodKind | None) -> Card:
    brand = (card.code("network") or _card_brand(card) or "").lower()
    return Card(
        kind=kind,
        fingerprint=card.code("fingerprint"),
        network=None if brand in {"", "unknown"} else _NETWORKS.get(brand, brand),
        last4=card.code("last4"),
        country=card.code("country"),
        funding=card.code("funding"),
    )


def _card_brand(card: Fields) -> str | None:
    """The brand; sources spell it with a space (`American Express`), which `code` would not read."""
    brand = card.raw.get("brand")
    return brand if isinstance(brand, str) and brand.lower() in _NETWORKS else card.code("brand")
