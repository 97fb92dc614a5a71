"""What operators can do to a running recovery, by update, by signal, and by Temporal's own cancel."""

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.approvals import Approvals
from core.approvals import OperatorRules
from core.contracts import Action, Command, RecoveryStatus
from core.events import Event, EventType, State
from core.payments import EventKind
from core.retry.machine import fold
from core.retry.recovery import Recovery
from tests.support.builders import DAY, HOUR, an_event, said
from tests.support.gateway import UNKNOWN, declined
from tests.workflows.conftest import Campaign, Campaigns

ANN = {"actor": "ann", "reason": "customer called"}


def wish(action: Action, **more: Any) -> Command:
    """A command of Ann's."""
    return Command(action=action, **ANN, **more)


async def refused(campaign: Campaign, update: str, command: Command) -> str:
    """The code with which an update is refused."""
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await campaign.ask(update, command)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "Refused"
    return str(cause.details[0])


async def test_retry_now_charges_at_once_and_leaves_the_budget_alone(campaigns: Campaigns) -> None:
    campaign = await campaigns(script=[declined("insufficient_funds")])
    await campaign.begin()
    await campaign.after(HOUR)
    status = await campaign.ask("retry_now", wish(Action.RETRY))
    assert (status.attempt, status.attempts_used, status.state) == (1, 0, State.WAITING)
    planned = campaign.every(EventType.RETRY_PLANNED)
    assert planned[0].data["at"] == planned[1].data["at"], "a manual try does not move the schedule"
    assert campaign.first(EventType.CHARGE_REQUESTED).data["trigger"] == "manual"
    assert (await campaign.end()).state is State.RECOVERED


async def test_cancel_ends_it(campaigns: Campaigns) -> None:
    campaign = await campaigns()
    await campaign.begin()
    assert (await campaign.ask("cancel", wish(Action.CANCEL))).state is State.CANCELED
    await campaign.end()
    assert said(campaign.first(EventType.CANCEL_REQUESTED)) == ANN
    assert campaign.gateway.orders == []


async def test_a_pause_outlasts_the_due_time_and_resume_charges(campaigns: Campaigns) -> None:
    campaign = await campaigns()
    await campaign.begin()
    assert (await campaign.ask("pause", wish(Action.PAUSE))).state is State.PAUSED
    await campaign.after(2 * DAY)
    assert campaign.gateway.orders == []
    assert await refused(campaign, "retry_now", wish(Action.RETRY)) == "paused"
    await campaign.ask("resume", wish(Action.RESUME))
    assert (await campaign.end()).state is State.RECOVERED


async def test_a_paused_recovery_still_hears_that_the_invoice_was_paid(campaigns: Campaigns) -> None:
    campaign = await campaigns()
    await campaign.begin()
    await campaign.ask("pause", wish(Action.PAUSE))
    now = await campaign.after(HOUR)
    await campaign.say(an_event(EventKind.INVOICE_PAID, occurred_at=now))
    assert (await campaign.end()).state is State.RECOVERED


@pytest.mark.parametrize(
    ("code", "expected"),
    [("lost_card", "hard_decline"), ("expired_card", "hard_decline"), ("fraudulent", "fraud_hold")],
)
async def test_retry_now_is_refused_with_the_reason(campaigns: Campaigns, code: str, expected: str) -> None:
    campaign = await campaigns(code)
    await campaign.begin()
    await campaign.after(HOUR)
    assert await refused(campaign, "retry_now", wish(Action.RETRY)) == expected
    assert "operator.retry_requested" not in campaign.story
    await campaign.ask("cancel", wish(Action.CANCEL))
    await campaign.end()


async def test_a_charge_whose_result_is_unknown_is_in_flight_for_everybody(campaigns: Campaigns) -> None:
    campaign = await campaigns(script=[UNKNOWN])
    campaign.gateway.settlements = [UNKNOWN] * 4
    campaign.gateway.idempotency = None
    await campaign.begin()
    with campaign.environment.auto_time_skipping_disabled():
        await campaign.environment.sleep(4 * HOUR)
        assert await refused(campaign, "retry_now", wish(Action.RETRY)) == "in_flight"
        status = await campaign.ask("cancel", wish(Action.CANCEL))
    assert status.state is State.CHARGING, "a cancel waits for the definite answer"
    campaign.gateway.settlements = [declined("insufficient_funds")]
    assert (await campaign.end()).state is State.CANCELED


@pytest.mark.parametrize("decision", ["approve", "reject"])
async def test_a_review_decides_about_fraud(campaigns: Campaigns, decision: str) -> None:
    campaign = await campaigns("fraudulent")
    await campaign.begin()
    now = await campaign.after(HOUR)
    status = await campaign.ask("review", wish(Action.REVIEW, decision=decision))
    assert status.state is (State.AWAITING_CUSTOMER if decision == "approve" else State.BLOCKED)
    if decision == "approve":
        await campaign.say(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_2"))
    assert (await campaign.end()).state is (State.RECOVERED if decision == "approve" else State.BLOCKED)


@pytest.mark.parametrize(
    ("given", "actor", "reason"),
    [
        ((), "temporal", ""),
        (("because",), "temporal", "because"),
        ((7,), "temporal", "7"),
        (([1, 2],), "temporal", "[1, 2]"),
        (({"actor": "bo", "reason": "asked", "x": 1},), "bo", "asked"),
    ],
)
async def test_signals_take_anything_or_nothing(
    campaigns: Campaigns, given: tuple[Any, ...], actor: str, reason: str
) -> None:
    campaign = await campaigns()
    await campaign.begin()
    await campaign.after(HOUR)
    await campaign.run.signal("cancel", *given)
    assert (await campaign.end()).state is State.CANCELED
    assert said(campaign.first(EventType.CANCEL_REQUESTED)) == {"actor": actor, "reason": reason}


@pytest.mark.parametrize("way", ["update", "signal"])
async def test_a_wish_of_two_people_is_in_the_log_with_both(campaigns: Campaigns, way: str) -> None:
    campaign = await campaigns()
    await campaign.begin()
    both = wish(Action.CANCEL, asked_by="bob", asked_reason="she called")
    if way == "update":
        await campaign.ask("cancel", both)
    else:
        await campaign.run.signal("cancel", both)
    await campaign.end()
    told = campaign.first(EventType.CANCEL_REQUESTED).data.stored
    assert told.items() >= (ANN | {"asked_by": "bob", "asked_reason": "she called"}).items()


async def test_a_signal_that_cannot_be_followed_is_in_the_log_without_effect(campaigns: Campaigns) -> None:
    campaign = await campaigns("lost_card")
    await campaign.begin()
    await campaign.after(HOUR)
    await campaign.run.signal("retry_now")
    await campaign.after(HOUR)
    assert campaign.first(EventType.RETRY_REQUESTED).data["refused"] == "hard_decline"
    assert campaign.gateway.orders == []
    await campaign.run.signal("cancel")
    assert (await campaign.end()).state is State.CANCELED


async def test_temporals_own_cancel_means_cancel(campaigns: Campaigns) -> None:
    campaign = await campaigns()
    await campaign.begin()
    await campaign.after(HOUR)
    await campaign.run.cancel()
    assert (await campaign.end()).state is State.CANCELED
    assert said(campaign.first(EventType.CANCEL_REQUESTED)) == {"actor": "temporal", "reason": "cancel request"}


async def test_the_same_wish_sent_twice_has_one_effect(campaigns: Campaigns) -> None:
    campaign = await campaigns(script=[declined("insufficient_funds")])
    await campaign.begin()
    await campaign.after(HOUR)
    once = wish(Action.RETRY, request_id="req_1")
    await campaign.ask("retry_now", once)
    await campaign.run.signal("retry_now", once)
    status = await campaign.run.query("status", result_type=RecoveryStatus)
    assert status.attempt == 1
    assert campaign.story.count("operator.retry_requested") == 1
    await campaign.end()


async def test_fifty_impatient_operators_make_one_charge(campaigns: Campaigns) -> None:
    campaign = await campaigns()
    await campaign.begin()
    await campaign.after(HOUR)
    calls = (campaign.ask("retry_now", wish(Action.RETRY)) for _ in range(50))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert any(isinstance(answer, RecoveryStatus) for answer in answers)
    assert (await campaign.end()).state is State.RECOVERED
    assert campaign.gateway.charged == 1
    assert campaign.story.count("charge.succeeded") == 1


async def test_a_cancel_is_not_lost_where_the_log_is_ahead_of_the_workflow(campaigns: Campaigns) -> None:
    """As after a charge whose activity timed out behind its committed row."""
    campaign = await campaigns()
    campaign.gateway.settlements = [declined("insufficient_funds")]
    await campaign.begin()
    now = await campaign.after(HOUR)
    ahead = fold(Recovery(provider="stripe", invoice_id=campaign.invoice_id), campaign.records)
    order = {"idempotency_key": "key", "trigger": "scheduled", "amount": 4900, "currency": "EUR"}
    requested = Event(type=EventType.CHARGE_REQUESTED, occurred_at=now, attempt=1, data=order)
    await campaign.log.append(ahead, (requested,), now)

    await campaign.run.signal("cancel", ANN)

    assert (await campaign.end()).state is State.CANCELED
    assert campaign.story[-4:] == [
        "charge.requested",
        "operator.cancel_requested",
        "charge.reconciled",
        "recovery.closed",
    ]
    assert campaign.gateway.charged == 0


async def granted_to_two(_: str, __: Action, ___: str | None, request_id: str | None) -> bool:
    """One request only."""
    return request_id == "req_of_two"


TWO_PEOPLE = Approvals(lambda: OperatorRules(second_approver_above={"EUR": 4899}), granted_to_two)


async def test_above_the_amount_a_signal_charges_nothing_and_is_in_the_log(campaigns: Campaigns) -> None:
    campaign = await campaigns(approvals=TWO_PEOPLE)
    await campaign.begin()
    await campaign.after(HOUR)
    await campaign.run.signal("retry_now", ANN | {"asked_by": "bob"})
    await campaign.run.signal("retry_now")
    await campaign.after(HOUR)
    assert [record.data["refused"] for record in campaign.every(EventType.RETRY_REQUESTED)] == ["second_approver"] * 2
    assert campaign.gateway.orders == []
    assert (await campaign.end()).state is State.RECOVERED, "the schedule goes on"


async def test_above_the_amount_an_update_takes_two(campaigns: Campaigns) -> None:
    campaign = await campaigns(approvals=TWO_PEOPLE)
    await campaign.begin()
    await campaign.after(HOUR)
    assert await refused(campaign, "retry_now", wish(Action.RETRY, request_id="req_of_one")) == "second_approver"
    assert "operator.retry_requested" not in campaign.story
    both = wish(Action.RETRY, request_id="req_of_two", asked_by="bob", asked_reason="she called")
    assert (await campaign.ask("retry_now", both)).attempt == 1
    assert (await campaign.end()).state is State.RECOVERED


@pytest.mark.parametrize("way", ["signal", "update"])
async def test_above_the_amount_an_approval_takes_two(campaigns: Campaigns, way: str) -> None:
    campaign = await campaigns("fraudulent", approvals=TWO_PEOPLE)
    await campaign.begin()
    await campaign.after(HOUR)
    alone = wish(Action.REVIEW, decision="approve", request_id="req_of_one")
    if way == "signal":
        await campaign.run.signal("review", alone)
        await campaign.after(HOUR)
        assert campaign.first(EventType.REVIEWED).data["refused"] == "second_approver"
    else:
        assert await refused(campaign, "review", alone) == "second_approver"
    assert (await campaign.run.query("status", result_type=RecoveryStatus)).state is State.IN_REVIEW
    await campaign.ask("review", wish(Action.REVIEW, decision="reject"))
    assert (await campaign.end()).state is State.BLOCKED
