"""The real workflow in a living account: late cards, money on its way, refused keys, claims that aren't ours."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from core.contracts import Action, Command
from core.events import EventType, Record, State, stamp
from core.payments import EventKind, InvoiceStatus
from core.retry.fresh_look import FIRST_LOOK
from tests.replay import paths
from tests.support.builders import DAY, HOUR, an_event
from tests.support.gateway import declined
from tests.support.mailbox import Postbox
from tests.workflows.conftest import Campaign, Campaigns
from tests.workflows.test_messages import begins

ENDS = [
    (paths.late_method, State.RECOVERED, "charged"),
    (paths.last_look, State.RECOVERED, "paid_elsewhere"),
    (paths.money_on_its_way, State.RECOVERED, "paid_elsewhere"),
    (paths.money_that_failed, State.RECOVERED, "charged"),
    (paths.key_revoked_and_mended, State.RECOVERED, "charged"),
    (paths.out_of_scope, State.CANCELED, "out_of_scope"),
    (paths.unfit_method, State.RECOVERED, "charged"),
]


@pytest.mark.parametrize(("path", "state", "reason"), ENDS, ids=lambda one: getattr(one, "__name__", ""))
async def test_each_path_ends_as_it_should(campaigns: Campaigns, path: paths.Path, state: State, reason: str) -> None:
    campaign = await path(campaigns)
    assert (await campaign.end()).state is state
    assert campaign.first(EventType.RECOVERY_CLOSED).data["reason"] == reason


async def test_a_card_given_when_all_retries_are_used_is_charged_at_once(campaigns: Campaigns) -> None:
    campaign = await paths.late_method(campaigns)
    await campaign.end()
    given, asked = campaign.first(EventType.METHOD_UPDATED), campaign.every(EventType.CHARGE_REQUESTED)[-1]
    assert asked.data["method_id"] == "pm_2"
    assert (asked.occurred_at - given.occurred_at).total_seconds() < 10


async def test_a_payment_when_all_retries_are_used_counts(campaigns: Campaigns) -> None:
    campaign = await campaigns(script=[declined("insufficient_funds")] * 4)
    await campaign.begin()
    now = await campaign.after(16 * DAY)
    await campaign.say(an_event(EventKind.INVOICE_PAID, occurred_at=now))
    assert (await campaign.end()).state is State.RECOVERED


async def test_the_window_is_the_end_of_waiting(campaigns: Campaigns) -> None:
    campaign = await campaigns(script=[declined("insufficient_funds")] * 4)
    begun = await campaign.begin()
    assert (await campaign.end()).state is State.EXHAUSTED
    closed = campaign.first(EventType.RECOVERY_CLOSED)
    assert closed.data["reason"] == "budget"
    assert abs(closed.occurred_at - begun - 21 * DAY) < HOUR


async def test_no_charge_is_made_beside_money_on_its_way(campaigns: Campaigns) -> None:
    campaign = await paths.money_on_its_way(campaigns)
    await campaign.end()
    assert campaign.gateway.orders == []
    looks = [row for row in campaign.every(EventType.RETRY_SKIPPED) if row.data["action"] == "stand_back"]
    assert 2 <= len(looks) <= 12, "looks come seldom after a while"


async def test_a_reason_to_look_decides_nothing_where_the_provider_refuses_to_be_read(campaigns: Campaigns) -> None:
    campaign = await campaigns()
    campaign.gateway.invoice = campaign.gateway.invoice.model_copy(update={"processing": True})
    await campaign.begin()
    now = await campaign.after(3 * DAY + HOUR)
    campaign.gateway.refuses = 1
    before = len(campaign.records)
    await campaign.say(an_event(EventKind.WAKE, occurred_at=now))
    await campaign.after(timedelta(minutes=1))
    assert [row.data.get("reason") for row in campaign.records[before:]] == ["provider_refused"]
    campaign.gateway.invoice = campaign.gateway.invoice.model_copy(update={"processing": False})
    assert (await campaign.end()).state is State.RECOVERED


async def test_what_the_provider_says_of_money_on_its_way_is_looked_into_at_once(campaigns: Campaigns) -> None:
    """A debit that failed is told of as a reason to look; by then looks come only twice a day."""
    campaign = await campaigns()
    campaign.gateway.invoice = campaign.gateway.invoice.model_copy(update={"processing": True})
    await campaign.begin()
    now = await campaign.after(3 * DAY + HOUR)
    looked = campaign.every(EventType.RETRY_SKIPPED)[-1].data["at"]
    campaign.gateway.invoice = campaign.gateway.invoice.model_copy(update={"processing": False})
    await campaign.say(an_event(EventKind.WAKE, occurred_at=now))
    assert (await campaign.end()).state is State.RECOVERED
    decided = campaign.every(EventType.FAILURE_CLASSIFIED)[-1].occurred_at
    assert decided - now < HOUR / 60
    assert stamp(decided) < looked


async def test_a_refused_key_shows_at_once_and_is_told_once(campaigns: Campaigns) -> None:
    campaign = await campaigns()
    campaign.gateway.refuses = 2
    await campaign.begin()
    with campaign.environment.auto_time_skipping_disabled():
        assert (await _until(campaign, EventType.RETRY_SKIPPED)).to_state is State.IN_REVIEW
    await campaign.after(3 * FIRST_LOOK)
    refused = [row for row in campaign.records if row.data.get("reason") == "provider_refused"]
    assert [bool(row.data.get("again")) for row in refused] == [False, True]
    assert (await campaign.end()).state is State.RECOVERED


async def test_an_unfit_method_does_not_move_the_schedule(campaigns: Campaigns) -> None:
    campaign = await paths.unfit_method(campaigns)
    await campaign.end()
    planned = campaign.every(EventType.RETRY_PLANNED)
    assert len(planned) == 1
    assert [order.method_id for order in campaign.gateway.orders] == ["pm_2", None]


async def test_a_lost_event_changes_nothing(campaigns: Campaigns) -> None:
    campaign = await campaigns()
    await campaign.begin()
    campaign.gateway.becomes(InvoiceStatus.VOID)
    assert (await campaign.end()).state is State.CANCELED
    assert campaign.gateway.orders == []


async def _until(campaign: Campaign, kind: EventType) -> Record:
    for _ in range(100):
        if found := campaign.every(kind):
            return found[0]
        await campaign.environment.sleep(0.1)
    raise AssertionError(f"no {kind} in {campaign.story}")


async def test_when_the_provider_says_something_the_look_is_at_once(campaigns: Campaigns) -> None:
    """A payment that was on its way failed: it is decided on now, and not when the next look was due."""
    campaign = await campaigns()
    await campaign.begin()
    await campaign.after(HOUR)
    campaign.gateway.invoice = campaign.gateway.invoice.model_copy(update={"processing": True})
    await campaign.after(2 * DAY)
    campaign.gateway.invoice = campaign.gateway.invoice.model_copy(update={"processing": False})
    with campaign.environment.auto_time_skipping_disabled():
        now = await campaign.environment.get_current_time()
        await campaign.say(an_event(EventKind.WAKE, event_id="evt_failed", occurred_at=now))
        for _ in range(100):
            if len(campaign.every(EventType.RETRY_PLANNED)) == 2:
                break
            await campaign.environment.sleep(0.1)
    assert len(campaign.every(EventType.RETRY_PLANNED)) == 2
    assert (await campaign.end()).state is State.RECOVERED


async def test_while_money_is_on_its_way_the_customer_hears_nothing(campaigns: Campaigns) -> None:
    """The first letter is out when the customer's payment begins: no second one, however long it takes."""
    post = Postbox()
    campaign = await campaigns("expired_card", post=post)
    await begins(campaign)
    await campaign.after(DAY)
    assert post.kinds == ["card_data"]
    campaign.gateway.invoice = campaign.gateway.invoice.model_copy(update={"processing": True})
    await campaign.after(12 * DAY)
    assert post.kinds == ["card_data"]
    campaign.gateway.becomes(InvoiceStatus.PAID)
    assert (await campaign.end()).state is State.RECOVERED


async def test_a_provider_that_is_away_is_asked_again_before_it_is_given_up(campaigns: Campaigns) -> None:
    campaign = await campaigns("lost_card")
    await campaign.begin()
    await campaign.after(20 * DAY)
    campaign.gateway.becomes(InvoiceStatus.PAID)
    campaign.gateway.away = 30
    assert (await campaign.end()).state is State.RECOVERED
    assert campaign.gateway.away == 0


async def test_who_asks_for_a_charge_hears_that_the_key_is_refused(campaigns: Campaigns) -> None:
    campaign = await campaigns()
    await campaign.begin()
    await campaign.after(HOUR)
    campaign.gateway.refuses = 1
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await campaign.ask("retry_now", Command(action=Action.RETRY, actor="ann"))
    assert "revoked" in str(refused.value.cause)
    assert campaign.gateway.orders == []
    assert (await campaign.end()).state is State.RECOVERED
