"""Rows without a decision: the opening and the words, safe to repeat."""

from activities.recording import Recording
from core.contracts import Action, Command, OpenInput, RecordInput
from core.retry.reactions import obey, opening
from tests.activities.conftest import Bench
from tests.support.builders import THEN, a_failure_event
from tests.support.memory_log import MemoryLog

OPEN = OpenInput(now=THEN, provider="stripe", invoice_id="in_1", event=a_failure_event())


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
