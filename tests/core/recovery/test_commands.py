"""One row per operator command, whatever workflow task is lost behind the commit of its rows."""

from datetime import datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import Event, EventType, Record
from core.operators import Action, Command
from core.recovery.command_ids import MAX_REMEMBERED_REQUESTS, is_command_recorded, is_row_of, signal_name
from core.recovery.commands import handle_command
from core.recovery.machine import append_events, begins_with_events, fold_records
from core.recovery.state import Recovery
from tests.support.builders import THEN
from tests.support.recovery_scenario import RecoveryScenario

RUN_ID = "0198-run"
OPENING_RECORDS = tuple(RecoveryScenario().fail_payment().records)
SIGNALS = st.lists(st.sampled_from([*Action, Action.PAUSE, Action.RESUME, Action.PAUSE, Action.RESUME]), max_size=12)


class FakeLog:
    """A log whose append returns the new rows, or all that are already written behind `before`."""

    def __init__(self) -> None:
        self.rows = list(OPENING_RECORDS)

    def append_events(self, before: Recovery, events: tuple[Event, ...]) -> tuple[Record, ...]:
        """The rows written behind `before`, as `db.recovery_log.Log` returns them."""
        if written := tuple(row for row in self.rows if row.sequence > before.sequence):
            return written
        _, records = append_events(before, events, THEN)
        self.rows += records
        return records

    def command_rows(self) -> list[tuple[EventType, str | None, str | None]]:
        """Type, refusal and data of the rows, without times."""
        return [(row.type, row.data.get("signal"), row.data.get("refused")) for row in self.rows]


def signal_commands(actions: list[Action]) -> list[Command]:
    """Commands by signal with the ids that the workflow gives them: run and number."""
    return [Command(action=action, signal=signal_name(RUN_ID, n)) for n, action in enumerate(actions, 1)]


def follow_command(log: FakeLog, recovery: Recovery, command: Command, now: datetime = THEN) -> Recovery:
    """The recovery after one command, as the workflow handles it."""
    while True:
        events, _ = handle_command(recovery, command, now, awaited=command.signal is None)
        if not events:
            return recovery
        records = log.append_events(recovery, events)
        recovery = fold_records(recovery, records)
        if begins_with_events(events, records):
            return recovery


def opened_recovery() -> Recovery:
    return fold_records(Recovery(provider="stripe", invoice_id="in_1"), OPENING_RECORDS)


def log_without_losses(commands: list[Command]) -> FakeLog:
    """The log of one run that loses no task."""
    log, recovery = FakeLog(), opened_recovery()
    for command in commands:
        recovery = follow_command(log, recovery, command)
    return log


@given(SIGNALS, st.data())
def test_lost_workflow_tasks_do_not_change_the_rows(actions: list[Action], data: st.DataObject) -> None:
    """A lost task starts again from the last completed one, with its state and its signals."""
    commands, log = signal_commands(actions), FakeLog()
    accepted, recovery = 0, opened_recovery()
    for losses in count():
        reached = data.draw(st.integers(accepted, len(commands)), "how far this task comes")
        is_lost = losses < 4 and data.draw(st.booleans(), "lost")
        state = recovery
        for command in commands[accepted:reached]:
            state = follow_command(log, state, command)
        if not is_lost:
            accepted, recovery = reached, state
        if accepted == len(commands) or losses > 8:
            break
    for command in commands[accepted:]:
        recovery = follow_command(log, recovery, command)
    assert log.command_rows() == log_without_losses(commands).command_rows()
    assert recovery == fold_records(opened_recovery(), log.rows[len(OPENING_RECORDS) :])


@given(SIGNALS, st.sampled_from([Action.PAUSE, Action.RESUME, Action.CANCEL]), st.data())
def test_repeated_update_has_one_row(actions: list[Action], action: Action, data: st.DataObject) -> None:
    """It may be repeated between other signals: only their order is in the history."""
    log, update = FakeLog(), Command(action=action, request_id="req_1")
    for _ in range(3):
        state, commands = opened_recovery(), signal_commands(actions)
        commands.insert(data.draw(st.integers(0, len(commands)), "place"), update)
        for command in commands:
            state = follow_command(log, state, command)
        assert sum(row.data.get("request_id") == "req_1" for row in log.rows) <= 1
        numbers = [row.data["signal"] for row in log.rows if "signal" in row.data]
        assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(("rules", "rows"), [(1, ["paused", "resumed"]), (2, ["paused", "paused", "resumed"])])
def test_a_signal_without_effect_stays_without_effect(rules: int, rows: list[str]) -> None:
    """The second pause changes nothing; repeated after the resume it must not pause again."""
    commands, log = signal_commands([Action.PAUSE, Action.PAUSE, Action.RESUME]), FakeLog()
    for _ in range(3):
        state = opened_recovery().with_changes(rules=rules)
        for command in commands:
            state = follow_command(log, state, command)
    assert [kind.removeprefix("operator.") for kind, *_ in log.command_rows()[len(OPENING_RECORDS) :]] == rows
    assert not state.paused


@given(st.lists(st.sampled_from([Action.PAUSE, Action.RESUME]), max_size=12))
def test_each_signal_has_one_row_in_any_order(actions: list[Action]) -> None:
    assert len(log_without_losses(signal_commands(actions)).rows) == len(OPENING_RECORDS) + len(actions)


def test_signal_numbers_restart_with_a_new_run() -> None:
    log = log_without_losses(signal_commands([Action.PAUSE, Action.RESUME]))
    state = fold_records(opened_recovery(), log.rows[len(OPENING_RECORDS) :])
    other = Command(action=Action.PAUSE, signal=signal_name("0199-run", 1))
    assert not is_command_recorded(state, other)
    assert follow_command(log, state, other).paused


def test_refused_request_may_be_repeated_and_recent_ids_are_remembered() -> None:
    log, state = FakeLog(), opened_recovery()
    refused = Command(action=Action.REVIEW, decision="approve", request_id="req_r", signal=signal_name(RUN_ID, 1))
    state = follow_command(log, state, refused)
    assert log.rows[-1].data["refused"] == "not_in_review"
    assert is_command_recorded(state, refused)
    assert not is_command_recorded(state, refused.model_copy(update={"signal": None}))
    for number in range(MAX_REMEMBERED_REQUESTS + 1):
        action = Action.PAUSE if number % 2 == 0 else Action.RESUME
        state = follow_command(log, state, Command(action=action, request_id=f"req_{number}"))
    assert state.requests == tuple(f"req_{n}" for n in range(1, MAX_REMEMBERED_REQUESTS + 1))


def test_rows_without_names_count_by_their_type() -> None:
    """Rows of an older release, as stored histories have them."""
    event = handle_command(opened_recovery(), signal_commands([Action.PAUSE])[0], THEN, awaited=False).events[0]
    old = append_events(opened_recovery(), (event.holding(event.type, {"actor": "ann"}),), THEN)[1]
    assert is_row_of(event, old[0])
    other = event.having(signal=signal_name(RUN_ID, 2))
    assert not is_row_of(other, append_events(opened_recovery(), (event,), THEN)[1][0])
