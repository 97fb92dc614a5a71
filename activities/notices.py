"""Activities that send notices: digests to operators, and webhooks to the merchant's systems."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeat_in_background
from core.contracts import DeliverNoticesInput, DeliverNoticesReport, SendWebhookInput
from core.errors import EngineUnavailable, NotDelivered
from core.notices import Audience, Digest, Notice, build_digests, dead_letter_notice
from db.repositories import notices
from db.session import Database
from notifications.webhook_sender import WebhookSender

StartWebhookPost = Callable[[str, int], Awaitable[None]]
"""Has a workflow post one notice to one address, until that worked. Raises EngineUnavailable."""
EVERY_TRY_FAILED: Final = "every try failed, for three days"
MOST_AT_ONCE: Final = 5_000
RETRY_PERIOD: Final = timedelta(hours=1)


class OperatorChannels(Protocol):
    """The operators' tools."""

    async def send_notice(self, title: str, body: str) -> bool:
        """Sends it to every address; whether all of them took it."""


class NoticeDelivery:
    """One pass for everything that waits in the table `notice`."""

    def __init__(
        self, database: Database, operators: OperatorChannels | None, webhooks: WebhookSender, begin: StartWebhookPost
    ) -> None:
        self._database, self._operators = database, operators
        self._webhooks, self._begin = webhooks, begin

    @activity.defn
    async def hand_over(self, order: DeliverNoticesInput) -> DeliverNoticesReport:
        """Start a workflow for each webhook that waits, and send operators one message per topic."""
        async with heartbeat_in_background():
            return await self._hand_over(order.limit, datetime.now(UTC))

    @activity.defn
    async def post_webhook(self, order: SendWebhookInput) -> None:
        """One try. A refusal is tried again by Temporal."""
        async with self._database.begin() as session:
            notice = await notices.load_notice(session, UUID(order.notice_id))
        if notice is None:
            return
        try:
            async with heartbeat_in_background():
                await self._webhooks.send_webhook(order.target, f"msg_{notice.id.hex}", notice.data, datetime.now(UTC))
        except NotDelivered as refused:
            raise ApplicationError(str(refused), type="NotDelivered", non_retryable=refused.permanent) from refused

    @activity.defn
    async def give_up_webhook(self, order: SendWebhookInput) -> None:
        """It never worked: the operators hear of it."""
        name = f"webhook {order.notice_id} to address {order.target + 1}"
        async with self._database.begin() as session:
            await notices.add_notices(session, [dead_letter_notice(name, datetime.now(UTC), why=EVERY_TRY_FAILED)])

    async def _hand_over(self, limit: int, now: datetime) -> DeliverNoticesReport:
        # First: where nobody listened for long, whoever begins to must not get what is long past.
        async with self._database.begin() as session:
            await notices.delete_old(session, now)
        begun = await self._start_posts(limit, now)
        notified = await self._notify_operators(now) if self._operators else 0
        return DeliverNoticesReport(webhooks=begun, told=notified)

    async def _start_posts(self, limit: int, now: datetime) -> int:
        """A crash in between begins some twice; their workflow ids make that one."""
        waiting = await self._load_waiting(Audience.WEBHOOK, limit)
        begun = []
        try:
            for notice in waiting:
                for target in range(len(self._webhooks.addresses)):
                    await self._begin(str(notice.id), target)
                begun.append(notice.id)
        except EngineUnavailable:
            structlog.get_logger("notices").warning("webhooks wait: Temporal is away", waiting=len(waiting))
        await self._mark_handled(begun, now, "begun")
        return len(begun)

    async def _notify_operators(self, now: datetime) -> int:
        """Told twice where a worker dies in between: better than not at all. No transaction waits for a tool."""
        waiting = await self._load_waiting(Audience.OPERATORS, MOST_AT_ONCE)
        async with self._database.begin() as session:
            last = await notices.last_sent(session, Audience.OPERATORS)
        notified = 0
        for digest in build_digests(waiting, last, now):
            if outcome := await self._send_digest(digest, now):
                await self._mark_handled([one.id for one in digest.notices], now, outcome)
                notified += int(outcome == "told")
        return notified

    async def _load_waiting(self, audience: Audience, limit: int) -> list[Notice]:
        async with self._database.begin() as session:
            return await notices.waiting_notices(session, audience, limit)

    async def _mark_handled(self, ids: Sequence[UUID], now: datetime, outcome: str) -> None:
        async with self._database.begin() as session:
            await notices.mark_handled(session, ids, now, outcome)

    async def _send_digest(self, digest: Digest, now: datetime) -> str | None:
        """How it ended; None where a tool is away: then everybody is told again at the next pass, for an hour."""
        if not digest.title or self._operators is None:
            return "let_go"
        if await self._operators.send_notice(digest.title, digest.body):
            return "told"
        structlog.get_logger("notices").error("operators could not be told", title=digest.title)
        return "let_go" if now - digest.notices[0].occurred_at > RETRY_PERIOD else None
