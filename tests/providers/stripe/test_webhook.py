"""Bodies that are no events, events of the wrong world, and whatever hypothesis thinks of."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.payments import EventKind
from providers.stripe.config import StripeConfig
from providers.stripe.events import EVENTS
from providers.stripe.webhook import StripeWebhooks
from tests.providers.stripe.events import HOOKS, event, invoice, understood

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
def test_what_is_no_event_is_invalid_input(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        HOOKS.normalise(body)


def test_thin_events_are_kept_but_not_used() -> None:
    thin = {"id": "evt_2", "object": "v2.core.event", "type": "v1.billing.meter.x", "created": "2026-11-22T00:00:00Z"}
    found = understood(thin)
    assert (found.kind, found.event_id) == (EventKind.OTHER, "evt_2")
    assert (found.detail or "").startswith("thin event")


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
def test_an_event_of_the_other_world_never_acts(key: str, livemode: bool, kind: EventKind, detail: str | None) -> None:
    hooks = StripeWebhooks(StripeConfig(api_key=key, webhook_secrets=("whsec_x",)))
    raw = event("invoice.payment_failed", invoice(), livemode=livemode)
    (found,) = hooks.normalise(json.dumps(raw).encode())
    assert (found.kind, found.detail) == (kind, detail)


@given(body=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_an_event_or_invalid_input(body: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        assert len(HOOKS.normalise(body)) == 1


@given(
    type_=st.sampled_from(sorted(EVENTS)),
    changes=st.dictionaries(st.sampled_from(sorted(invoice())), JSON),
    before=JSON,
)
def test_a_known_type_with_any_shape_is_one_event(type_: str, changes: dict[str, Any], before: Any) -> None:
    found = understood(event(type_, invoice(**changes), before))
    assert found.kind is not EventKind.OTHER or found.detail
    for text in found.model_dump(exclude={"detail"}).values():
        assert not isinstance(text, str) or (text.isascii() and text.isprintable())
