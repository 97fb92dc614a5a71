"""Each relevant Stripe event type and its normalised event: one table, both invoice shapes."""

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
from core.redaction.text import REDACTED
from providers.stripe.events import EVENTS
from tests.providers.stripe.builders import CREATED, card_method, normalise_event, open_invoice, stripe_event
from tests.providers.stripe.event_table import CHANGED_CARD, TABLE, TERMS, customer_with, previous_default

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize(("type_", "subject", "before", "kind", "fields"), TABLE)
def test_meaning_of_each_event(type_: str, subject: Any, before: Any, kind: EventKind, fields: dict[str, Any]) -> None:
    event = normalise_event(stripe_event(type_, subject, before))
    assert (event.kind, event.event_type, event.event_id) == (kind, type_, "evt_1")
    assert event.occurred_at == datetime.fromtimestamp(CREATED, UTC)
    assert {name: getattr(event, name) for name in fields} == fields
    assert kind is not EventKind.OTHER or event.detail


def test_every_known_type_is_in_the_table() -> None:
    assert EVENTS.keys() <= {row[0] for row in TABLE}


def read_fixture(name: str) -> ProviderEvent:
    return normalise_event(json.loads((FIXTURES / f"invoice_payment_failed_{name}.json").read_text()))


def test_the_older_invoice_shape() -> None:
    assert read_fixture("legacy") == ProviderEvent(
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
    assert read_fixture("basil") == ProviderEvent(
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


def test_expanded_payment_intent_gives_the_decline_without_its_text() -> None:
    fixture = read_fixture("expanded")
    assert fixture.customer_id == "cus_expanded_1"
    assert fixture.failure == Failure(
        code="insufficient_funds",
        advice="try_again_later",
        network="mastercard",
        network_code="51",
        method_id="pm_1",
        charge_id="ch_expanded_1",
    )
    assert "Nobody" not in fixture.model_dump_json()


def test_an_expanded_payment_of_the_newer_shape_gives_its_intent() -> None:
    payments = [
        {"status": "canceled", "is_default": False, "payment": {"type": "payment_intent", "payment_intent": "pi_0"}},
        {"status": "open", "is_default": True, "payment": {"type": "payment_intent", "payment_intent": "pi_1"}},
    ]
    event = normalise_event(stripe_event("invoice.payment_failed", open_invoice(payments={"data": payments})))
    assert event.payment_id == "pi_1"


UNFIT_SHAPES = {
    "no invoice id": (open_invoice(id=None), "id"),
    "invoice id with a slash at its front": (open_invoice(id="/../customers"), "id"),
    "invoice id with a null character": (open_invoice(id="in_1\x00"), "id"),
    "endless invoice id": (open_invoice(id="i" * 300), "id"),
    "amount as text": (open_invoice(amount_remaining="2000"), "amount_remaining"),
    "amount as float": (open_invoice(amount_remaining=20.5), "amount_remaining"),
    "negative amount": (open_invoice(amount_remaining=-1), "amount_remaining"),
    "amount beyond any column": (open_invoice(amount_remaining=2**70), "amount_remaining"),
    "currency of four letters": (open_invoice(currency="euro"), "currency"),
    "customer as a list": (open_invoice(customer=[]), "customer"),
    "attempts as truth": (open_invoice(attempt_count=True), "attempt_count"),
    "parent as text": (open_invoice(parent="sub_1"), "parent"),
}


@pytest.mark.parametrize(("subject", "field"), UNFIT_SHAPES.values(), ids=UNFIT_SHAPES)
def test_invalid_object_is_kept_with_the_field_named(subject: Any, field: str) -> None:
    event = normalise_event(stripe_event("invoice.payment_failed", subject))
    assert (event.kind, event.detail) == (EventKind.OTHER, f"unfit: data.object.{field}")


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (stripe_event("invoice.paid", None), "data.object"),
        (stripe_event("invoice.paid", []), "data.object"),
        (stripe_event("invoice.paid", open_invoice(), data="x"), "data"),
        (stripe_event("invoice.paid", open_invoice(), created="yesterday"), "created"),
        (stripe_event("invoice.paid", open_invoice(), created=None), "created"),
        (stripe_event("invoice.paid", open_invoice(), type=7), "type"),
        (stripe_event("invoice.paid", open_invoice(), livemode="no"), "livemode"),
        (stripe_event("radar.early_fraud_warning.created", {"actionable": True}), "data.object.charge"),
    ],
)
def test_invalid_envelope_is_kept_with_the_field_named(raw: Any, field: str) -> None:
    event = normalise_event(raw)
    assert (event.kind, event.detail, event.event_id) == (EventKind.OTHER, f"unfit: {field}", "evt_1")


def test_a_method_attached_and_made_the_default_is_one_change() -> None:
    attached = normalise_event(stripe_event("payment_method.attached", card_method()))
    chosen = normalise_event(stripe_event("customer.updated", customer_with("pm_1"), previous_default(None)))
    renewed = normalise_event(stripe_event("payment_method.automatically_updated", card_method(), CHANGED_CARD))
    again = normalise_event(stripe_event("payment_method.updated", card_method(), CHANGED_CARD))
    assert attached.method_version == chosen.method_version
    assert renewed.method_version == again.method_version != attached.method_version


def test_next_attempt_beyond_the_calendar_does_not_hide_the_failure() -> None:
    event = normalise_event(stripe_event("invoice.payment_failed", open_invoice(next_payment_attempt=10**15)))
    assert (event.kind, event.next_provider_attempt) == (EventKind.PAYMENT_FAILED, None)


def test_a_decline_that_quotes_the_card_is_redacted_and_ids_are_kept() -> None:
    error = {
        "decline_code": "no:4242-4242-4242-4242",
        "charge": "4242424242424242",
        "payment_method": "4242424242424242",
    }
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "requires_payment_method",
        "last_payment_error": error,
    }
    invoice = open_invoice(id="4242424242424242", payment_intent=intent, attempted=True)
    event = normalise_event(stripe_event("invoice.payment_failed", invoice))
    assert event.failure
    assert event.failure.code == f"no:{REDACTED}"
    assert (event.invoice_id, event.failure.charge_id, event.failure.method_id) == ("4242424242424242",) * 3
