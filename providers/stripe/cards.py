"""The card, or whatever else was charged in its place, as it stands in Stripe's objects."""

from collections.abc import Mapping
from typing import Final

from core.payments import Card, MethodKind
from providers.fields import Fields

_CARDS: Final = ("card", "three_d_secure")
"""A card in a phone's wallet, or passed through by Link, is a `card` that names its wallet."""
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
    """None where Stripe names no type.

    All else is OTHER: buy now and pay later, Korean cards, crypto, cards that were present at a reader (which can't be
    charged again), and whatever Stripe adds.
    """
    return KINDS.get(type_, MethodKind.OTHER) if type_ else None


_NETWORKS: Final = {"american express": "amex", "american_express": "amex", "diners club": "diners"}


def card_of_error(error: Fields) -> Card:
    """The card that a payment error is about."""
    return card_of_method(method_of_error(error))


def card_of_charge(charge: Fields) -> Card:
    """The card that a charge was made on."""
    details = charge.child("payment_method_details")
    return _card_of_type(details, details.code("type")) if details else card_of_method(charge.expanded_object("source"))


def card_of_method(method: Fields) -> Card:
    """The card of a payment method, or of a source of older integrations, which may be the card itself."""
    bare = method.raw.get("object")
    if bare in ("card", "bank_account"):  # a tuple: what comes from outside need not be hashable
        return (
            _card_details(method, kind_of_type(bare))
            if bare == "card"
            else _account_details(method, MethodKind.DIRECT_DEBIT)
        )
    return _card_of_type(method, method.code("type"))


def merge_cards(first: Card, second: Card) -> Card:
    """Each fact from the first card that has it."""
    return Card(**(second.model_dump(exclude_none=True) | first.model_dump(exclude_none=True)))


def method_of_error(error: Fields) -> Fields:
    """The payment method of an error, or the source of older integrations."""
    return error.expanded_object("payment_method") or error.expanded_object("source")


def _card_of_type(holder: Fields, type_: str | None) -> Card:
    """Details stand under the name of their type; small fakes leave the type out."""
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
    """A bank account or a wallet: no card network has a say in it."""
    whatever = Fields(details.raw, details.path, lenient=True)
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
    """Sources spell brands as people do, with spaces."""
    brand = card.raw.get("brand")
    return brand if isinstance(brand, str) and brand.lower() in _NETWORKS else card.code("brand")
