"""Signatures of batches: every item counts, and any body gets a clear error."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from Adyen import util
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidSignature
from providers.adyen.config import AdyenConfig
from providers.adyen.webhook import AdyenWebhooks
from sandbox.adyen import webhooks
from sandbox.adyen.webhooks import sign_body, sign_item
from tests.providers.contract.adyen_subject import KEYS, an_item
from tests.providers.contract.subject import Key, WebhookKind

NEW, OLD, FOREIGN = KEYS[Key.NEWEST], KEYS[Key.OLDER], KEYS[Key.FOREIGN]
WEBHOOKS = AdyenWebhooks(AdyenConfig(hmac_keys=(NEW, OLD)))
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def signed_batch(*keys: str) -> bytes:
    """A batch with one item per key, each signed by its key."""
    items = [an_item(WebhookKind.FAILED, f"inv_{number}") for number, _ in enumerate(keys)]
    for item, key in zip(items, keys, strict=True):
        item["additionalData"]["hmacSignature"] = sign_item(item, key)
    return webhooks.webhook_body(items)


def verify_body(body: bytes, headers: dict[str, str] | None = None) -> None:
    WEBHOOKS.verify(headers or {}, body, NOW)


def changed_webhook(path: tuple[Any, ...], value: Any) -> bytes:
    """A validly signed webhook with one field changed; `...` removes it."""
    document = json.loads(signed_batch(NEW))
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    if value is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return json.dumps(document).encode()


ITEM = ("notificationItems", 0, "NotificationRequestItem")


@pytest.mark.parametrize("keys", [(NEW,), (OLD,), (NEW, OLD, NEW), (NEW.lower(), NEW.upper())])
def test_each_item_may_be_signed_by_any_key_of_ours(keys: tuple[str, ...]) -> None:
    verify_body(signed_batch(*keys))


@pytest.mark.parametrize("keys", [(FOREIGN,), (NEW, FOREIGN), (FOREIGN, NEW), (NEW, NEW, FOREIGN)])
def test_one_invalid_signature_refuses_the_batch(keys: tuple[str, ...]) -> None:
    with pytest.raises(InvalidSignature, match=rf"Item {keys.index(FOREIGN)} "):
        verify_body(signed_batch(*keys))


def test_sandbox_and_official_library_give_equal_signatures() -> None:
    item = an_item(WebhookKind.FAILED, "inv_1") | {"originalReference": "ORIG"}
    assert util.generate_notification_sig(item, NEW).decode() == sign_item(item, NEW)
    assert util.generate_payload_sig(b"body", NEW).decode() == sign_body(b"body", NEW)


@pytest.mark.parametrize("field", ["pspReference", "merchantAccountCode", "merchantReference", "eventCode", "success"])
def test_every_signed_field_counts(field: str) -> None:
    for value in ("other", ...):
        with pytest.raises(InvalidSignature):
            verify_body(changed_webhook((*ITEM, field), value))


@pytest.mark.parametrize(("field", "value"), [("value", 1), ("currency", "EUR"), ("value", ...), ("currency", ...)])
def test_the_amount_counts(field: str, value: Any) -> None:
    with pytest.raises(InvalidSignature):
        verify_body(changed_webhook((*ITEM, "amount", field), value))


def test_an_added_original_reference_counts_and_null_is_none() -> None:
    verify_body(changed_webhook((*ITEM, "originalReference"), None))
    with pytest.raises(InvalidSignature):
        verify_body(changed_webhook((*ITEM, "originalReference"), "X"))


HASH = base64.b64encode(b"x" * 32).decode()


@pytest.mark.parametrize("signature", [None, "", 1, [], {}, "é", "x" * 1000, "====", HASH, HASH[:-4], "\ud800"])
def test_a_signature_may_be_anything(signature: Any) -> None:
    with pytest.raises(InvalidSignature):
        verify_body(changed_webhook((*ITEM, "additionalData", "hmacSignature"), signature))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("notificationItems",), []),
        (("notificationItems",), {}),
        (("notificationItems",), None),
        (("notificationItems", 0), None),
        (("notificationItems", 0), {}),
        (ITEM, None),
        (ITEM, []),
        ((*ITEM, "amount"), None),
        ((*ITEM, "amount"), 5),
        ((*ITEM, "additionalData"), None),
        ((*ITEM, "additionalData"), ...),
        ((*ITEM, "additionalData"), "text"),
    ],
)
def test_a_body_may_be_anything(path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(InvalidSignature):
        verify_body(changed_webhook(path, value))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["notificationItems", "NotificationRequestItem", "additionalData", "hmacSignature", "amount"]
                ),
                inner,
            )
        ),
    )
)
def test_any_body_raises_only_invalid_input(value: Any) -> None:
    with pytest.raises(InvalidSignature):
        verify_body(json.dumps(value).encode())


def test_too_many_items_are_refused_before_they_are_looked_at() -> None:
    with pytest.raises(InvalidSignature, match="too many"):
        verify_body(json.dumps({"notificationItems": [{}] * 1001}).encode())


@pytest.mark.parametrize("key", [NEW, OLD])
def test_a_token_webhook_is_signed_in_its_header(key: str) -> None:
    body = b'{"type": "recurring.token.created", "eventId": "E1"}'
    verify_body(body, {"hmacsignature": sign_body(body, key)})
    for bad in ({}, {"hmacsignature": sign_body(body, FOREIGN)}, {"hmacsignature": sign_body(body + b" ", key)}):
        with pytest.raises(InvalidSignature):
            verify_body(body, bad)


def test_non_hexadecimal_key_is_reported_and_not_used() -> None:
    config = AdyenConfig.from_environment({"ADYEN_HMAC_KEYS": f" {NEW} ,nonsense,,{OLD}"})
    assert config.hmac_keys == (NEW, OLD)
    assert any("not hexadecimal" in note for note in config.startup_notes())
