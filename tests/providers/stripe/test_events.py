"""Each event type of Stripe that matters, and what becomes of it: one table, both invoice shapes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.payments import (
    EventKind,
    Failure,
    ProviderEvent,
)
from providers.stripe.events import EVENTS
from tests.providers.stripe.event_table import CHANGED, TABLE, TERMS, customer, default_was
from tests.providers.stripe.events import CREATED, event, invoice, method, understood

FIXTURES = Path(__file__).parent / "fixtures"


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
        terms=TERMS,
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
        terms=TERMS,
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
