"""Outgoing webhooks, posted for real and verified with the official library."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from core.errors import InvalidInput, NotDelivered
from notifications.webhook_sender import WebhookSender
from tests.notifications.receiver import Receiver, receiver

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY: dict[str, Any] = {"type": "recovery.opened", "timestamp": "2026-03-02T09:30:00Z", "data": {"amount": 4900}}


@pytest.fixture
async def listening() -> AsyncIterator[Receiver]:
    async with receiver() as running_receiver:
        yield running_receiver


async def test_webhooks_are_signed_by_the_standard(listening: Receiver) -> None:
    await WebhookSender([listening.url], SECRET).send_webhook(0, "msg_1", BODY, datetime.now(UTC))
    ((headers, body),) = listening.posts
    assert headers["webhook-id"] == "msg_1"
    assert Webhook(SECRET).verify(body, headers) == BODY
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"4900", b"1"), headers)
    assert json.loads(body) == BODY


@pytest.mark.parametrize(("status", "permanent"), [(500, False), (404, False), (302, False), (410, True)])
async def test_anything_but_a_2xx_is_a_failed_delivery(listening: Receiver, status: int, permanent: bool) -> None:
    listening.status = status
    with pytest.raises(NotDelivered) as refused:
        await WebhookSender([listening.url], SECRET).send_webhook(0, "msg_1", BODY, datetime.now(UTC))
    assert (refused.value.reason, refused.value.permanent) == (f"http_{status}", permanent)


async def test_unreachable_receiver_is_retried() -> None:
    with pytest.raises(NotDelivered) as refused:
        await WebhookSender(["http://127.0.0.1:1/hook"], SECRET).send_webhook(0, "msg_1", BODY, datetime.now(UTC))
    assert not refused.value.permanent


async def test_address_removed_from_the_settings_is_given_up() -> None:
    with pytest.raises(NotDelivered) as refused:
        await WebhookSender([], "").send_webhook(0, "msg_1", BODY, datetime.now(UTC))
    assert refused.value.permanent


def test_wrong_settings_are_reported_without_their_values() -> None:
    for addresses, secret in ((["ftp://x"], SECRET), (["https://x.example"], "whsec_not base64!")):
        with pytest.raises(InvalidInput) as excinfo:
            WebhookSender(addresses, secret)
        assert secret not in str(excinfo.value)
