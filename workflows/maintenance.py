"""Workflows that schedules start: relay, notices, outgoing webhooks, and retention."""

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from activities.maintenance import Maintenance
from activities.notices import NoticeDelivery
from core.contracts import (
    DeliverNoticesInput,
    DeliverNoticesReport,
    RelayInput,
    RelayReport,
    RetentionInput,
    RetentionReport,
    SendWebhookInput,
)
from workflows import options


@workflow.defn(name="Relay")
class Relay:
    """Delivers what the inbox still holds and gives recoveries without a run a new one."""

    @workflow.run
    async def run(self, order: RelayInput) -> RelayReport:
        """Run one pass of the relay; returns its counts."""
        return await workflow.execute_activity_method(Maintenance.relay_inbox, order, **options.RELAY)


@workflow.defn(name="Tell")  # the name is kept: running schedules start the workflow by it
class HandOverNotices:
    """Starts webhook posts and sends operator digests for the notices that wait."""

    @workflow.run
    async def run(self, order: DeliverNoticesInput) -> DeliverNoticesReport:
        """Run one pass over waiting notices; returns its counts."""
        return await workflow.execute_activity_method(NoticeDelivery.hand_over, order, **options.HAND_OVER)


@workflow.defn(name="Retention")
class Retention:
    """Blanks what is older than it is kept."""

    @workflow.run
    async def run(self, order: RetentionInput) -> RetentionReport:
        """Run one pass; returns its counts."""
        return await workflow.execute_activity_method(Maintenance.apply_retention, order, **options.RETENTION)


@workflow.defn(name="PostWebhook")
class PostWebhook:
    """Posts one webhook until the receiver accepts it, for three days at most."""

    @workflow.run
    async def run(self, order: SendWebhookInput) -> bool:
        """True if the receiver accepted it; False if it was given up."""
        try:
            await workflow.execute_activity_method(NoticeDelivery.post_webhook, order, **options.POST_WEBHOOK)
        except FailureError as failure:
            if is_cancelled_exception(failure):
                raise
            await workflow.execute_activity_method(NoticeDelivery.give_up_webhook, order, **options.STORE)
            return False
        return True
