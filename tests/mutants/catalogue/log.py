"""Bugs in the log and in what replays it: I4 and I8."""

from typing import Final

from tests.mutants.mutant import Edit, Mutant

EVENT_LOG: Final = "db/repositories/event_log.py"
MIGRATION: Final = "db/migrations/versions/0001_event_log.py"

LOG: Final = (
    Mutant(
        name="no-lock-in-the-log",
        promise="I4",
        bug="writers of one recovery don't take turns",
        edits=(
            Edit(
                file=EVENT_LOG,
                old="(SELECT pg_advisory_xact_lock(hashtextextended(:recovery_id, 0)) OFFSET 0)",
                new="(SELECT length(:recovery_id) OFFSET 0)",
            ),
        ),
        checks=(
            "tests/db/test_event_log.py::test_fifty_concurrent_appends_write_one_row",
            "tests/db/test_event_log.py::test_fifty_concurrent_continuations_leave_no_gap",
        ),
        error="IntegrityError",
    ),
    Mutant(
        name="time-before-the-lock",
        promise="I4",
        bug="`recorded_at` is read before the lock is held",
        edits=(Edit(file=EVENT_LOG, old="SELECT clock_timestamp() AS", new="SELECT statement_timestamp() AS"),),
        checks=("tests/db/test_event_log.py::test_rows_are_recorded_by_the_databases_clock_once_the_lock_is_held",),
    ),
    Mutant(
        name="time-of-the-worker",
        promise="I4",
        bug="`recorded_at` is the time at which the worker decided",
        edits=(
            Edit(
                file=EVENT_LOG,
                old="recorded_at = recorded_at or turn.locked_at\n",
                new="recorded_at = recorded_at or now\n",
            ),
        ),
        checks=("tests/db/test_event_log.py::test_rows_are_recorded_by_the_databases_clock_once_the_lock_is_held",),
    ),
    Mutant(
        name="time-runs-backwards",
        promise="I4",
        bug="`recorded_at` follows a clock that was set back",
        edits=(
            Edit(
                file=EVENT_LOG,
                old='    recorded_at = max(recorded_at, last["recorded_at"]) if last else recorded_at\n',
                new="",
            ),
        ),
        checks=("tests/db/test_event_log.py::test_a_clock_that_was_set_back_does_not_turn_the_order_around",),
    ),
    Mutant(
        name="chain-not-linked",
        promise="I4",
        bug="a row's hash doesn't cover the one before it",
        edits=(
            Edit(
                file="db/repositories/transitions.py",
                old='previous = row["hash"] = chain.link_hash(previous, row)',
                new='row["hash"] = chain.link_hash(previous, row)',
            ),
        ),
        checks=("tests/db/test_event_log.py::test_appended_rows_are_read_back_as_returned",),
    ),
    Mutant(
        name="hash-without-data",
        promise="I4",
        bug="a row's hash leaves out its data",
        edits=(
            Edit(file="db/chain.py", old='    fields["data"] = data\n', new='    fields["data"] = data and None\n'),
        ),
        checks=("tests/db/test_chain.py::test_change_of_any_column_is_detected",),
    ),
    Mutant(
        name="repeat-writes-again",
        promise="I4",
        bug="a repeated write is added behind the rows of the first",
        edits=(
            Edit(
                file=EVENT_LOG,
                old="    return turn.written or await write_rows(",
                new="    stored = turn.stored[-1:]\n"
                "    before = _fold_stored(await _read_rows(session, before.recovery_id, 1)) or before\n"
                "    turn = turn._replace(before=before, stored=stored)\n"
                "    return await write_rows(",
            ),
        ),
        checks=("tests/db/test_event_log.py::test_a_repeat_returns_what_is_stored_and_writes_nothing",),
    ),
    Mutant(
        name="rows-can-change",
        promise="I4",
        bug="the database lets rows of the log be deleted",
        edits=(
            Edit(
                file=MIGRATION,
                old="CREATE TRIGGER event_log_is_append_only BEFORE UPDATE OR DELETE ON event_log",
                new="CREATE TRIGGER event_log_is_append_only BEFORE UPDATE ON event_log",
            ),
            Edit(
                file=MIGRATION,
                old="BEFORE UPDATE OR DELETE OR TRUNCATE ON event_log\n",
                new="BEFORE UPDATE OR TRUNCATE ON event_log\n",
            ),
            Edit(
                file=MIGRATION,
                old="BEFORE UPDATE OR DELETE OR TRUNCATE ON %I.%I '",
                new="BEFORE UPDATE OR TRUNCATE ON %I.%I '",
            ),
        ),
        checks=("tests/db/test_append_only.py::test_append_only_triggers_refuse_owner_and_superuser",),
    ),
    Mutant(
        name="stored-activity-renamed",
        promise="I8",
        bug="an activity gets another name than stored histories have",
        edits=(
            Edit(
                file="activities/charging.py",
                old='@activity.defn(name="settle_charge")',
                new='@activity.defn(name="reconcile_charge")',
            ),
        ),
        checks=("tests/replay/test_histories.py::test_a_stored_history_replays",),
        error="NondeterminismError",
    ),
)
