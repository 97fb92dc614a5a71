"""Notices from the log to operators and systems: real tables, real posts."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.notices import NoticeDelivery
from core.classification.taxonomy import Cause
from core.contracts import DeliverNoticesInput, DeliverNoticesReport, SendWebhookInput
from core.errors import EngineUnavailable
from core.events import Event
from core.notices import Audience
from core.notices import build_notices as notices_of
from core.recovery.machine import fold_records
from db.recovery_log import StoredRecoveryLog
from db.repositories import notices
from db.session import Database
from notifications.webhook_sender import WebhookSender
from tests.db.conftest import addresses, cluster, database, fresh_database, migrated
from tests.notifications.receiver import receiver
from tests.notifications.test_webhooks import SECRET
from tests.support.recovery_scenario import NEW_RECOVERY, RecoveryScenario

__all__ = ["addresses", "cluster", "database", "fresh_database", "migrated"]


@dataclass
class NoticeRecorder:
    """Records the notices to operators and the started workflows."""

    notices: list[tuple[str, str]] = field(default_factory=list)
    workflows: list[tuple[str, int]] = field(default_factory=list)
    is_away: bool = False

    async def send_notice(self, title: str, body: str) -> bool:
        """Records the notice. Returns whether it was delivered."""
        if not self.is_away:
            self.notices.append((title, body))
        return not self.is_away

    async def start_workflow(self, notice_id: str, target: int) -> None:
        """Records the workflow of one webhook."""
        if self.is_away:
            raise EngineUnavailable("scripted: away")
        self.workflows.append((notice_id, target))


async def hand_over_notices(delivery: NoticeDelivery) -> DeliverNoticesReport:
    return await ActivityEnvironment().run(delivery.hand_over, DeliverNoticesInput())


async def test_new_subscriber_receives_no_old_notices(database: Database) -> None:
    now = datetime.now(UTC)
    old = [
        record.model_copy(update={"occurred_at": now - timedelta(days=40)})
        for record in RecoveryScenario().fail_payment().records
    ]
    async with database.begin() as session:
        await notices.add_notices(session, notices_of(NEW_RECOVERY, old, frozenset(Audience)))
    recorder = NoticeRecorder()
    delivery = NoticeDelivery(
        database, recorder, WebhookSender(["http://127.0.0.1:1"], SECRET), recorder.start_workflow
    )
    assert await hand_over_notices(delivery) == DeliverNoticesReport()
    assert (recorder.notices, recorder.workflows) == ([], [])


async def test_notices_are_delivered_once_and_survive_an_outage(database: Database) -> None:
    now = datetime.now(UTC)
    log, scenario = (
        StoredRecoveryLog(database, frozenset(Audience)),
        RecoveryScenario(now=now).fail_payment(Cause.CONFIGURATION),
    )
    recorder = NoticeRecorder(is_away=True)
    for _ in range(2):  # a repeat of a write tells nothing twice
        events = [Event(**record.model_dump(include={"type", "data"}), occurred_at=now) for record in scenario.records]
        first = await log.append_events(NEW_RECOVERY, events[:1], now)
        await log.append_events(fold_records(NEW_RECOVERY, first[:1]), events[1:], now)
    async with receiver() as listening:
        webhooks = WebhookSender([listening.url, listening.url], SECRET)
        delivery = NoticeDelivery(database, recorder, webhooks, recorder.start_workflow)
        assert await hand_over_notices(delivery) == DeliverNoticesReport()
        recorder.is_away = False
        assert await hand_over_notices(delivery) == DeliverNoticesReport(webhooks=1, told=1)
        assert await hand_over_notices(delivery) == DeliverNoticesReport()
        assert recorder.notices[-1][0] == "the configuration must be corrected"
        assert [target for _, target in recorder.workflows] == [0, 1]
        post = SendWebhookInput(notice_id=recorder.workflows[0][0], target=0)
        await ActivityEnvironment().run(delivery.post_webhook, post)
        ((headers, body),) = listening.posts
        assert b'"type":"recovery.opened"' in body
        assert headers["webhook-id"].startswith("msg_")
        listening.status = 503
        with pytest.raises(ApplicationError, match="http_503"):
            await ActivityEnvironment().run(delivery.post_webhook, post)
        await ActivityEnvironment().run(delivery.give_up_webhook, post)
        assert (await hand_over_notices(delivery)).told == 1
        assert recorder.notices[-1][0] == "a delivery was given up"
