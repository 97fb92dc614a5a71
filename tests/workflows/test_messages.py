"""Messages to customers in whole recoveries over weeks, on the time-skipping server."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.contracts import RecoveryStatus
from core.errors import NotDelivered
from core.events import EventType, Record, State, parse_timestamp
from core.operators import Action, Command
from core.payments import EventKind, InvoiceStatus, Risk
from tests.support.builders import DAY, HOUR, an_event
from tests.support.gateway import decline_result
from tests.support.mailbox import MemoryChannel
from tests.workflows.conftest import RecoveryRun, RecoveryRuns

MESSAGE_TYPES = (EventType.NOTIFICATION_SENT, EventType.NOTIFICATION_FAILED)
NEVER_FUNDS = [decline_result("insufficient_funds")] * 9


async def begin_at_ten(recovery_run: RecoveryRun) -> datetime:
    """Sends the failure at ten in the morning (UTC), far from quiet hours. Returns its time."""
    now = await recovery_run.environment.get_current_time()
    ten = now.replace(hour=10, minute=0, second=0, microsecond=0)
    await recovery_run.advance_clock(ten - now if now < ten else ten + DAY - now)
    return await recovery_run.begin_with_failure()


def message_records(recovery_run: RecoveryRun) -> list[Record]:
    return [row for row in recovery_run.records if row.type in MESSAGE_TYPES]


def hours_to_messages(recovery_run: RecoveryRun) -> list[int]:
    """The whole hours from the failure to each message."""
    failed_at = recovery_run.first_record(EventType.PAYMENT_FAILED).occurred_at
    return [round((row.occurred_at - failed_at) / HOUR) for row in message_records(recovery_run)]


async def test_unpaid_customer_gets_messages_at_the_start_before_the_last_retry_and_at_the_end(
    recovery_runs: RecoveryRuns,
) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs(script=NEVER_FUNDS, post=post, time_zone="UTC")
    await begin_at_ten(recovery_run)
    status = await recovery_run.wait_for_end()

    assert status.state is State.EXHAUSTED
    assert post.message_kinds == ["payment_failed", "payment_failed", "last_warning", "ended"]
    assert len(recovery_run.gateway.orders) == 4
    last_try = recovery_run.all_records_of(EventType.CHARGE_REQUESTED)[-1].occurred_at
    warning = message_records(recovery_run)[2].occurred_at
    assert timedelta(hours=12) <= last_try - warning <= timedelta(hours=36)
    assert all("card" not in message.text.lower().replace("card numbers", "") for message in post.messages)
    assert [row.data["outcome"] for row in message_records(recovery_run)] == ["sent"] * 4
    assert recovery_run.records[-2].type is EventType.RECOVERY_CLOSED


async def test_informed_customer_gets_a_recovery_message(recovery_runs: RecoveryRuns) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs(post=post)
    await begin_at_ten(recovery_run)
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert post.message_kinds == ["payment_failed", "recovered"]


async def test_uninformed_customer_gets_no_recovery_message(recovery_runs: RecoveryRuns) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs("generic_decline", post=post)
    await begin_at_ten(recovery_run)
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert post.message_kinds == []
    assert recovery_run.records[-1].type is EventType.RECOVERY_CLOSED


@pytest.mark.parametrize(
    ("code", "kind"),
    [("expired_card", "card_data"), ("authentication_required", "authentication"), ("lost_card", "no_method")],
)
async def test_customer_action_is_requested_until_the_deadline(
    recovery_runs: RecoveryRuns, code: str, kind: str
) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs(code, post=post)
    await begin_at_ten(recovery_run)
    assert (await recovery_run.wait_for_end()).state is State.EXHAUSTED
    assert post.message_kinds == [kind, kind, kind, "last_warning", "ended"]
    assert recovery_run.gateway.orders == []


async def test_no_message_after_the_recovery_has_ended(recovery_runs: RecoveryRuns) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs("expired_card", post=post)
    now = await begin_at_ten(recovery_run)
    await recovery_run.advance_clock(DAY)
    await recovery_run.send_event(an_event(EventKind.INVOICE_VOIDED, occurred_at=now))
    assert (await recovery_run.wait_for_end()).state is State.CANCELED
    await recovery_run.advance_clock(30 * DAY)
    assert post.message_kinds == ["card_data"]


async def test_an_invoice_that_was_paid_unnoticed_ends_the_recovery_instead_of_a_message(
    recovery_runs: RecoveryRuns,
) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs("expired_card", post=post)
    await begin_at_ten(recovery_run)
    await recovery_run.advance_clock(DAY)
    recovery_run.gateway.set_status(InvoiceStatus.PAID)
    status = await recovery_run.wait_for_end()
    assert (status.state, recovery_run.first_record(EventType.RECOVERY_CLOSED).data["reason"]) == (
        State.RECOVERED,
        "paid_elsewhere",
    )
    assert post.message_kinds == ["card_data", "recovered"]


async def test_message_names_the_amount_open_now(recovery_runs: RecoveryRuns) -> None:
    """Half of it was credited after the first message, and no event reported it."""
    post = MemoryChannel()
    recovery_run = await recovery_runs("expired_card", post=post)
    await begin_at_ten(recovery_run)
    await recovery_run.advance_clock(HOUR)
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"amount_due": 1200})
    await recovery_run.wait_for_end()
    assert "49.00" in post.messages[0].text
    assert all("12.00" in message.text and "49.00" not in message.text for message in post.messages[1:])
    assert len(post.messages) == 5


async def test_deleted_customer_gets_no_further_messages(recovery_runs: RecoveryRuns) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs("expired_card", post=post)
    await begin_at_ten(recovery_run)
    await recovery_run.advance_clock(HOUR)
    terms = recovery_run.gateway.invoice.terms.model_copy(update={"customer_deleted": True})
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"terms": terms})
    status = await recovery_run.wait_for_end()
    assert (status.state, recovery_run.first_record(EventType.RECOVERY_CLOSED).data["reason"]) == (
        State.CANCELED,
        "customer_deleted",
    )
    await recovery_run.advance_clock(30 * DAY)
    assert post.message_kinds == ["card_data"]


async def test_deleted_customer_gets_no_recovery_message(recovery_runs: RecoveryRuns) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs("expired_card", post=post)
    now = await begin_at_ten(recovery_run)
    await recovery_run.advance_clock(HOUR)
    terms = recovery_run.gateway.invoice.terms.model_copy(update={"customer_deleted": True})
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"terms": terms})
    await recovery_run.send_event(an_event(EventKind.INVOICE_PAID, occurred_at=now))
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert post.message_kinds == ["card_data"]
    assert message_records(recovery_run)[-1].data["reason"] == "customer_deleted"


async def test_quiet_hours_follow_the_customers_time_zone(recovery_runs: RecoveryRuns) -> None:
    """Nothing is sent between 21 and 8 in Auckland, whatever zone the test server has."""
    post = MemoryChannel()
    recovery_run = await recovery_runs("expired_card", post=post, time_zone="Pacific/Auckland")
    await begin_at_ten(recovery_run)
    await recovery_run.wait_for_end()
    local = [row.occurred_at.astimezone(ZoneInfo("Pacific/Auckland")).hour for row in message_records(recovery_run)]
    assert len(local) == 5
    assert all(8 <= hour < 21 for hour in local), local


async def test_a_pause_silences_messages_too(recovery_runs: RecoveryRuns) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs("expired_card", post=post)
    await begin_at_ten(recovery_run)
    await recovery_run.advance_clock(DAY)
    await recovery_run.submit_update("pause", Command(action=Action.PAUSE, actor="ann", reason="they called"))
    await recovery_run.advance_clock(5 * DAY)
    assert post.message_kinds == ["card_data"]
    await recovery_run.submit_update("resume", Command(action=Action.RESUME, actor="ann"))
    await recovery_run.advance_clock(DAY)
    assert post.message_kinds == ["card_data", "card_data"]
    await recovery_run.submit_update("cancel", Command(action=Action.CANCEL, actor="ann"))
    await recovery_run.wait_for_end()


async def test_no_messages_during_a_review(recovery_runs: RecoveryRuns) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs("fraudulent", risk=Risk(level="highest"), post=post)
    await begin_at_ten(recovery_run)
    await recovery_run.advance_clock(3 * DAY)
    assert post.message_kinds == []
    await recovery_run.submit_update("review", Command(action=Action.REVIEW, actor="ann", decision="approve"))
    await recovery_run.advance_clock(DAY)
    assert post.message_kinds == ["no_method"]
    await recovery_run.submit_update("cancel", Command(action=Action.CANCEL, actor="ann"))
    await recovery_run.wait_for_end()


async def test_broken_channel_does_not_delay_a_charge(recovery_runs: RecoveryRuns) -> None:
    """The first message can't be sent for minutes; the charge comes at its planned time."""
    post = MemoryChannel(errors=[NotDelivered("smtp_421")] * 99)
    recovery_run = await recovery_runs("insufficient_funds", post=post)
    await begin_at_ten(recovery_run)
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    charged, planned = (
        recovery_run.first_record(EventType.CHARGE_REQUESTED),
        recovery_run.first_record(EventType.RETRY_PLANNED),
    )
    assert abs(charged.occurred_at.timestamp() - _planned_hour(planned)) < 60
    (failed,) = message_records(recovery_run)
    assert (failed.type, failed.data["outcome"], failed.data["reason"]) == (
        EventType.NOTIFICATION_FAILED,
        "failed",
        "smtp_421",
    )
    assert post.send_count == 4


def _planned_hour(planned: Record) -> float:
    at = parse_timestamp(planned.data["at"])
    assert at
    return at.timestamp()


async def test_hanging_channel_does_not_delay_a_charge(recovery_runs: RecoveryRuns) -> None:
    post = MemoryChannel(hangs=True)
    recovery_run = await recovery_runs("insufficient_funds", post=post)
    await begin_at_ten(recovery_run)
    while not post.send_count:
        await recovery_run.environment.sleep(1)
    status = await recovery_run.submit_update(
        "retry_now", Command(action=Action.RETRY, actor="ann", reason="they called")
    )
    assert recovery_run.gateway.success_count == 1
    assert status.attempt == 1
    post.hangs = False
    post.released.set()
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert post.message_kinds[0] == "payment_failed"


async def test_worker_crash_after_sending_never_sends_twice(recovery_runs: RecoveryRuns) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs(post=post)
    recovery_run.outbox.crash_on_conclude = True
    await begin_at_ten(recovery_run)
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert post.message_kinds == ["payment_failed", "recovered"]
    first, second = message_records(recovery_run)
    assert (first.type, first.data["outcome"]) == (EventType.NOTIFICATION_FAILED, "maybe_sent")
    assert (second.type, second.data["outcome"]) == (EventType.NOTIFICATION_SENT, "sent")


async def test_an_unknown_error_of_a_channel_counts_as_maybe_sent(recovery_runs: RecoveryRuns) -> None:
    post = MemoryChannel(errors=[ConnectionResetError("after the last byte")])
    recovery_run = await recovery_runs(post=post)
    await begin_at_ten(recovery_run)
    await recovery_run.wait_for_end()
    assert message_records(recovery_run)[0].data["outcome"] == "maybe_sent"
    assert post.send_count == 2


async def test_history_and_log_hold_no_personal_data(recovery_runs: RecoveryRuns) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs(post=post)
    await begin_at_ten(recovery_run)
    await recovery_run.wait_for_end()
    assert post.messages[0].to.email == "jenny@example.com"
    text = (await recovery_run.running_handle.fetch_history()).to_json() + "".join(
        row.model_dump_json() for row in recovery_run.records
    )
    assert "example.com" not in text
    assert "Jenny" not in text


async def test_rows_and_steps_without_channels_are_unchanged(recovery_runs: RecoveryRuns) -> None:
    recovery_run = await recovery_runs()
    await begin_at_ten(recovery_run)
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    assert message_records(recovery_run) == []
    assert all("messages" not in row.data for row in recovery_run.records)


async def test_status_names_what_the_recovery_waits_for(recovery_runs: RecoveryRuns) -> None:
    post = MemoryChannel()
    recovery_run = await recovery_runs("expired_card", post=post)
    await begin_at_ten(recovery_run)
    await recovery_run.advance_clock(DAY)
    status = await recovery_run.running_handle.query("status", result_type=RecoveryStatus)
    assert status.doing.startswith("next message to the customer, until")
    await recovery_run.submit_update("cancel", Command(action=Action.CANCEL, actor="ann"))
    await recovery_run.wait_for_end()
