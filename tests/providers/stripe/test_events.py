"""Each event type of Stripe that matters, and what becomes of it: one table, both invoice shapes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.payments import EventKind, Failure, ProviderEvent
from providers.stripe.events import EVENTS
from tests.providers.stripe.events import CREATED, event, invoice, method, understood

FIXTURES = Path(__file__).parent / "fixtures"
NEXT = CREATED + 86_400
INVOICE = {
    "invoice_id": "in_1",
    "customer_id": "cus_1",
    "subscription_id": "sub_1",
    "amount": 2000,
    "currency": "USD",
    "provider_attempt": 1,
}
DISPUTE = {"id": "dp_1", "charge": "ch_1", "payment_intent": "pi_1", "reason": "fraudulent", "status": "lost"}
WARNING = {"id": "issfr_1", "charge": "ch_1", "payment_intent": None, "fraud_type": "misc", "actionable": True}
SUBSCRIPTION = {"id": "sub_1", "customer": "cus_1", "status": "canceled"}
CHANGED = {"card": {"exp_month": 3, "exp_year": 2026}}
RENEWED = {"method_id": "pm_1", "method_version": "pm_1:2031-4:fp_1", "customer_id": "cus_1"}
PLAIN = {"method_id": "pm_1", "method_version": "pm_1", "customer_id": "cus_1"}
SEPA = {"id": "pm_1", "type": "sepa_debit", "customer": "cus_1"}
REMOVED = {"method_id": None, "detail": "the default method was removed"}
SAME_CARD = {"method_id": None, "detail": "the card did not change"}


def customer(default: str | None, source: str | None = None) -> dict[str, Any]:
    return {"id": "cus_1", "default_source": source, "invoice_settings": {"default_payment_method": default}}


def default_was(value: str | None) -> dict[str, Any]:
    return {"invoice_settings": {"default_payment_method": value}}


TABLE: list[tuple[str, Any, Any, EventKind, dict[str, Any]]] = [
    ("invoice.payment_failed", invoice(), None, EventKind.PAYMENT_FAILED, INVOICE | {"failure": None}),
    ("invoice.payment_failed", invoice(amount_remaining=None), None, EventKind.PAYMENT_FAILED, {"amount": 2000}),
    ("invoice.payment_failed", invoice(amount_remaining=500), None, EventKind.PAYMENT_FAILED, {"amount": 500}),
    (
        "invoice.payment_action_required",
        invoice(),
        None,
        EventKind.ACTION_REQUIRED,
        INVOICE | {"failure": Failure(code="authentication_required")},
    ),
    ("invoice.payment_attempt_required", invoice(), None, EventKind.OTHER, {"invoice_id": "in_1"}),
    ("invoice.paid", invoice(status="paid"), None, EventKind.INVOICE_PAID, INVOICE),
    ("invoice.payment_succeeded", invoice(status="paid"), None, EventKind.INVOICE_PAID, INVOICE),
    ("invoice.voided", invoice(status="void"), None, EventKind.INVOICE_VOIDED, INVOICE),
    ("invoice.marked_uncollectible", invoice(), None, EventKind.INVOICE_UNCOLLECTIBLE, INVOICE),
    ("invoice.updated", invoice(next_payment_attempt=NEXT), {}, EventKind.RETRY_SCHEDULED, INVOICE),
    ("invoice.updated", invoice(status="draft", next_payment_attempt=NEXT), {}, EventKind.OTHER, {}),
    ("invoice.updated", invoice(), {"metadata": {}}, EventKind.OTHER, {"detail": "nothing changed that matters here"}),
    ("invoice.updated", invoice(status="paid"), {}, EventKind.INVOICE_PAID, INVOICE),
    ("invoice.updated", invoice(status="void"), {}, EventKind.INVOICE_VOIDED, INVOICE),
    ("invoice.updated", invoice(status="uncollectible"), {}, EventKind.INVOICE_UNCOLLECTIBLE, INVOICE),
    ("invoice.overdue", invoice(), None, EventKind.OTHER, {}),
    ("invoice.finalization_failed", invoice(status="draft"), None, EventKind.OTHER, {}),
    (
        "invoice_payment.paid",
        {"id": "inpay_1", "invoice": "in_1", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}},
        None,
        EventKind.WAKE,
        {"invoice_id": "in_1", "payment_id": "pi_1"},
    ),
    ("payment_intent.payment_failed", {"id": "pi_1"}, None, EventKind.OTHER, {}),
    ("payment_intent.requires_action", {"id": "pi_1"}, None, EventKind.OTHER, {}),
    ("payment_intent.succeeded", {"id": "pi_1"}, None, EventKind.OTHER, {}),
    ("charge.failed", {"id": "ch_1", "invoice": "in_1"}, None, EventKind.OTHER, {}),
    ("charge.dispute.created", DISPUTE, None, EventKind.DISPUTE_OPENED, {"payment_id": "pi_1", "detail": "fraudulent"}),
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
    ("customer.subscription.paused", SUBSCRIPTION, None, EventKind.OTHER, {"subscription_id": "sub_1"}),
    ("payment_method.attached", method(), None, EventKind.METHOD_UPDATED, PLAIN),
    (
        "payment_method.attached",
        {"id": "pm_1", "type": "sepa_debit", "customer": "cus_1"},
        None,
        EventKind.METHOD_UPDATED,
        PLAIN,
    ),
    ("customer.updated", customer("pm_1"), default_was("pm_0"), EventKind.METHOD_UPDATED, PLAIN),
    ("customer.updated", customer(None, "pm_1"), {"default_source": None}, EventKind.METHOD_UPDATED, PLAIN),
    ("customer.updated", customer("pm_1", "card_1"), {"default_source": None}, EventKind.OTHER, {"method_id": None}),
    (
        "customer.updated",
        customer(None),
        default_was("pm_0"),
        EventKind.OTHER,
        REMOVED,
    ),
    ("customer.updated", customer("pm_1"), {"balance": 1}, EventKind.OTHER, {"method_id": None}),
    ("customer.updated", customer("pm_1"), {"invoice_settings": {"footer": None}}, EventKind.OTHER, {}),
    ("payment_method.updated", method(), CHANGED, EventKind.METHOD_UPDATED, RENEWED),
    (
        "payment_method.updated",
        method(),
        {"card": {"checks": {}}},
        EventKind.OTHER,
        SAME_CARD,
    ),
    ("payment_method.updated", method(), {"metadata": {}}, EventKind.OTHER, {}),
    ("payment_method.automatically_updated", method(), CHANGED, EventKind.METHOD_UPDATED, RENEWED),
    ("payment_method.automatically_updated", method(), None, EventKind.METHOD_UPDATED, RENEWED),
    ("payment_method.detached", method(customer=None), {"customer": "cus_1"}, EventKind.OTHER, {}),
    ("product.created", {"id": "prod_1"}, None, EventKind.OTHER, {"detail": "event type not used"}),
]


@pytest.mark.parametrize(("type_", "subject", "before", "kind", "fields"), TABLE)
def test_what_an_event_means(type_: str, subject: Any, before: Any, kind: EventKind, fields: dict[str, Any]) -> None:
    found = understood(event(type_, subject, before))
    assert (found.kind, found.event_type, found.event_id) == (kind, type_, "evt_1")
    assert found.occurred_at == datetime.fromtimestamp(CREATED, UTC)
    assert {name: getattr(found, name) for name in fields} == fields
    assert kind is not EventKind.OTHER or found.detail


def test_every_known_type_is_in_the_table() -> None:
    assert EVENTS.keys() <= {row[0] for row in TABLE}


def golden(name: str) -> ProviderEvent:
    return understood(json.loads((FIXTURES / f"invoice_payment_failed_{name}.json").read_text()))


def test_the_older_invoice_shape() -> None:
    assert golden("legacy") == ProviderEvent(
        provider="stripe",
        event_id="evt_legacy_1",
        event_type="invoice.payment_failed",
        kind=EventKind.PAYMENT_FAILED,
        occurred_at=datetime.fromtimestamp(1795348800, UTC),
        invoice_id="in_legacy_1",
        customer_id="cus_legacy_1",
        subscription_id="sub_legacy_1",
        payment_id="pi_legacy_1",
        amount=2900,
        currency="EUR",
        provider_attempt=1,
        next_provider_attempt=datetime.fromtimestamp(1795608000, UTC),
        failure=Failure(charge_id="ch_legacy_1"),
    )


def test_the_newer_invoice_shape() -> None:
    assert golden("basil") == ProviderEvent(
        provider="stripe",
        event_id="evt_basil_1",
        event_type="invoice.payment_failed",
        kind=EventKind.PAYMENT_FAILED,
        occurred_at=datetime.fromtimestamp(1795348800, UTC),
        invoice_id="in_basil_1",
        customer_id="cus_basil_1",
        subscription_id="sub_basil_1",
        amount=3000,
        currency="USD",
        provider_attempt=2,
    )


def test_an_expanded_payment_intent_tells_the_decline_and_no_text() -> None:
    found = golden("expanded")
    assert found.customer_id == "cus_expanded_1"
    assert found.failure == Failure(
        code="insufficient_funds",
        advice="try_again_later",
        network="mastercard",
        network_code="51",
        method_id="pm_1",
        charge_id="ch_expanded_1",
    )
    assert "Nobody" not in found.model_dump_json()


def test_an_expanded_payment_of_the_newer_shape_gives_its_intent() -> None:
    payments = [
        {"status": "canceled", "is_default": False, "payment": {"type": "payment_intent", "payment_intent": "pi_0"}},
        {"status": "open", "is_default": True, "payment": {"type": "payment_intent", "payment_intent": "pi_1"}},
    ]
    found = understood(event("invoice.payment_failed", invoice(payments={"data": payments})))
    assert found.payment_id == "pi_1"


UNFIT = {
    "no invoice id": (invoice(id=None), "id"),
    "invoice id with a slash at its front": (invoice(id="/../customers"), "id"),
    "invoice id with a null character": (invoice(id="in_1\x00"), "id"),
    "endless invoice id": (invoice(id="i" * 300), "id"),
    "amount as text": (invoice(amount_remaining="2000"), "amount_remaining"),
    "amount as float": (invoice(amount_remaining=20.5), "amount_remaining"),
    "negative amount": (invoice(amount_remaining=-1), "amount_remaining"),
    "amount beyond any column": (invoice(amount_remaining=2**70), "amount_remaining"),
    "currency of four letters": (invoice(currency="euro"), "currency"),
    "customer as a list": (invoice(customer=[]), "customer"),
    "attempts as truth": (invoice(attempt_count=True), "attempt_count"),
    "parent as text": (invoice(parent="sub_1"), "parent"),
    "next attempt beyond the calendar": (invoice(next_payment_attempt=10**15), "next_payment_attempt"),
}


@pytest.mark.parametrize(("subject", "field"), UNFIT.values(), ids=UNFIT)
def test_a_shape_that_does_not_fit_is_kept_and_named(subject: Any, field: str) -> None:
    found = understood(event("invoice.payment_failed", subject))
    assert (found.kind, found.detail) == (EventKind.OTHER, f"unfit: data.object.{field}")


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (event("invoice.paid", None), "data.object"),
        (event("invoice.paid", []), "data.object"),
        (event("invoice.paid", invoice(), data="x"), "data"),
        (event("invoice.paid", invoice(), created="yesterday"), "created"),
        (event("invoice.paid", invoice(), created=None), "created"),
        (event("invoice.paid", invoice(), type=7), "type"),
        (event("invoice.paid", invoice(), livemode="no"), "livemode"),
        (event("radar.early_fraud_warning.created", {"actionable": True}), "data.object.charge"),
        (event("payment_method.attached", method(customer=None)), "data.object.customer"),
    ],
)
def test_an_envelope_that_does_not_fit_is_kept_and_named(raw: Any, field: str) -> None:
    found = understood(raw)
    assert (found.kind, found.detail, found.event_id) == (EventKind.OTHER, f"unfit: {field}", "evt_1")


def test_a_method_attached_and_made_the_default_is_one_change() -> None:
    attached = understood(event("payment_method.attached", method()))
    chosen = understood(event("customer.updated", customer("pm_1"), default_was(None)))
    renewed = understood(event("payment_method.automatically_updated", method(), CHANGED))
    again = understood(event("payment_method.updated", method(), CHANGED))
    assert attached.method_version == chosen.method_version
    assert renewed.method_version == again.method_version != attached.method_version
