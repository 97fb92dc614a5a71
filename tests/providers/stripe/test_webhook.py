"""Bodies that are no events, events of the other mode, and whatever hypothesis generates."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.collection_terms import CollectionMethod, CollectionTerms
from core.errors import InvalidInput
from core.payments import EventKind
from providers.stripe.config import StripeConfig
from providers.stripe.events import EVENTS
from providers.stripe.webhook import StripeWebhooks
from tests.providers.stripe.builders import CREATED, WEBHOOKS, normalise_event, open_invoice, stripe_event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b'"text"',
        b"[]",
        b"null",
        b"{}",
        b'{"object": "charge", "id": "ch_1"}',
        b'{"object": ["event"], "id": "evt_1"}',
        b'{"object": "event"}',
        b'{"object": "event", "id": ""}',
        b'{"object": "event", "id": {}, "type": "invoice.paid"}',
        b'{"object": "event", "id": "evt_1", "created": NaN}',
        b"[" * 100_000,
        b'{"object": "event", "id": "evt_1", "created": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_body_that_is_no_event_is_invalid_input(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        WEBHOOKS.normalise(body)


def test_thin_events_are_stored_without_effect() -> None:
    thin = {"id": "evt_2", "object": "v2.core.event", "type": "v1.billing.meter.x", "created": "2026-11-22T00:00:00Z"}
    event = normalise_event(thin)
    assert (event.kind, event.event_id) == (EventKind.OTHER, "evt_2")
    assert (event.detail or "").startswith("thin event")


@pytest.mark.parametrize(
    ("key", "livemode", "kind", "detail"),
    [
        ("sk_live_x", False, EventKind.OTHER, "test event for a live key"),
        ("rk_live_x", False, EventKind.OTHER, "test event for a live key"),
        ("sk_test_x", True, EventKind.OTHER, "live event for a test key"),
        ("sk_live_x", True, EventKind.PAYMENT_FAILED, None),
        ("sk_test_x", False, EventKind.PAYMENT_FAILED, None),
        ("", True, EventKind.PAYMENT_FAILED, None),
    ],
)
def test_event_of_the_other_mode_has_no_effect(key: str, livemode: bool, kind: EventKind, detail: str | None) -> None:
    hooks = StripeWebhooks(StripeConfig(api_key=key, webhook_secrets=("whsec_x",)))
    raw = stripe_event("invoice.payment_failed", open_invoice(), livemode=livemode)
    (event,) = hooks.normalise(json.dumps(raw).encode())
    assert (event.kind, event.detail) == (kind, detail)


@given(body=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_an_event_or_invalid_input(body: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        assert len(WEBHOOKS.normalise(body)) == 1


@given(
    type_=st.sampled_from(sorted(EVENTS)),
    changes=st.dictionaries(st.sampled_from(sorted(open_invoice())), JSON),
    before=JSON,
)
@example(type_="payment_method.attached", changes={"object": []}, before=None)
def test_a_known_type_with_any_shape_is_one_event(type_: str, changes: dict[str, Any], before: Any) -> None:
    event = normalise_event(stripe_event(type_, open_invoice(**changes), before))
    assert event.kind is not EventKind.OTHER or event.detail
    for text in event.model_dump(exclude={"detail"}).values():
        assert not isinstance(text, str) or (text.isascii() and text.isprintable())


@pytest.mark.parametrize(
    ("field", "detail"),
    [
        ("account", "connected account acct_1Other: not one of this installation's accounts"),
        ("context", "account of an organisation acct_1Other: not one of this installation's accounts"),
    ],
)
@pytest.mark.parametrize("type_", ["invoice.payment_failed", "invoice.paid", "customer.deleted"])
def test_event_of_another_account_is_ignored(type_: str, field: str, detail: str) -> None:
    event = normalise_event(stripe_event(type_, open_invoice(), None, **{field: "acct_1Other"}))
    assert (event.kind, event.detail, event.invoice_id) == (EventKind.OTHER, detail, None)


@pytest.mark.parametrize("clock", ["clock_1", {"id": "clock_1", "object": "test_helpers.test_clock"}])
def test_an_event_of_a_test_clock_is_simulated(clock: Any) -> None:
    assert normalise_event(stripe_event("invoice.payment_failed", open_invoice(test_clock=clock))).simulated
    assert not normalise_event(stripe_event("invoice.payment_failed", open_invoice(test_clock=None))).simulated


def test_collection_terms_in_a_webhook() -> None:
    body_fields = {
        "collection_method": "send_invoice",
        "billing_reason": "subscription_create",
        "application": "ca_other",
    }
    when = {"created": CREATED - 60, "status_transitions": {"finalized_at": CREATED}}
    terms = normalise_event(stripe_event("invoice.payment_failed", open_invoice(**body_fields, **when))).terms
    assert terms == CollectionTerms(
        collection_method=CollectionMethod.SENT,
        billing_reason="subscription_create",
        application="ca_other",
        created_at=datetime.fromtimestamp(CREATED, UTC),
    )


def test_invalid_terms_do_not_invalidate_the_event() -> None:
    invoice = open_invoice(collection_method=7, billing_reason=["x"], status_transitions="never", created="yesterday")
    event = normalise_event(stripe_event("invoice.payment_failed", invoice))
    assert (event.kind, event.terms) == (EventKind.PAYMENT_FAILED, CollectionTerms())


@pytest.mark.parametrize("type_", ["charge.failed", "payment_intent.succeeded", "payout.paid"])
def test_event_without_effect_names_its_customer_so_that_it_can_be_erased(type_: str) -> None:
    subject = {"id": "obj_1", "object": type_.partition(".")[0], "customer": "cus_1"}
    event = normalise_event(stripe_event(type_, subject))
    assert (event.kind, event.customer_id) == (EventKind.OTHER, "cus_1")
