"""Whole recoveries over weeks: what is charged when, and how it ends."""

from datetime import timedelta

from core.events import EventType, State, moment
from core.payments import Outcome
from tests.support.gateway import SUCCEED, declined, keys
from tests.workflows.conftest import Campaigns


async def test_the_reference_story_a_soft_decline_is_retried_after_three_hours_and_recovered(
    campaigns: Campaigns,
) -> None:
    campaign = await campaigns("generic_decline", script=[SUCCEED])
    failed_at = await campaign.begin()

    assert (await campaign.end()).state is State.RECOVERED
    assert campaign.story == [
        "payment.failed",
        "failure.classified",
        "customer.segmented",
        "fraud.assessed",
        "retry.planned",
        "charge.requested",
        "charge.succeeded",
        "recovery.closed",
    ]
    charged_at = campaign.first(EventType.CHARGE_REQUESTED).occurred_at
    assert timedelta(hours=3) <= charged_at - failed_at <= timedelta(hours=3, minutes=19)
    assert campaign.gateway.charged == 1
