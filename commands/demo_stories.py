"""The stories that `pri demo` plays, and how each must end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from commands.demo_stage import Stage, Unexpected
from core.events import EventType, State, Trigger
from sandbox.models import Created, Delivery

COPIES: Final = 20
Play = Callable[[Stage], Awaitable[Created]]


@dataclass(frozen=True)
class Story:
    """One recovery from the failure to its end; the demo checks every field of it."""

    name: str
    plot: str
    play: Play
    ending: State
    shows: tuple[EventType, ...]
    """Rows that its log must hold, in this order."""
    triggers: tuple[Trigger, ...] = ()
    """Why each of our charges was made."""
    charged: int = 1
    """Successful charges in the provider's books."""
    copies: int = 1
    """How often the first webhook is sent."""
    first_wait_hours: int | None = None


async def _soft_decline(stage: Stage) -> Created:
    return await _ended(stage, await stage.fail("generic_decline"))


async def _no_funds(stage: Stage) -> Created:
    return await _ended(stage, await stage.fail("insufficient_funds", "decline:insufficient_funds", "succeed"))


async def _hard_decline(stage: Stage) -> Created:
    made = await stage.fail("expired_card")
    await stage.planned(made.invoice)
    await stage.pass_time(hours=6)
    await stage.new_card(made.customer)
    return await _ended(stage, made)


async def _retry_now(stage: Stage) -> Created:
    made = await stage.fail("card_velocity_exceeded")
    await stage.planned(made.invoice)
    await stage.ask(made.invoice, "retry", "the customer called: the limit is raised")
    return await _ended(stage, made)


async def _cancel(stage: Stage) -> Created:
    made = await stage.fail("card_velocity_exceeded")
    await stage.planned(made.invoice)
    await stage.ask(made.invoice, "cancel", "the order was taken back")
    return await _ended(stage, made)


async def _duplicates(stage: Stage) -> Created:
    made = await stage.fail("insufficient_funds", delivery=Delivery(copies=COPIES, concurrency=8, wait=True))
    answers = [one.body["status"] for one in made.deliveries]
    if sorted(answers) != ["accepted"] + ["duplicate"] * (COPIES - 1):
        raise Unexpected(f"{COPIES} copies of one webhook were answered {answers}")
    return await _ended(stage, made)


async def _dropped(stage: Stage) -> Created:
    return await _ended(stage, await stage.fail("try_again_later", "succeed_then_drop"))


async def _hosted(stage: Stage) -> Created:
    made = await stage.fail("card_velocity_exceeded")
    await stage.planned(made.invoice)
    await stage.pay_hosted(made.invoice)
    return await _ended(stage, made)


async def _stopped(stage: Stage) -> Created:
    return await _ended(stage, await stage.fail("revocation_of_authorization"))


async def _ended(stage: Stage, made: Created) -> Created:
    await stage.ended(made.invoice)
    return made


DECIDED: Final = (
    EventType.PAYMENT_FAILED,
    EventType.FAILURE_CLASSIFIED,
    EventType.CUSTOMER_SEGMENTED,
    EventType.FRAUD_ASSESSED,
)
PLANNED: Final = (*DECIDED, EventType.RETRY_PLANNED)
REQUESTED: Final = EventType.CHARGE_REQUESTED
PAID: Final = (REQUESTED, EventType.CHARGE_SUCCEEDED, EventType.RECOVERY_CLOSED)

STORIES: Final = (
    Story(
        "soft decline", "A soft decline is retried after three hours, and the card pays.",
        _soft_decline, State.RECOVERED, (*PLANNED, *PAID), (Trigger.SCHEDULED,), first_wait_hours=3,
    ),
    Story(
        "insufficient funds", "No money in the account, nor three hours later; a day after that there is.",
        _no_funds, State.RECOVERED, (*PLANNED, REQUESTED, EventType.CHARGE_DECLINED, EventType.RETRY_PLANNED, *PAID),
        (Trigger.SCHEDULED, Trigger.SCHEDULED), first_wait_hours=3,
    ),
    Story(
        "hard decline", "An expired card is never charged again; the customer's new one is, at once.",
        _hard_decline, State.RECOVERED, (*DECIDED, EventType.METHOD_UPDATED, *PAID), (Trigger.METHOD_CHANGE,),
    ),
    Story(
        "operator: retry now", "An operator doesn't wait for tomorrow's retry: POST .../retry.",
        _retry_now, State.RECOVERED, (*PLANNED, EventType.RETRY_REQUESTED, *PAID), (Trigger.MANUAL,),
        first_wait_hours=24,
    ),
    Story(
        "operator: cancel", "An operator ends a recovery before its retry: POST .../cancel.",
        _cancel, State.CANCELED, (*PLANNED, EventType.CANCEL_REQUESTED, EventType.RECOVERY_CLOSED), charged=0,
        first_wait_hours=24,
    ),
    Story(
        "duplicate webhooks", f"The same webhook comes {COPIES} times, eight at once: one recovery, one charge.",
        _duplicates, State.RECOVERED, (*PLANNED, *PAID), (Trigger.SCHEDULED,), copies=COPIES, first_wait_hours=3,
    ),
    Story(
        "lost connection", "The provider charges and the connection breaks: asked what happened, charged once.",
        _dropped, State.RECOVERED, (*PLANNED, REQUESTED, EventType.CHARGE_RECONCILED, EventType.RECOVERY_CLOSED),
        (Trigger.SCHEDULED,), first_wait_hours=3,
    ),
    Story(
        "paid on hosted page", "The customer pays by themselves while we wait: we charge nothing.",
        _hosted, State.RECOVERED, (*PLANNED, EventType.PAID_ELSEWHERE, EventType.RECOVERY_CLOSED),
        first_wait_hours=24,
    ),
    Story(
        "stop instruction", "The cardholder revoked the authorization: never charged again.",
        _stopped, State.BLOCKED, (*DECIDED, EventType.RETRY_SKIPPED, EventType.RECOVERY_CLOSED), charged=0,
    ),
)  # fmt: skip
