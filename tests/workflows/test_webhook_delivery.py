"""An outgoing webhook is posted until it is accepted; a gone address is reported to operators."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.notices import NoticeDelivery
from core.contracts import SendWebhookInput
from core.notices import Audience, Notice, NoticeTopic
from db.repositories import notices
from db.session import Database
from notifications.webhook_sender import WebhookSender
from tests.notifications.receiver import Receiver, receiver
from tests.notifications.test_webhooks import SECRET
from tests.workflows.conftest import time_skipping
from workflows.maintenance import PostWebhook
from workflows.options import RECOVERY_QUEUE

BODY = {"type": "recovery.opened", "timestamp": "2026-11-23T10:00:00Z", "data": {"invoice_id": "in_1"}}


@dataclass
class WebhookWorker:
    """A worker that posts for real, on a clock that skips its waits."""

    environment: WorkflowEnvironment
    database: Database
    listening: Receiver

    async def post_webhook(self) -> tuple[bool, timedelta]:
        """Whether the webhook was accepted in the end, and how long that took."""
        notice = Notice(
            id=uuid.uuid4(), audience=Audience.WEBHOOK, topic=BODY["type"], occurred_at=datetime.now(UTC), data=BODY
        )
        async with self.database.begin() as session:
            await notices.add_notices(session, [notice])
        order = SendWebhookInput(notice_id=str(notice.id), target=0)
        client = self.environment.client
        run = await client.start_workflow(PostWebhook.run, order, id=f"post-{notice.id}", task_queue=RECOVERY_QUEUE)
        result, description = await run.result(), await run.describe()
        assert description.close_time
        return result, description.close_time - description.start_time

    async def dead_letters(self) -> list[str]:
        """The topics of the notices that wait for operators."""
        async with self.database.begin() as session:
            waiting = await notices.waiting_notices(session, Audience.OPERATORS, 100)
        return [notice.topic for notice in waiting]


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """A server of its own: its clock moves on by years, which other recoveries would notice."""
    async with time_skipping() as environment:
        yield environment


@pytest.fixture
async def outgoing(server: WorkflowEnvironment, database: Database) -> AsyncIterator[WebhookWorker]:
    """A worker whose one address accepts everything by default."""
    async with database.begin() as session:
        await session.exec_driver_sql("DELETE FROM notice")
    async with receiver() as listening:
        delivery = NoticeDelivery(database, None, WebhookSender([listening.url], SECRET), start_nothing)
        activities = [delivery.post_webhook, delivery.give_up_webhook]
        async with Worker(server.client, task_queue=RECOVERY_QUEUE, workflows=[PostWebhook], activities=activities):
            yield WebhookWorker(server, database, listening)


async def start_nothing(_: str, __: int) -> None:
    """Starts no workflow."""


async def test_refused_webhook_is_posted_again_with_the_same_id_until_accepted(outgoing: WebhookWorker) -> None:
    outgoing.listening.first_statuses = [503, 500, 302, 429]
    result, after = await outgoing.post_webhook()
    assert result
    assert len(outgoing.listening.posts) == 5
    assert len({headers["webhook-id"] for headers, _ in outgoing.listening.posts}) == 1
    assert all(Webhook(SECRET).verify(body, headers) == BODY for headers, body in outgoing.listening.posts)
    assert timedelta(minutes=2) < after < timedelta(hours=1)
    assert await outgoing.dead_letters() == []


async def test_gone_address_is_given_up_at_once(outgoing: WebhookWorker) -> None:
    outgoing.listening.status = 410
    result, after = await outgoing.post_webhook()
    assert not result
    assert len(outgoing.listening.posts) == 1
    assert after < timedelta(minutes=1)
    assert await outgoing.dead_letters() == [NoticeTopic.DEAD_LETTER]
