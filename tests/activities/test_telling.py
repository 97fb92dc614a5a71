"""From the log to operators and other systems: real tables, a real post."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.log import StoredLog
from activities.telling import Telling
from core.classifier.taxonomy import Cause
from core.errors import EngineUnavailable
from core.events import Event
from core.messages.contracts import HandOverInput, HandOverReport, PostInput
from core.messages.notices import Audience
from core.messages.notices import notices as notices_of
from core.retry.machine import fold
from db.repositories import notices
from db.session import Database
from notifications.webhooks import Webhooks
from tests.db.conftest import addresses, cluster, database, fresh_database, migrated
from tests.notifications.receiver import receiver
from tests.notifications.test_webhooks import SECRET
from tests.support.story import NEW, Story

__all__ = ["addresses", "cluster", "database", "fresh_database", "migrated"]


@dataclass
class Ears:
    """Operators' tools, and Temporal: what they were told."""

    told: list[tuple[str, str]] = field(default_factory=list)
    begun: list[tuple[str, int]] = field(default_factory=list)
    away: bool = False

    async def tell(self, title: str, body: str) -> bool:
        """Whether everybody was told."""
        if not self.away:
            self.told.append((title, body))
        return not self.away

    async def begin(self, notice_id: str, target: int) -> None:
        """A workflow for one post."""
        if self.away:
            raise EngineUnavailable("scripted: away")
        self.begun.append((notice_id, target))


async def hand_over(telling: Telling) -> HandOverReport:
    return await ActivityEnvironment().run(telling.hand_over, HandOverInput())


async def test_whoever_begins_to_listen_does_not_hear_what_is_long_past(database: Database) -> None:
    now = datetime.now(UTC)
    old = [record.model_copy(update={"occurred_at": now - timedelta(days=40)}) for record in Story().fails().records]
    async with database.begin() as session:
        await notices.add(session, notices_of(NEW, old, frozenset(Audience)))
    ears = Ears()
    telling = Telling(database, ears, Webhooks(["http://127.0.0.1:1"], SECRET), ears.begin)
    assert await hand_over(telling) == HandOverReport()
    assert (ears.told, ears.begun) == ([], [])


async def test_what_is_in_the_log_is_told_once_and_survives_an_outage(database: Database) -> None:
    now = datetime.now(UTC)
    log, story = StoredLog(database, frozenset(Audience)), Story(now=now).fails(Cause.CONFIGURATION)
    ears = Ears(away=True)
    for _ in range(2):  # a repeat of a write tells nothing twice
        events = [Event(**record.model_dump(include={"type", "data"}), occurred_at=now) for record in story.records]
        first = await log.append(NEW, events[:1], now)
        await log.append(fold(NEW, first[:1]), events[1:], now)
    async with receiver() as listening:
        webhooks = Webhooks([listening.url, listening.url], SECRET)
        telling = Telling(database, ears, webhooks, ears.begin)
        assert await hand_over(telling) == HandOverReport()
        ears.away = False
        assert await hand_over(telling) == HandOverReport(webhooks=1, told=1)
        assert await hand_over(telling) == HandOverReport()
        assert ears.told[-1][0] == "the set-up must be mended"
        assert [target for _, target in ears.begun] == [0, 1]
        post = PostInput(notice_id=ears.begun[0][0], target=0)
        await ActivityEnvironment().run(telling.post_webhook, post)
        ((headers, body),) = listening.posts
        assert b'"type":"recovery.opened"' in body
        assert headers["webhook-id"].startswith("msg_")
        listening.status = 503
        with pytest.raises(ApplicationError, match="http_503"):
            await ActivityEnvironment().run(telling.post_webhook, post)
        await ActivityEnvironment().run(telling.give_up_webhook, post)
        assert (await hand_over(telling)).told == 1
        assert ears.told[-1][0] == "something was given up"
