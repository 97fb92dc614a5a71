"""Each relevant Stripe event type with its object and its normalised event, in both invoice shapes."""

from datetime import UTC, datetime
from typing import Any

from core.collection_terms import CollectionMethod, CollectionTerms
from core.payments import Card, EventKind, Failure, MethodKind, MethodRole
from tests.providers.stripe.builders import CREATED, card_method, open_invoice

NEXT = CREATED + 86_400
TERMS = CollectionTerms(
    collection_method=CollectionMethod.AUTOMATIC,
    billing_reason="subscription_cycle",
    created_at=datetime.fromtimestamp(1795345200, UTC),
)
INVOICE = {
    "invoice_id": "in_1",
    "customer_id": "cus_1",
    "subscription_id": "sub_1",
    "amount": 2000,
    "currency": "USD",
    "provider_attempt": 1,
}
DISPUTE = {
    "id": "dp_1",
    "amount": 2000,
    "currency": "usd",
    "charge": "ch_1",
    "payment_intent": "pi_1",
    "reason": "fraudulent",
    "status": "lost",
}
INQUIRY = DISPUTE | {"status": "warning_needs_response"}
WARNING = {"id": "issfr_1", "charge": "ch_1", "payment_intent": None, "fraud_type": "misc", "actionable": True}
SUBSCRIPTION = {"id": "sub_1", "customer": "cus_1", "status": "canceled"}
CHANGED_CARD = {"card": {"exp_month": 3, "exp_year": 2026}}
RENEWED_CARD = {"method_id": "pm_1", "method_version": "pm_1:2031-4:fp_1", "customer_id": "cus_1"}
TRANSFER = {"type": "display_bank_transfer_instructions"}
REFUNDED_CHARGE = {"id": "ch_1", "payment_intent": "pi_1", "amount": 2000, "amount_refunded": 700, "currency": "usd"}
RETURNED_MONEY = {"payment_id": "pi_1", "returned_kind": "refund", "currency": "USD"}
CHARGEBACK = {"returned_amount": 2000, "returned_kind": "chargeback", "currency": "USD"}
NOTE = {"id": "cn_1", "invoice": "in_1", "customer": "cus_1"}
RETURNED_TRANSFER = {
    "id": "py_1",
    "amount": 2000,
    "currency": "usd",
    "status": "failed",
    "failure_code": "debit_not_authorized",
    "failure_balance_transaction": "txn_1",
    "payment_method_details": {"type": "us_bank_account", "us_bank_account": {"last4": "6789"}},
    "outcome": {"network_decline_code": "R10"},
}
DEFAULT = {"method_id": "pm_1", "customer_id": "cus_1", "method_role": MethodRole.DEFAULT}
PLAIN = {"method_id": "pm_1", "method_version": "pm_1", "customer_id": "cus_1"}
SEPA = {"id": "pm_1", "type": "sepa_debit", "customer": "cus_1"}
REMOVED_DEFAULT = {"method_id": None, "detail": "the default method was removed"}
SAME_CARD = {"method_id": None, "detail": "the card did not change"}


def customer_with(default: str | None, source: str | None = None) -> dict[str, Any]:
    return {"id": "cus_1", "default_source": source, "invoice_settings": {"default_payment_method": default}}


def previous_default(value: str | None) -> dict[str, Any]:
    return {"invoice_settings": {"default_payment_method": value}}


TABLE: list[tuple[str, Any, Any, EventKind, dict[str, Any]]] = [
    ("invoice.payment_failed", open_invoice(), None, EventKind.PAYMENT_FAILED, INVOICE | {"failure": None}),
    ("invoice.payment_failed", open_invoice(amount_remaining=None), None, EventKind.PAYMENT_FAILED, {"amount": 2000}),
    ("invoice.payment_failed", open_invoice(amount_remaining=500), None, EventKind.PAYMENT_FAILED, {"amount": 500}),
    (
        "invoice.payment_action_required",
        open_invoice(),
        None,
        EventKind.ACTION_REQUIRED,
        INVOICE | {"failure": None},
    ),
    (
        "invoice.payment_action_required",
        open_invoice(
            payment_intent={"id": "pi_1", "status": "requires_action", "next_action": {"type": "use_stripe_sdk"}}
        ),
        None,
        EventKind.ACTION_REQUIRED,
        {"failure": Failure(code="authentication_required")},
    ),
    (
        "invoice.payment_action_required",
        open_invoice(payment_intent={"id": "pi_1", "status": "requires_action", "next_action": TRANSFER}),
        None,
        EventKind.ACTION_REQUIRED,
        {"failure": None},
    ),
    ("invoice.payment_attempt_required", open_invoice(), None, EventKind.OTHER, {"invoice_id": "in_1"}),
    ("invoice.paid", open_invoice(status="paid"), None, EventKind.INVOICE_PAID, INVOICE),
    ("invoice.payment_succeeded", open_invoice(status="paid"), None, EventKind.INVOICE_PAID, INVOICE),
    ("invoice.voided", open_invoice(status="void"), None, EventKind.INVOICE_VOIDED, INVOICE),
    ("invoice.marked_uncollectible", open_invoice(), None, EventKind.INVOICE_UNCOLLECTIBLE, INVOICE),
    ("invoice.updated", open_invoice(next_payment_attempt=NEXT), {}, EventKind.RETRY_SCHEDULED, INVOICE),
    ("invoice.updated", open_invoice(status="draft", next_payment_attempt=NEXT), {}, EventKind.OTHER, {}),
    (
        "invoice.updated",
        open_invoice(),
        {"metadata": {}},
        EventKind.OTHER,
        {"detail": "nothing changed that matters here"},
    ),
    ("invoice.updated", open_invoice(status="paid"), {}, EventKind.INVOICE_PAID, INVOICE),
    ("invoice.updated", open_invoice(status="void"), {}, EventKind.INVOICE_VOIDED, INVOICE),
    ("invoice.updated", open_invoice(status="uncollectible"), {}, EventKind.INVOICE_UNCOLLECTIBLE, INVOICE),
    (
        "invoice.updated",
        open_invoice(amount_remaining=500),
        {"amount_remaining": 2000},
        EventKind.WAKE,
        {"amount": 500},
    ),
    ("invoice.updated", open_invoice(), {"collection_method": "send_invoice"}, EventKind.WAKE, {}),
    ("invoice.overpaid", open_invoice(status="paid"), None, EventKind.OTHER, {}),
    ("invoice.overdue", open_invoice(), None, EventKind.OTHER, {}),
    ("credit_note.created", NOTE, None, EventKind.WAKE, {"invoice_id": "in_1"}),
    ("credit_note.voided", NOTE, None, EventKind.WAKE, {"invoice_id": "in_1"}),
    ("payment_intent.processing", {"id": "pi_1", "customer": "cus_1"}, None, EventKind.WAKE, {"payment_id": "pi_1"}),
    ("payment_intent.partially_funded", {"id": "pi_1"}, None, EventKind.WAKE, {"payment_id": "pi_1"}),
    ("payment_intent.canceled", {"id": "pi_1"}, None, EventKind.WAKE, {"payment_id": "pi_1"}),
    ("charge.pending", {"id": "py_1"}, None, EventKind.OTHER, {}),
    (
        "charge.failed",
        RETURNED_TRANSFER | {"failure_balance_transaction": None},
        None,
        EventKind.OTHER,
        {"returned_amount": None},
    ),
    (
        "charge.failed",
        RETURNED_TRANSFER,
        None,
        EventKind.PAYMENT_REVERSED,
        {
            "payment_id": "py_1",
            "returned_amount": 2000,
            "returned_kind": "returned_debit",
            "failure": Failure(code="debit_not_authorized", network_code="R10", charge_id="py_1"),
            "card": Card(kind=MethodKind.DIRECT_DEBIT, last4="6789"),
        },
    ),
    (
        "charge.refunded",
        REFUNDED_CHARGE,
        {"amount_refunded": 200},
        EventKind.PAYMENT_REFUNDED,
        RETURNED_MONEY | {"returned_amount": 500},
    ),
    ("charge.refunded", REFUNDED_CHARGE, None, EventKind.PAYMENT_REFUNDED, RETURNED_MONEY | {"returned_amount": 700}),
    ("charge.refund.updated", {"id": "re_1", "charge": "ch_1"}, {}, EventKind.OTHER, {"payment_id": "ch_1"}),
    ("refund.created", {"id": "re_1", "payment_intent": "pi_1"}, None, EventKind.OTHER, {"payment_id": "pi_1"}),
    ("refund.updated", {"id": "re_1", "charge": "ch_1"}, {}, EventKind.OTHER, {"returned_amount": None}),
    (
        "refund.failed",
        {"id": "re_1", "charge": "ch_1", "amount": 300, "currency": "usd", "failure_reason": "lost_or_stolen_card"},
        None,
        EventKind.PAYMENT_RESTORED,
        {"detail": "a refund failed: lost_or_stolen_card", "returned_amount": 300, "returned_kind": "restored"},
    ),
    ("invoice.finalization_failed", open_invoice(status="draft"), None, EventKind.OTHER, {}),
    (
        "invoice_payment.paid",
        {"id": "inpay_1", "invoice": "in_1", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}},
        None,
        EventKind.WAKE,
        {"invoice_id": "in_1", "payment_id": "pi_1"},
    ),
    ("payment_intent.payment_failed", {"id": "pi_1"}, None, EventKind.OTHER, {}),
    (
        "payment_intent.payment_failed",
        {"id": "pi_1", "last_payment_error": {"payment_method": {"id": "pm_1", "type": "sepa_debit"}}},
        None,
        EventKind.WAKE,
        {"payment_id": "pi_1"},
    ),
    ("payment_intent.requires_action", {"id": "pi_1"}, None, EventKind.OTHER, {}),
    ("payment_intent.succeeded", {"id": "pi_1"}, None, EventKind.OTHER, {}),
    ("charge.failed", {"id": "ch_1", "invoice": "in_1"}, None, EventKind.OTHER, {}),
    (
        "charge.dispute.created",
        DISPUTE | {"status": "needs_response"},
        None,
        EventKind.DISPUTE_OPENED,
        CHARGEBACK | {"payment_id": "pi_1", "detail": "fraudulent"},
    ),
    ("charge.dispute.created", INQUIRY, None, EventKind.DISPUTE_INQUIRY, {"payment_id": "pi_1", "charge_id": "ch_1"}),
    (
        "charge.dispute.created",
        DISPUTE | {"reason": "insufficient_funds"},
        None,
        EventKind.DISPUTE_OPENED,
        CHARGEBACK | {"returned_kind": "returned_debit"},
    ),
    (
        "charge.dispute.created",
        DISPUTE | {"status": "prevented"},
        None,
        EventKind.DISPUTE_OPENED,
        {"returned_kind": None},
    ),
    ("charge.dispute.updated", DISPUTE, {"status": "warning_under_review"}, EventKind.DISPUTE_OPENED, CHARGEBACK),
    ("charge.dispute.updated", DISPUTE, {"status": "needs_response"}, EventKind.OTHER, {"payment_id": "pi_1"}),
    ("charge.dispute.updated", INQUIRY, {"status": "warning_under_review"}, EventKind.OTHER, {}),
    ("charge.dispute.funds_withdrawn", DISPUTE, None, EventKind.OTHER, {"detail": "told by charge.dispute.created"}),
    (
        "charge.dispute.funds_reinstated",
        DISPUTE,
        None,
        EventKind.PAYMENT_RESTORED,
        {"payment_id": "pi_1", "returned_amount": 2000, "returned_kind": "restored"},
    ),
    (
        "charge.dispute.created",
        DISPUTE | {"payment_intent": None, "charge": {"id": "ch_9"}},
        None,
        EventKind.DISPUTE_OPENED,
        {"payment_id": "ch_9"},
    ),
    ("charge.dispute.closed", DISPUTE, None, EventKind.OTHER, {"detail": "dispute closed: lost"}),
    (
        "radar.early_fraud_warning.created",
        WARNING,
        None,
        EventKind.FRAUD_WARNING,
        {"payment_id": "ch_1", "detail": "misc"},
    ),
    ("radar.early_fraud_warning.updated", WARNING, {}, EventKind.FRAUD_WARNING, {"payment_id": "ch_1"}),
    ("radar.early_fraud_warning.updated", WARNING | {"actionable": False}, {}, EventKind.OTHER, {"payment_id": "ch_1"}),
    (
        "customer.subscription.deleted",
        SUBSCRIPTION,
        None,
        EventKind.SUBSCRIPTION_ENDED,
        {"subscription_id": "sub_1", "customer_id": "cus_1"},
    ),
    ("customer.subscription.updated", SUBSCRIPTION, {}, EventKind.SUBSCRIPTION_ENDED, {"subscription_id": "sub_1"}),
    (
        "customer.subscription.updated",
        SUBSCRIPTION | {"status": "unpaid"},
        {},
        EventKind.OTHER,
        {"detail": "the subscription is unpaid"},
    ),
    (
        "customer.subscription.updated",
        SUBSCRIPTION | {"status": "incomplete_expired"},
        {},
        EventKind.SUBSCRIPTION_ENDED,
        {"subscription_id": "sub_1"},
    ),
    (
        "customer.subscription.updated",
        SUBSCRIPTION | {"status": "past_due", "default_payment_method": "pm_1"},
        {"default_payment_method": None},
        EventKind.METHOD_UPDATED,
        PLAIN | {"method_role": MethodRole.DEFAULT, "subscription_id": "sub_1"},
    ),
    (
        "customer.subscription.updated",
        SUBSCRIPTION | {"status": "past_due", "default_payment_method": None},
        {"default_payment_method": "pm_1"},
        EventKind.OTHER,
        {"method_id": None},
    ),
    (
        "customer.subscription.updated",
        SUBSCRIPTION | {"status": "active", "collection_method": "send_invoice"},
        {"collection_method": "charge_automatically"},
        EventKind.OTHER,
        {"detail": "collected by send_invoice from now on: read before each charge"},
    ),
    (
        "customer.subscription.updated",
        SUBSCRIPTION | {"status": "active", "pause_collection": None},
        {"pause_collection": {"behavior": "void"}},
        EventKind.WAKE,
        {"subscription_id": "sub_1", "detail": "the collection goes on"},
    ),
    (
        "customer.subscription.updated",
        SUBSCRIPTION | {"status": "active", "pause_collection": {"behavior": "void"}},
        {"pause_collection": None},
        EventKind.OTHER,
        {"detail": "the collection is paused: read before each charge"},
    ),
    (
        "customer.subscription.updated",
        SUBSCRIPTION | {"status": "active", "cancel_at_period_end": True},
        {"cancel_at_period_end": False},
        EventKind.OTHER,
        {"detail": "the subscription ends with its period: what is owed until then stays owed"},
    ),
    ("customer.subscription.resumed", SUBSCRIPTION, None, EventKind.OTHER, {"subscription_id": "sub_1"}),
    (
        "customer.deleted",
        {"id": "cus_1", "object": "customer"},
        None,
        EventKind.CUSTOMER_DELETED,
        {"customer_id": "cus_1"},
    ),
    ("customer.source.created", card_method(object="card"), None, EventKind.METHOD_UPDATED, PLAIN),
    (
        "customer.source.updated",
        {"id": "card_1", "object": "card", "customer": "cus_1", "exp_month": 4, "exp_year": 2031},
        {"exp_year": 2026},
        EventKind.METHOD_UPDATED,
        {"method_id": "card_1", "method_role": MethodRole.UPDATED},
    ),
    (
        "mandate.updated",
        {"id": "mandate_1", "payment_method": "pm_1", "status": "inactive"},
        {},
        EventKind.OTHER,
        {"detail": "the mandate is inactive", "method_id": "pm_1"},
    ),
    ("customer.subscription.paused", SUBSCRIPTION, None, EventKind.OTHER, {"subscription_id": "sub_1"}),
    (
        "payment_method.attached",
        card_method(),
        None,
        EventKind.METHOD_UPDATED,
        PLAIN | {"method_role": MethodRole.ATTACHED},
    ),
    ("payment_method.attached", card_method(customer=None), None, EventKind.OTHER, {"method_id": "pm_1"}),
    (
        "payment_method.attached",
        {"id": "pm_1", "type": "sepa_debit", "customer": "cus_1"},
        None,
        EventKind.METHOD_UPDATED,
        PLAIN | {"card": Card(kind=MethodKind.DIRECT_DEBIT)},
    ),
    ("customer.updated", customer_with("pm_1"), previous_default("pm_0"), EventKind.METHOD_UPDATED, DEFAULT),
    ("customer.updated", customer_with(None, "pm_1"), {"default_source": None}, EventKind.METHOD_UPDATED, PLAIN),
    (
        "customer.updated",
        customer_with("pm_1", "card_1"),
        {"default_source": None},
        EventKind.OTHER,
        {"method_id": None},
    ),
    (
        "customer.updated",
        customer_with(None),
        previous_default("pm_0"),
        EventKind.OTHER,
        REMOVED_DEFAULT,
    ),
    ("customer.updated", customer_with("pm_1"), {"balance": 1}, EventKind.OTHER, {"method_id": None}),
    ("customer.updated", customer_with("pm_1"), {"invoice_settings": {"footer": None}}, EventKind.OTHER, {}),
    (
        "payment_method.updated",
        card_method(),
        CHANGED_CARD,
        EventKind.METHOD_UPDATED,
        RENEWED_CARD | {"method_role": MethodRole.UPDATED},
    ),
    (
        "payment_method.updated",
        card_method(),
        {"card": {"checks": {}}},
        EventKind.OTHER,
        SAME_CARD,
    ),
    ("payment_method.updated", card_method(), {"metadata": {}}, EventKind.OTHER, {}),
    ("payment_method.automatically_updated", card_method(), CHANGED_CARD, EventKind.METHOD_UPDATED, RENEWED_CARD),
    ("payment_method.automatically_updated", card_method(), None, EventKind.METHOD_UPDATED, RENEWED_CARD),
    ("payment_method.detached", card_method(customer=None), {"customer": "cus_1"}, EventKind.OTHER, {}),
    ("product.created", {"id": "prod_1"}, None, EventKind.OTHER, {"detail": "event type not used"}),
]
