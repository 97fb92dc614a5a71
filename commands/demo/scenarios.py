"""The scenarios that `pri demo` plays, with their expected results."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from commands.demo.driver import ScenarioDriver, UnexpectedOutcome
from core.events import EventType, State, Trigger
from sandbox.models import Delivery
from sandbox.stripe.models import FailedInvoiceIds

WEBHOOK_COPIES: Final = 20
PlayScenario = Callable[[ScenarioDriver], Awaitable[FailedInvoiceIds]]


@dataclass(frozen=True)
class Scenario:
    """One recovery from the failure to its end; the demo checks its expected results."""

    name: str
    description: str
    play: PlayScenario
    ending: State
    expected_rows: tuple[EventType, ...]
    """Rows that the log must hold, in this order, among others."""
    triggers: tuple[Trigger, ...] = ()
    """The trigger of each of our charges."""
    expected_charges: int = 1
    """Number of successful charges at the provider."""
    copies: int = 1
    """How many times the first webhook is sent."""
    first_wait_hours: int | None = None


async def _play_soft_decline(stage: ScenarioDriver) -> FailedInvoiceIds:
    return await _wait_for_end(stage, await stage.fail_payment("generic_decline"))


async def _play_insufficient_funds(stage: ScenarioDriver) -> FailedInvoiceIds:
    return await _wait_for_end(
        stage, await stage.fail_payment("insufficient_funds", "decline:insufficient_funds", "succeed")
    )


async def _play_hard_decline(stage: ScenarioDriver) -> FailedInvoiceIds:
    made = await stage.fail_payment("expired_card")
    await stage.wait_for_plan(made.invoice)
    await stage.pass_time(hours=6)
    await stage.add_card(made.customer)
    return await _wait_for_end(stage, made)


async def _play_operator_retry(stage: ScenarioDriver) -> FailedInvoiceIds:
    made = await stage.fail_payment("card_velocity_exceeded")
    await stage.wait_for_plan(made.invoice)
    await stage.send_operator_command(made.invoice, "retry", "the customer called: the limit is raised")
    return await _wait_for_end(stage, made)


async def _play_operator_cancel(stage: ScenarioDriver) -> FailedInvoiceIds:
    made = await stage.fail_payment("card_velocity_exceeded")
    await stage.wait_for_plan(made.invoice)
    await stage.send_operator_command(made.invoice, "cancel", "the order was taken back")
    return await _wait_for_end(stage, made)


async def _play_duplicate_webhooks(stage: ScenarioDriver) -> FailedInvoiceIds:
    made = await stage.fail_payment(
        "insufficient_funds", delivery=Delivery(copies=WEBHOOK_COPIES, concurrency=8, wait=True)
    )
    answers = [one.body["status"] for one in made.deliveries]
    if sorted(answers) != ["accepted"] + ["duplicate"] * (WEBHOOK_COPIES - 1):
        raise UnexpectedOutcome(f"{WEBHOOK_COPIES} copies of one webhook were answered {answers}")
    return await _wait_for_end(stage, made)


async def _play_lost_connection(stage: ScenarioDriver) -> FailedInvoiceIds:
    return await _wait_for_end(stage, await stage.fail_payment("try_again_later", "succeed_then_drop"))


async def _play_hosted_payment(stage: ScenarioDriver) -> FailedInvoiceIds:
    made = await stage.fail_payment("card_velocity_exceeded")
    await stage.wait_for_plan(made.invoice)
    await stage.pay_hosted(made.invoice)
    return await _wait_for_end(stage, made)


async def _play_stop_instruction(stage: ScenarioDriver) -> FailedInvoiceIds:
    return await _wait_for_end(stage, await stage.fail_payment("revocation_of_authorization"))


async def _wait_for_end(stage: ScenarioDriver, made: FailedInvoiceIds) -> FailedInvoiceIds:
    await stage.wait_for_end(made.invoice)
    return made


DECISION_ROWS: Final = (
    EventType.PAYMENT_FAILED,
    EventType.FAILURE_CLASSIFIED,
    EventType.CUSTOMER_SEGMENTED,
    EventType.FRAUD_ASSESSED,
)
PLAN_ROWS: Final = (*DECISION_ROWS, EventType.RETRY_PLANNED)
REQUEST_ROW: Final = EventType.CHARGE_REQUESTED
PAID_ROWS: Final = (REQUEST_ROW, EventType.CHARGE_SUCCEEDED, EventType.RECOVERY_CLOSED)

SCENARIOS: Final = (
    Scenario(
        "soft decline",
        "A soft decline is retried after three hours, and the card pays.",
        _play_soft_decline,
        State.RECOVERED,
        (*PLAN_ROWS, *PAID_ROWS),
        (Trigger.SCHEDULED,),
        first_wait_hours=3,
    ),
    Scenario(
        "insufficient funds",
        "No money in the account, nor three hours later; a day after that there is.",
        _play_insufficient_funds,
        State.RECOVERED,
        (*PLAN_ROWS, REQUEST_ROW, EventType.CHARGE_DECLINED, EventType.RETRY_PLANNED, *PAID_ROWS),
        (Trigger.SCHEDULED, Trigger.SCHEDULED),
        first_wait_hours=3,
    ),
    Scenario(
        "hard decline",
        "An expired card is never charged again; the customer's new one is, at once.",
        _play_hard_decline,
        State.RECOVERED,
        (*DECISION_ROWS, EventType.METHOD_UPDATED, *PAID_ROWS),
        (Trigger.METHOD_CHANGE,),
    ),
    Scenario(
        "operator: retry now",
        "An operator retries now instead of tomorrow: POST .../retry.",
        _play_operator_retry,
        State.RECOVERED,
        (*PLAN_ROWS, EventType.RETRY_REQUESTED, *PAID_ROWS),
        (Trigger.MANUAL,),
        first_wait_hours=24,
    ),
    Scenario(
        "operator: cancel",
        "An operator ends a recovery before its retry: POST .../cancel.",
        _play_operator_cancel,
        State.CANCELED,
        (*PLAN_ROWS, EventType.CANCEL_REQUESTED, EventType.RECOVERY_CLOSED),
        expected_charges=0,
        first_wait_hours=24,
    ),
    Scenario(
        "duplicate webhooks",
        f"The same webhook is sent {WEBHOOK_COPIES} times, eight at once: one recovery, one charge.",
        _play_duplicate_webhooks,
        State.RECOVERED,
        (*PLAN_ROWS, *PAID_ROWS),
        (Trigger.SCHEDULED,),
        copies=WEBHOOK_COPIES,
        first_wait_hours=3,
    ),
    Scenario(
        "lost connection",
        "The provider charges and the connection breaks: the charge is reconciled, and made once.",
        _play_lost_connection,
        State.RECOVERED,
        (*PLAN_ROWS, REQUEST_ROW, EventType.CHARGE_RECONCILED, EventType.RECOVERY_CLOSED),
        (Trigger.SCHEDULED,),
        first_wait_hours=3,
    ),
    Scenario(
        "paid on hosted page",
        "The customer pays on the provider's page before the retry: nothing is charged.",
        _play_hosted_payment,
        State.RECOVERED,
        (*PLAN_ROWS, EventType.PAID_ELSEWHERE, EventType.RECOVERY_CLOSED),
        first_wait_hours=24,
    ),
    Scenario(
        "stop instruction",
        "The cardholder revoked the authorization: never charged again.",
        _play_stop_instruction,
        State.BLOCKED,
        (*DECISION_ROWS, EventType.RETRY_SKIPPED, EventType.RECOVERY_CLOSED),
        expected_charges=0,
    ),
)
