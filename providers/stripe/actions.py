"""What a payment intent waits for: the cardholder's authentication, or another action that only the payer can take.

Source: stripe-python 16.1, `PaymentIntent.NextAction`; docs.stripe.com/payments/paymentintents/lifecycle.
"""

from collections.abc import Mapping
from typing import Final

from core.payments import MethodKind
from providers.fields import Fields
from providers.stripe.cards import kind_of_type

_AUTHENTICATIONS: Final = frozenset({"use_stripe_sdk", "redirect_to_url", "authorize_with_url"})
"""Next actions that ask for 3-D Secure if the method is a card; for other methods they are how the payer pays.

`authorize_with_url` is of API versions before 2019.
"""
_AWAIT_NOTIFICATION: Final = "card_await_notification"
"""The bank notifies the cardholder of a charge that Stripe then makes by itself (India's e-mandates)."""
_KINDS: Final[Mapping[str, MethodKind]] = {
    "alipay_handle_redirect": MethodKind.WALLET,
    "blik_authorize": MethodKind.BANK_TRANSFER,
    "boleto_display_details": MethodKind.BANK_TRANSFER,
    "cashapp_handle_redirect_or_display_qr_code": MethodKind.WALLET,
    "display_bank_transfer_instructions": MethodKind.BANK_TRANSFER,
    "klarna_display_qr_code": MethodKind.OTHER,
    "konbini_display_details": MethodKind.BANK_TRANSFER,
    "multibanco_display_details": MethodKind.BANK_TRANSFER,
    "oxxo_display_details": MethodKind.BANK_TRANSFER,
    "paynow_display_qr_code": MethodKind.BANK_TRANSFER,
    "pix_display_qr_code": MethodKind.BANK_TRANSFER,
    "promptpay_display_qr_code": MethodKind.BANK_TRANSFER,
    "swish_handle_redirect_or_display_qr_code": MethodKind.WALLET,
    "upi_handle_redirect_or_display_qr_code": MethodKind.BANK_TRANSFER,
    "verify_with_microdeposits": MethodKind.DIRECT_DEBIT,
    "wechat_pay_display_qr_code": MethodKind.WALLET,
    "wechat_pay_redirect_to_android_app": MethodKind.WALLET,
    "wechat_pay_redirect_to_ios_app": MethodKind.WALLET,
}


def needs_customer(intent: Fields) -> bool:
    """Whether a payment intent waits for the customer (`requires_source_action` before API version 2019-02-11)."""
    return intent.code("status") in {"requires_action", "requires_source_action"} and not is_charged_by_stripe(intent)


def needs_authentication(intent: Fields) -> bool:
    """Whether a payment intent waits for a cardholder to authenticate, and for nothing else."""
    if not needs_customer(intent) or kind_of_intent(intent) not in {None, MethodKind.CARD}:
        return False
    asked = intent.child("next_action").code("type")
    return asked is None or asked in _AUTHENTICATIONS


def is_charged_by_stripe(intent: Fields) -> bool:
    """Whether Stripe will charge by itself at a time of which the bank notified the cardholder."""
    action = intent.child("next_action")
    return action.code("type") == _AWAIT_NOTIFICATION and not action.child(_AWAIT_NOTIFICATION).flag(
        "customer_approval_required"
    )


def is_under_way(intent: Fields) -> bool:
    """Whether money may still come of the intent by itself: processing, authorised but not captured, or announced."""
    return intent.code("status") in {"processing", "requires_capture"} or is_charged_by_stripe(intent)


def has_plainly_failed(intent: Fields) -> bool:
    """Whether the intent waits for a method because its latest charge, which its error names, failed.

    Source: docs.stripe.com/payments/paymentintents/lifecycle (`requires_payment_method`, `last_payment_error`).
    """
    failed = intent.child("last_payment_error").id("charge")
    return (
        intent.code("status") == "requires_payment_method"
        and failed is not None
        and failed == intent.id("latest_charge")
    )


def kind_of_intent(intent: Fields) -> MethodKind | None:
    """The kind of method that the intent is paid with; None if several kinds are possible, a card among them, or none.

    Known from the next action, else from the method, else from the only kind that the intent allows.
    """
    action = intent.child("next_action").code("type")
    if action and action not in _AUTHENTICATIONS:
        return MethodKind.CARD if action == _AWAIT_NOTIFICATION else _KINDS.get(action, MethodKind.OTHER)
    if type_ := intent.expanded_object("payment_method").code("type"):
        return kind_of_type(type_)
    types = intent.raw.get("payment_method_types")
    kinds = {kind_of_type(one) for one in types if isinstance(one, str)} if isinstance(types, list) else set()
    return None if MethodKind.CARD in kinds or len(kinds) != 1 else kinds.pop()
