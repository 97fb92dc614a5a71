"""Extractors for money that goes back: refunds, chargebacks, returned debits and failed captures.

Each gets one notification item and returns fields of a ProviderEvent, amounts in minor units of ISO 4217. An item
without a readable amount has none; other invalid fields raise InvalidField.

Sources: docs.adyen.com/risk-management/disputes-api/dispute-notifications, docs.adyen.com/online-payments/refund,
docs.adyen.com/online-payments/capture ("Failed capture"), docs.adyen.com/online-payments/auto-rescue/sepa (a debit is
authorised first; that its bank did not pay comes as CHARGEBACK with the scheme's reason code).
"""

from typing import Any, Final

from core.payments import EventKind, MethodKind
from providers.adyen.failures import SHOPPER, card_of_payment, failure_of_returned_debit, first_reference
from providers.adyen.methods import kind_of_method
from providers.adyen.notification import NotificationItem
from providers.adyen.shopper_interaction import LONGEST_RESCUE
from providers.fields import InvalidField

_LONGEST_DETAIL: Final = 200


def extract_returned_payment(item: NotificationItem) -> dict[str, Any]:
    """A refund, or the cancellation of an authorisation that counted as money."""
    return _returned_money(item, "refund")


def extract_cancel_or_refund(item: NotificationItem) -> dict[str, Any]:
    """A cancellation or refund, as Adyen chose; `modification.action` says which, and the detail repeats it."""
    action = item.additional.lower_text("modification.action")
    return extract_returned_payment(item) | {
        "detail": f"the payment was {'canceled' if action == 'cancel' else 'refunded'}"
    }


def extract_failed_capture(item: NotificationItem) -> dict[str, Any]:
    """A reversal of money that counted since AUTHORISATION: its capture failed, or it expired."""
    detail = item.reason or ("the authorisation expired" if item.event_code == "EXPIRE" else "the capture failed")
    return _returned_money(item, "failed_capture") | {
        "kind": EventKind.PAYMENT_REVERSED,
        "detail": detail[:_LONGEST_DETAIL],
    }


def extract_restored_money(item: NotificationItem) -> dict[str, Any]:
    """Money that the merchant has again: a dispute was won, or a refund failed."""
    return _returned_money(item, "restored") | {"kind": EventKind.PAYMENT_RESTORED, "detail": item.reason}


def extract_chargeback_notice(item: NotificationItem) -> dict[str, Any]:
    """The announcement of a chargeback, without a withdrawal yet; of a debit it counts as a bank's inquiry."""
    kind = EventKind.DISPUTE_INQUIRY if _is_debit(item) else EventKind.DISPUTE_OPENED
    return item.reference_fields() | {"kind": kind, "detail": item.reason}


def extract_chargeback(item: NotificationItem) -> dict[str, Any]:
    """Withdrawn money: by a cardholder's dispute, or because a bank did not pay a debit."""
    if _is_debit(item):
        return _returned_debit_fields(item)
    return _returned_money(item, "chargeback") | {"kind": EventKind.DISPUTE_OPENED, "detail": item.reason}


def _returned_debit_fields(item: NotificationItem) -> dict[str, Any]:
    """A returned debit: a failed payment that counted as a success for some days, and opens a recovery."""
    additional, at = item.additional, item.occurred_at
    payment = item.original_reference or item.psp_reference
    rescued = additional.is_true("retry.rescueScheduled")
    return _returned_money(item, "returned_debit") | {
        "kind": EventKind.PAYMENT_REVERSED,
        "provider_attempt": int(at.timestamp()),
        "next_provider_attempt": at + LONGEST_RESCUE if rescued else None,
        "failure": failure_of_returned_debit(additional.fields, item.reason, item.method, payment),
        "card": card_of_payment(additional.fields, item.method),
        "detail": item.reason,
    }


def _is_debit(item: NotificationItem) -> bool:
    return kind_of_method(item.method) is MethodKind.DIRECT_DEBIT


def _returned_money(item: NotificationItem, kind: str) -> dict[str, Any]:
    """The payment and the amount that went back or came again; no amount if the item has none, or zero."""
    try:
        amount, currency = item.amount_and_currency()
    except InvalidField:
        amount, currency = 0, ""
    return item.reference_fields() | {
        "customer_id": first_reference(item.additional.fields, SHOPPER),
        "amount": amount or None,
        "currency": currency or None,
        "returned_amount": amount or None,
        "returned_kind": kind,
    }
