"""Rows without a decision: the opening and recorded events, safe to repeat."""

import pytest

from activities.recording import Recording
from core.contracts import OpenInput, RecordInput
from core.operators import Action, Command
from core.payments import EventKind, ProviderEvent
from core.recovery.commands import accept_command
from core.recovery.reactions import opening_event
from tests.activities.conftest import ChargeHarness
from tests.support.builders import HOUR, THEN, a_failure_event, an_event
from tests.support.memory_log import MemoryLog

OPEN = OpenInput(now=THEN, provider="stripe", invoice_id="in_1", event=a_failure_event(subscription_id="sub_1"))


async def searchable_attributes() -> tuple[str, ...]:
    return ("RecoveryState",)


async def test_a_recovery_is_opened_once(harness: ChargeHarness) -> None:
    recording = Recording(MemoryLog(), searchable_attributes)
    first = await harness.run_activity(recording.open_recovery, OPEN)
    second = await harness.run_activity(recording.open_recovery, OPEN)
    assert first == second
    assert [row.type.value for row in first.records] == ["payment.failed"]
    assert first.search_attributes == ("RecoveryState",)


async def test_no_recovery_is_opened_without_a_failure(harness: ChargeHarness) -> None:
    result = await harness.run_activity(
        Recording(MemoryLog(), searchable_attributes).open_recovery, OPEN.model_copy(update={"event": None})
    )
    assert result.records == ()


async def test_existing_log_is_returned_for_any_event(harness: ChargeHarness) -> None:
    result = await harness.run_activity(Recording(harness.log, searchable_attributes).open_recovery, OPEN)
    assert list(result.records) == harness.scenario.records


async def test_repeat_returns_the_written_rows_and_writes_nothing(harness: ChargeHarness) -> None:
    recording = Recording(harness.log, searchable_attributes)
    cancel = RecordInput(
        now=harness.now,
        recovery=harness.recovery,
        events=accept_command(harness.recovery, Command(action=Action.CANCEL), harness.now),
    )
    first = await harness.run_activity(recording.record_events, cancel)
    other = cancel.model_copy(update={"events": (opening_event(a_failure_event()),)})
    assert await harness.run_activity(recording.record_events, other) == first
    assert harness.written_types == ["operator.cancel_requested", "recovery.closed"]


async def test_a_new_run_hears_of_stored_commands(harness: ChargeHarness) -> None:
    cancel = Command(action=Action.CANCEL, actor="ann", request_id="req_1")

    harness.log.commands[harness.recovery.recovery_id] = [cancel]
    recording = Recording(harness.log, searchable_attributes)
    assert (await harness.run_activity(recording.open_recovery, OPEN)).commands == (cancel,)


EARLIER_EVENTS = [
    (
        an_event(EventKind.INVOICE_PAID, occurred_at=THEN + HOUR),
        ["payment.failed", "invoice.paid_elsewhere", "recovery.closed"],
    ),
    (
        an_event(EventKind.INVOICE_PAID, occurred_at=THEN, paid_amount=1900, currency="EUR"),
        ["payment.failed", "invoice.paid_elsewhere"],
    ),
    (an_event(EventKind.DISPUTE_OPENED, occurred_at=THEN), ["payment.failed", "dispute.opened", "recovery.closed"]),
    (an_event(EventKind.INVOICE_PAID, occurred_at=THEN - HOUR), ["payment.failed"]),
    (an_event(EventKind.METHOD_UPDATED, occurred_at=THEN, method_id="pm_2"), ["payment.failed"]),
    (
        an_event(EventKind.CUSTOMER_DELETED, occurred_at=THEN - HOUR, invoice_id=None),
        ["payment.failed", "invoice.closed_elsewhere", "recovery.closed"],
    ),
    (
        an_event(EventKind.SUBSCRIPTION_ENDED, occurred_at=THEN - HOUR, invoice_id=None, subscription_id="sub_1"),
        ["payment.failed", "invoice.closed_elsewhere", "recovery.closed"],
    ),
    (
        an_event(EventKind.SUBSCRIPTION_ENDED, occurred_at=THEN, invoice_id=None, subscription_id="sub_2"),
        ["payment.failed"],
    ),
]


@pytest.mark.parametrize(("earlier", "rows"), EARLIER_EVENTS, ids=lambda event: getattr(event, "event_id", ""))
async def test_earlier_inbox_events_count_when_a_recovery_opens(
    harness: ChargeHarness, earlier: ProviderEvent, rows: list[str]
) -> None:
    """A success before an older refusal, a partial payment, a dispute: received before the recovery opened."""

    log = MemoryLog()
    log.inbox.append(earlier)
    recording = Recording(log, searchable_attributes)
    opened = await harness.run_activity(recording.open_recovery, OPEN)
    assert [row.type.value for row in opened.records] == rows
