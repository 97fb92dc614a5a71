"""Braintree's webhook form, its signature, and everything that the official client signs."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import braintree
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput, InvalidSignature
from core.payments import EventKind, ProviderEvent
from providers.braintree.config import BraintreeConfig
from providers.braintree.webhook import BraintreeWebhooks
from tests.providers.contract.braintree_subject import a_notification, form_fields, sandbox_config, sign_notification
from tests.providers.contract.subject import WebhookKind

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KINDS = sorted(text for name, text in vars(braintree.WebhookNotification.Kind).items() if not name.startswith("_"))
WEBHOOKS = BraintreeWebhooks(sandbox_config("http://127.0.0.1:9"))
SIGNED_WEBHOOK = sign_notification(a_notification(WebhookKind.FAILED, "inv_1"))


def verify_body(body: bytes) -> None:
    WEBHOOKS.verify({}, body, NOW)


def official_sample(kind: str) -> bytes:
    """A sample webhook, made and signed by the official client."""
    keys = ("sandbox_merchant", "our_public", "our_private")
    client = braintree.BraintreeGateway(braintree.Configuration(braintree.Environment.Sandbox, *keys))
    return urlencode(client.webhook_testing.sample_notification(kind, "my_id")).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_webhooks_signed_by_the_official_client_are_normalised(kind: str) -> None:
    body = official_sample(kind)
    verify_body(body)
    (event,) = WEBHOOKS.normalise(body)
    assert (event.provider, event.event_type) == ("braintree", kind)
    assert event.kind is not EventKind.OTHER or event.detail
    ProviderEvent.model_validate(event.model_dump())


def test_official_client_accepts_the_sandboxs_signature() -> None:
    keys = ("sandbox_merchant", "our_public", "our_private")
    client = braintree.BraintreeGateway(braintree.Configuration(braintree.Environment.Sandbox, *keys))
    form = form_fields(SIGNED_WEBHOOK)
    notification = client.webhook_notification.parse(form["bt_signature"], form["bt_payload"])
    assert (notification.kind, notification.transaction.order_id) == ("transaction_retried", "inv_1")


def test_a_line_break_that_a_framework_took_away_does_not_matter() -> None:
    form = form_fields(SIGNED_WEBHOOK)
    assert form["bt_payload"].endswith("\n")
    verify_body(urlencode(form | {"bt_payload": form["bt_payload"].rstrip("\n")}).encode())


@pytest.mark.parametrize(
    "signature",
    ["", "our_public", "our_public|", "|", "our_public|a|b", "our_public|" + "0" * 40, "x|" + "0" * 40, "ü|ü", "&&||&"],
)
def test_a_signature_that_is_none_is_refused(signature: str) -> None:
    with pytest.raises(InvalidSignature) as refused:
        verify_body(urlencode(form_fields(SIGNED_WEBHOOK) | {"bt_signature": signature}).encode())
    assert "our_private" not in str(refused.value)


def test_any_of_several_signatures_under_our_key_will_do() -> None:
    form = form_fields(SIGNED_WEBHOOK)
    verify_body(urlencode(form | {"bt_signature": "our_public|bad&" + form["bt_signature"]}).encode())


@pytest.mark.parametrize("payload", ["", "a b", "<xml/>", "YQ==\x00", "ü"])
def test_a_payload_that_is_not_base64_is_refused(payload: str) -> None:
    body = urlencode(form_fields(SIGNED_WEBHOOK) | {"bt_payload": payload}).encode()
    with pytest.raises(InvalidSignature):
        verify_body(body)
    with pytest.raises(InvalidInput):
        WEBHOOKS.normalise(body)


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"<a/>",
        b"no xml",
        b"<notification/>",
        b"<notification><kind>check</kind></notification>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><notification><kind>&b;</kind></notification>",
        b"\xff\xfe",
        b"<notification><kind>check</kind><timestamp type='datetime'>soon</timestamp></notification>",
    ],
)
def test_signed_invalid_payload_is_no_webhook(xml: bytes) -> None:
    with pytest.raises(InvalidInput):
        WEBHOOKS.normalise(sign_notification(xml or b" ").body)


@given(st.binary(max_size=300))
def test_unsigned_bodies_are_always_refused(body: bytes) -> None:
    with pytest.raises(InvalidSignature):
        verify_body(body)
    with pytest.raises(InvalidInput):
        WEBHOOKS.normalise(body)


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=255))
def test_no_signed_byte_can_be_changed(at: int, byte: int) -> None:
    form = form_fields(SIGNED_WEBHOOK)
    payload = bytearray(form["bt_payload"].encode())
    payload[at % len(payload)] = byte
    changed = payload.decode("latin-1")
    if changed.rstrip("\n") == form["bt_payload"].rstrip("\n"):
        return
    with pytest.raises(InvalidSignature):
        verify_body(urlencode({**form, "bt_payload": changed}).encode())


def test_another_private_key_signs_nothing_for_us() -> None:
    other = BraintreeWebhooks(BraintreeConfig("m", "our_public", "another"))
    with pytest.raises(InvalidSignature):
        other.verify({}, SIGNED_WEBHOOK.body, NOW)
