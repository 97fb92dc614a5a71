"""Event types and states: every member is handled, or ignored on purpose."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from core.events import EventType, State, Trigger, format_timestamp, parse_timestamp
from core.operators import Action, Command
from core.recovery.commands import command_event
from core.recovery.folds import FOLDS
from core.recovery.machine import Done, next_step
from tests.support.builders import THEN
from tests.support.recovery_scenario import NEW_RECOVERY

TOLD_ONLY = {EventType.SHADOW_PLANNED}
"""Rows that change nothing in the recovery."""


def test_every_event_type_is_folded_or_display_only() -> None:
    assert set(FOLDS) | TOLD_ONLY == set(EventType)
    assert not set(FOLDS) & TOLD_ONLY


def test_every_state_has_a_next_step_and_only_final_ones_are_done() -> None:
    for state in State:
        if state is State.PAUSED:
            continue  # seen from outside only; the stage beneath it stays
        step = next_step(NEW_RECOVERY.with_changes(stage=state, sequence=1), THEN)
        assert isinstance(step, Done) is state.is_final


def test_only_scheduled_charges_use_the_budget() -> None:
    assert [trigger for trigger in Trigger if trigger.uses_budget] == [Trigger.SCHEDULED]


def test_every_operator_command_has_its_row() -> None:
    rows = {command_event(Command(action=action), THEN).type for action in Action}
    assert len(rows) == len(Action)
    assert all(row.value.startswith("operator.") for row in rows)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))])))
def test_time_survives_formatting_and_parsing(time: datetime) -> None:
    assert parse_timestamp(format_timestamp(time)) == time
    assert format_timestamp(time).endswith("Z")


def test_missing_time_stays_missing() -> None:
    assert parse_timestamp(None) is None
