"""What a schedule starts every few seconds: a pass of the relay."""

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from activities.maintenance import Maintenance
from activities.notices import NoticeDelivery
from core.contracts import DeliverNoticesInput, DeliverNoticesReport, RelayInput, RelayReport, SendWebhookInput
from workflows import options


@workflow.defn(name="Relay")
class Relay:
    """Delivers what the inbox still holds and gives recoveries without a run a new one."""

    @workflow.run
    async def run(self, order: RelayInput) -> RelayReport:
        """One pass."""
        return await workflow.execute_activity_method(Maintenance.relay_inbox, order, **options.RELAY)


@workflow.defn(name="Tell")
class HandOverNotices:
    """Hands over what waits."""

    @workflow.run
    async def run(self, order: DeliverNoticesInput) -> DeliverNoticesReport:
        """One pass."""
        return await workflow.execute_activity_method(NoticeDelivery.hand_over, order, **options.HAND_OVER)


@workflow.defn(name="PostWebhook")
class PostWebhook:
    """Posts one webhook until it is taken, for three days."""

    @workflow.run
    async def run(self, order: SendWebhookInput) -> bool:
        """Whether it was taken."""
        try:
            await workflow.execute_activity_method(NoticeDelivery.post_webhook, order, **options.POST_WEBHOOK)
        except FailureError as failure:
            if is_cancelled_exception(failure):
                raise
            await workflow.execute_activity_method(NoticeDelivery.give_up_webhook, order, **options.STORE)
            return False
        return True
