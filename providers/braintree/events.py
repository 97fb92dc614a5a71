"""Braintree's webhook kinds as data: what each one means for a recovery, and which extractor reads its subject.

Source: the kinds of the official client's webhook_notification.py; developer.paypal.com/braintree webhooks reference.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from core.payments import EventKind
from providers.braintree import extractors as read
from providers.braintree.notification import EventFields, Notification, Row


def interpret_notification(notice: Notification) -> EventFields:
    """The fields of the normalised event; kind OTHER for a kind without a row. Raises InvalidField."""
    row = KINDS.get(notice.kind, Row(detail="kind not used"))
    if row.extract is None:
        return {"kind": EventKind.OTHER, "detail": row.detail}
    return row.extract(notice)


_BILLING: Final = Row(read.extract_billing)
_SUBSCRIPTION_END: Final = Row(read.extract_subscription_end)
_DISPUTE_STATE: Final = Row(read.extract_dispute_state)

KINDS: Final[Mapping[str, Row]] = MappingProxyType(
    {
        "subscription_charged_unsuccessfully": Row(read.extract_failed_billing),
        "subscription_went_past_due": Row(read.extract_past_due),
        "subscription_charged_successfully": _BILLING,
        "subscription_went_active": _BILLING,
        "subscription_canceled": _SUBSCRIPTION_END,
        "subscription_expired": _SUBSCRIPTION_END,
        "subscription_trial_ended": Row(detail="a trial ended: its first charge tells for itself"),
        "subscription_billing_skipped": Row(detail="Braintree skipped a billing: nothing was tried"),
        "transaction_settled": Row(read.extract_transaction),
        "transaction_settlement_declined": Row(read.extract_settlement_decline),
        "transaction_retried": Row(read.extract_transaction),
        "transaction_disbursed": Row(read.extract_disbursement),
        "transaction_reviewed": Row(read.extract_review),
        "refund_failed": Row(detail="a refund failed: the money stays with the merchant"),
        "disbursement": Row(detail="a payout to the merchant's bank: it moves no customer's money"),
        "disbursement_exception": Row(detail="a payout to the merchant's bank failed: it moves no customer's money"),
        "dispute_opened": Row(read.extract_opened_dispute),
        "dispute_accepted": _DISPUTE_STATE,
        "dispute_auto_accepted": _DISPUTE_STATE,
        "dispute_disputed": _DISPUTE_STATE,
        "dispute_expired": _DISPUTE_STATE,
        "dispute_lost": _DISPUTE_STATE,
        "dispute_under_review": _DISPUTE_STATE,
        "dispute_won": Row(read.extract_won_dispute),
        "local_payment_completed": Row(read.extract_local_payment),
        "local_payment_funded": Row(read.extract_local_payment),
        "local_payment_expired": Row(detail="a shopper let a local payment expire: no transaction was made of it"),
        "local_payment_reversed": Row(
            detail="a local payment went back to its shopper: Braintree names no transaction and no order"
        ),
        "payment_method_customer_data_updated": Row(read.extract_updated_method),
        "payment_method_revoked_by_customer": Row(
            detail="a customer took the consent to a method back: its next charge would say so (2070)"
        ),
        "granted_payment_method_revoked": Row(detail="a shared method was taken back: its next charge would say so"),
        "grantor_updated_granted_payment_method": Row(
            detail="new data of a shared method: Braintree names no customer, they count at its next charge"
        ),
        "recipient_updated_granted_payment_method": Row(
            detail="new data of a shared method: Braintree names no customer, they count at its next charge"
        ),
        "account_updater_daily_report": Row(
            detail="the report names no method: new data of a card counts at its next charge"
        ),
        "connected_merchant_status_transitioned": Row(detail="about another merchant's account, not about a payment"),
        "connected_merchant_paypal_status_changed": Row(detail="about another merchant's PayPal link, not a payment"),
        "oauth_access_revoked": Row(detail="another merchant revoked an OAuth access: it is about no payment"),
        "partner_merchant_connected": Row(detail="about a partner's merchant, not about a payment"),
        "partner_merchant_declined": Row(detail="about a partner's merchant, not about a payment"),
        "partner_merchant_disconnected": Row(detail="about a partner's merchant, not about a payment"),
        "sub_merchant_account_approved": Row(detail="about a sub-merchant's account, not about a payment"),
        "sub_merchant_account_declined": Row(detail="about a sub-merchant's account, not about a payment"),
        "check": Row(detail="a test of the endpoint"),
    }
)
"""Every kind of the official client has a row; one without an extractor has no effect, and its detail says why."""
