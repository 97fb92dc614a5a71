"""What kind of payment method each of Stripe's types is.

Source of the types: stripe-python 16.1, `PaymentMethod.type`, `Charge.payment_method_details` and `Source.type`; of
what they are: docs.stripe.com/payments/payment-methods/overview.
"""

from collections.abc import Mapping
from typing import Final

from core.payments import MethodKind

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
