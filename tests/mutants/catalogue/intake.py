"""Bugs between a webhook and its recovery, and in what keeps recoveries running: I2."""

from typing import Final

from tests.mutants.mutant import Edit, Mutant

INGEST: Final = "api/webhook_ingest.py"
RELAY: Final = "intake/relay.py"

STORE_BEHIND_THE_ANSWER: Final = """    storing = parts.webhook_store.store(ReceivedBody(events, people, body, now))
    parts.background.start_work(storing)
    stored = [StoredEvent(one, is_new=True, delivery=None) for one in events]
"""

INTAKE: Final = (
    Mutant(
        name="answer-before-insert",
        promise="I2",
        bug="202 is answered before the webhook is stored",
        edits=(
            Edit(
                file=INGEST,
                old="    stored = await parts.webhook_store.store(ReceivedBody(events, people, body, now))\n",
                new=STORE_BEHIND_THE_ANSWER,
            ),
        ),
        checks=("tests/api/test_webhooks.py::test_missing_database_is_reported_quickly",),
    ),
    Mutant(
        name="taken-is-delivered",
        promise="I2",
        bug="the relay counts a webhook as delivered when Temporal takes it",
        edits=(
            Edit(
                file=RELAY,
                old="return None if result.status is DeliveryStatus.ACCEPTED else result",
                new="return result",
            ),
        ),
        checks=("tests/intake/test_relay.py::TestRecorded::test_failure_of_a_run_that_was_lost_opens_another",),
    ),
    Mutant(
        name="taken-is-delivered-by-the-api",
        promise="I2",
        bug="the API counts a webhook as delivered when Temporal takes it",
        edits=(
            Edit(
                file=INGEST,
                old="    if taken and apply_write_off_rule(event, scope).kind is not EventKind.WAKE:\n"
                "        return None\n",
                new="    taken = False\n",
            ),
        ),
        checks=("tests/api/test_webhooks.py::test_what_a_run_took_is_delivered_once_the_log_shows_it",),
    ),
    Mutant(
        name="overtaken-webhook-dropped",
        promise="I2",
        bug="an event is dropped that has an effect only after an earlier one",
        edits=(
            Edit(
                file=RELAY,
                old="return not await inbox.has_earlier_undelivered(session, row)",
                new="return True",
            ),
        ),
        checks=(
            "tests/intake/test_relay.py::TestRecorded::test_it_waits_for_an_earlier_event_that_may_give_it_an_effect",
        ),
    ),
    Mutant(
        name="claimed-row-stays-due",
        promise="I2",
        bug="a webhook that a relay pass has claimed is due again at once",
        edits=(
            Edit(
                file="db/due_rows.py",
                old="next_try_at=now + wait",
                new="next_try_at=now",
            ),
        ),
        checks=("tests/db/test_inbox.py::test_a_relay_that_dies_leaves_its_row_to_the_next",),
    ),
    Mutant(
        name="outage-uses-up-tries",
        promise="I2",
        bug="webhooks are given up in a long outage of the provider",
        edits=(
            Edit(
                file=RELAY,
                old="        except (ProviderUnavailable, TimeoutError) as away:\n"
                "            return await self._put_off(row, _safe_reason(away), MOST_TRIES_OF_AN_OUTAGE)\n",
                new="        except (ProviderUnavailable, TimeoutError) as away:\n"
                "            return await self._put_off(row, _safe_reason(away), MOST_TRIES)\n",
            ),
        ),
        checks=("tests/intake/test_relay.py::test_unavailable_provider_does_not_use_up_a_rows_tries",),
    ),
    Mutant(
        name="lost-runs-stay-lost",
        promise="I2",
        bug="an open recovery whose run was lost gets no new one",
        edits=(
            Edit(
                file="intake/lost_runs.py",
                old='return await recoveries.ensure_running(row["provider"], row["invoice_id"])',
                new="return False",
            ),
        ),
        checks=("tests/intake/test_relay.py::TestRevive::test_a_lost_run_is_started_again",),
    ),
    Mutant(
        name="lost-cancel",
        promise="I2",
        bug="an operator's command that was lost with its run is not signalled again",
        edits=(
            Edit(
                file="intake/operator_signals.py",
                old="    await _send_again(recoveries, signal)\n",
                new="",
            ),
        ),
        checks=("tests/intake/test_operator_signals.py::test_command_whose_run_was_lost_is_signalled_to_a_new_one",),
    ),
    Mutant(
        name="new-run-hears-nothing",
        promise="I5",
        bug="a new run charges before it hears of a stored cancel",
        edits=(
            Edit(
                file="activities/recording.py",
                old="commands=opened.commands,",
                new="commands=(),",
            ),
        ),
        checks=("tests/activities/test_recording.py::test_a_new_run_hears_of_stored_commands",),
    ),
    Mutant(
        name="new-run-ignores-commands",
        promise="I5",
        bug="a new run doesn't carry out the stored cancel that it was told of",
        edits=(
            Edit(
                file="workflows/recovery.py",
                old="            for command in opened.commands:\n",
                new="            for command in opened.commands[:0]:\n",
            ),
        ),
        checks=(
            "tests/workflows/test_operators.py::test_a_new_run_carries_out_a_stored_cancel_before_a_charge_that_is_due",
        ),
    ),
    Mutant(
        name="commands-not-looked-up",
        promise="I5",
        bug="a new run is told of no stored commands",
        edits=(
            Edit(
                file="db/repositories/operator_signals.py",
                old='.where(table.c.recovery_id == bindparam("recovery_id"), table.c.delivered_at.is_(None))',
                new='.where(table.c.recovery_id == bindparam("recovery_id"), table.c.delivered_at.is_not(None))',
            ),
        ),
        checks=("tests/intake/test_operator_signals.py::test_new_run_hears_of_commands_that_the_log_does_not_show",),
    ),
    Mutant(
        name="closed-is-reopened",
        promise="I1",
        bug="a repeated webhook reopens a recovery that has ended",
        edits=(
            Edit(
                file="intake/delivery.py",
                old="        if stored and stored.stage.is_final:\n"
                "            return await self._append_late(event, stored)\n"
                "        try:",
                new="        try:",
            ),
        ),
        checks=("tests/intake/test_deliver.py::test_late_event_is_recorded_once",),
    ),
    Mutant(
        name="payment-before-the-failure-forgotten",
        promise="I5",
        bug="a payment that was heard of before the recovery opened is forgotten",
        edits=(
            Edit(
                file="activities/recording.py",
                old="            if since or earlier.kind in _FOR_GOOD:\n",
                new="            if False:\n",
            ),
        ),
        checks=("tests/activities/test_recording.py::test_earlier_inbox_events_count_when_a_recovery_opens",),
    ),
)
