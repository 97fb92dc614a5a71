"""Signatures, duplicates and order: what every provider's webhooks must do."""

from datetime import UTC, datetime

import pytest

from core.errors import InvalidInput, InvalidSignature
from core.payments import EventKind, ProviderEvent
from providers.base import Webhooks
from tests.providers.contract.subject import Key, SignedWebhook, Subject, WebhookKind

KINDS = {
    WebhookKind.FAILED: EventKind.PAYMENT_FAILED,
    WebhookKind.FAILED_AGAIN: EventKind.PAYMENT_FAILED,
    WebhookKind.PAID: EventKind.INVOICE_PAID,
    WebhookKind.DISPUTED: EventKind.DISPUTE_OPENED,
    WebhookKind.UNUSED: EventKind.OTHER,
}


@pytest.fixture
def webhooks(subject: Subject) -> Webhooks:
    """The provider's webhook side."""
    provider_webhooks = subject.provider().create_webhooks()
    assert provider_webhooks
    return provider_webhooks


def verify_signed(webhooks: Webhooks, webhook: SignedWebhook) -> None:
    webhooks.verify(webhook.headers, webhook.body, datetime.now(UTC))


def only_event(webhooks: Webhooks, webhook: SignedWebhook) -> ProviderEvent:
    (event,) = webhooks.normalise(webhook.body)
    return event


@pytest.mark.parametrize("key", [Key.NEWEST, Key.OLDER])
@pytest.mark.parametrize("says", list(WebhookKind))
def test_webhooks_signed_with_either_secret_are_accepted(
    subject: Subject, webhooks: Webhooks, key: Key, says: WebhookKind
) -> None:
    verify_signed(webhooks, subject.signed_webhook(says, "inv_1", key=key))


def test_webhooks_with_a_foreign_signature_are_refused(subject: Subject, webhooks: Webhooks) -> None:
    good = subject.signed_webhook(WebhookKind.FAILED, "inv_1")
    foreign = subject.signed_webhook(WebhookKind.FAILED, "inv_1", key=Key.FOREIGN)
    for bad in (foreign, subject.tamper_amount(good), subject.strip_signature(good), SignedWebhook(good.headers, b"")):
        assert bad != good
        with pytest.raises(InvalidSignature) as refused:
            verify_signed(webhooks, bad)
        assert str(refused.value).endswith(".")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"a": NaN}', b"[" * 10_000, b"a=b&c=d"])
def test_invalid_bodies_are_refused(subject: Subject, webhooks: Webhooks, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        webhooks.normalise(body)
    with pytest.raises(InvalidInput):
        verify_signed(webhooks, SignedWebhook(subject.signed_webhook(WebhookKind.FAILED, "inv_1").headers, body))


@pytest.mark.parametrize("says", list(WebhookKind))
def test_each_webhook_is_normalised(subject: Subject, webhooks: Webhooks, says: WebhookKind) -> None:
    event = only_event(webhooks, subject.signed_webhook(says, "inv_1"))
    assert (event.provider, event.kind) == (subject.name, KINDS[says])
    assert event.occurred_at.tzinfo
    if says in (WebhookKind.FAILED, WebhookKind.FAILED_AGAIN, WebhookKind.PAID):
        assert event.invoice_id == "inv_1"
    if says is WebhookKind.DISPUTED:
        assert event.invoice_id or event.payment_id or event.customer_id
    if says is WebhookKind.UNUSED:
        assert event.detail


def test_failure_event_has_all_fields_for_a_recovery(subject: Subject, webhooks: Webhooks) -> None:
    event = only_event(webhooks, subject.signed_webhook(WebhookKind.FAILED, "inv_1"))
    assert event.amount == 2000
    assert (event.currency or "").isupper()
    assert event.customer_id
    assert event.provider_attempt


def test_repeated_event_has_the_same_id(subject: Subject, webhooks: Webhooks) -> None:
    first, again = (only_event(webhooks, subject.signed_webhook(WebhookKind.FAILED, "inv_1")) for _ in range(2))
    assert first.event_id == again.event_id
    assert (first.kind, first.provider_attempt) == (again.kind, again.provider_attempt)


def test_different_events_have_different_ids(subject: Subject, webhooks: Webhooks) -> None:
    events = [
        only_event(webhooks, subject.signed_webhook(says, name)) for says in WebhookKind for name in ("inv_1", "inv_2")
    ]
    assert len({event.event_id for event in events}) == len(events)
    assert all(0 < len(event.event_id) <= 255 for event in events)


def test_later_failure_is_newer_in_any_order(subject: Subject, webhooks: Webhooks) -> None:
    later = only_event(webhooks, subject.signed_webhook(WebhookKind.FAILED_AGAIN, "inv_1"))
    first = only_event(webhooks, subject.signed_webhook(WebhookKind.FAILED, "inv_1"))
    assert (later.provider_attempt or 0) > (first.provider_attempt or 0)
    assert later.occurred_at >= first.occurred_at
