"""Rows without a decision: the opening and the words, safe to repeat."""

import pytest

from activities.recording import Recording
from core.contracts import Action, Command, OpenInput, RecordInput
from core.payments import EventKind, ProviderEvent
from core.retry.reactions import obey, opening
from tests.activities.conftest import Bench
from tests.support.builders import HOUR, THEN, a_failure_event, an_event
from tests.support.memory_log import MemoryLog

OPEN = OpenInput(now=THEN, provider="stripe", invoice_id="in_1", event=a_failure_event(subscription_id="sub_1"))


async def searchable() -> tuple[str, ...]:
    return ("RecoveryState",)


async def test_a_recovery_is_opened_once(bench: Bench) -> None:
    recording = Recording(MemoryLog(), searchable)
    first = await bench.run(recording.open_recovery, OPEN)
    second = await bench.run(recording.open_recovery, OPEN)
    assert first == second
    assert [row.type.value for row in first.records] == ["payment.failed"]
    assert first.search_attributes == ("RecoveryState",)


async def test_without_a_failure_nothing_is_begun(bench: Bench) -> None:
    nothing = await bench.run(Recording(MemoryLog(), searchable).open_recovery, OPEN.model_copy(update={"event": None}))
    assert nothing.records == ()


async def test_a_log_that_is_there_is_found_whatever_comes(bench: Bench) -> None:
    found = await bench.run(Recording(bench.log, searchable).open_recovery, OPEN)
    assert list(found.records) == bench.story.records


async def test_a_repeat_returns_what_is_written_and_writes_nothing(bench: Bench) -> None:
    recording = Recording(bench.log, searchable)
    cancel = RecordInput(
        now=bench.now,
        recovery=bench.recovery,
        events=obey(bench.recovery, Command(action=Action.CANCEL), bench.now),
    )
    first = await bench.run(recording.record_events, cancel)
    other = cancel.model_copy(update={"events": (opening(a_failure_event()),)})
    assert await bench.run(recording.record_events, other) == first
    assert bench.told == ["operator.cancel_requested", "recovery.closed"]


EARLIER = [
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


@pytest.mark.parametrize(("earlier", "rows"), EARLIER, ids=lambda one: getattr(one, "event_id", ""))
async def test_what_the_inbox_knew_counts_when_a_recovery_opens(
    bench: Bench, earlier: ProviderEvent, rows: list[str]
) -> None:
    """A success before its older refusal, a part, a dispute: told when there was no recovery to tell."""

    async def memory(_: ProviderEvent) -> list[ProviderEvent]:
        return [earlier]

    recording = Recording(MemoryLog(), searchable, memory)
    opened = await bench.run(recording.open_recovery, OPEN)
    assert [row.type.value for row in opened.records] == rows
