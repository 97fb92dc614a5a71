"""Braintree's webhook kinds as data: what each one means for a recovery, and which reader takes its subject.

Source: the kinds of the official client's webhook_notification.py; developer.paypal.com/braintree webhooks reference.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from core.payments import EventKind
from providers.braintree import readers as read
from providers.braintree.notice import Notice, Row, Taken


def meaning(notice: Notice) -> Taken:
    """The fields of the normalised event. Raises Unfit."""
    row = KINDS.get(notice.kind, Row(detail="kind not used"))
    if row.take is None:
        return {"kind": EventKind.OTHER, "detail": row.detail}
    return row.take(notice)


_BILLED: Final = Row(read.billed)
_ENDED: Final = Row(read.ended)
_DISPUTED: Final = Row(read.disputed)

KINDS: Final[Mapping[str, Row]] = MappingProxyType(
    {
        "subscription_charged_unsuccessfully": Row(read.billed_in_vain),
        "subscription_went_past_due": Row(read.past_due),
        "subscription_charged_successfully": _BILLED,
        "subscription_went_active": _BILLED,
        "subscription_canceled": _ENDED,
        "subscription_expired": _ENDED,
        "subscription_trial_ended": Row(detail="a trial ended: its first charge tells for itself"),
        "subscription_billing_skipped": Row(detail="Braintree skipped a billing: nothing was tried"),
        "transaction_settled": Row(read.sold),
        "transaction_settlement_declined": Row(read.settlement_declined),
        "transaction_retried": Row(read.sold),
        "transaction_disbursed": Row(read.disbursed),
        "transaction_reviewed": Row(read.reviewed),
        "refund_failed": Row(detail="a refund failed: the money stays with the merchant"),
        "disbursement": Row(detail="a payout to the merchant's bank: it moves no customer's money"),
        "disbursement_exception": Row(detail="a payout to the merchant's bank failed: it moves no customer's money"),
        "dispute_opened": Row(read.dispute_opened),
        "dispute_accepted": _DISPUTED,
        "dispute_auto_accepted": _DISPUTED,
        "dispute_disputed": _DISPUTED,
        "dispute_expired": _DISPUTED,
        "dispute_lost": _DISPUTED,
        "dispute_under_review": _DISPUTED,
        "dispute_won": Row(read.dispute_won),
        "local_payment_completed": Row(read.local_payment),
        "local_payment_funded": Row(read.local_payment),
        "local_payment_expired": Row(detail="a shopper let a local payment expire: no transaction was made of it"),
        "local_payment_reversed": Row(
            detail="a local payment went back to its shopper: Braintree names no transaction and no order"
        ),
        "payment_method_customer_data_updated": Row(read.method_updated),
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
"""Every kind that the official client knows has a row; one without a reader has no effect and says why."""
