"""Bugs around the call that moves money: I1, I3 and I5."""

from typing import Final

from tests.mutants.mutant import Edit, Mutant

CHARGING: Final = "activities/charging.py"
UNKNOWN_CHARGES: Final = "core/recovery/unknown_charges.py"
CHARGE_EVENTS: Final = "core/recovery/charge_events.py"

CALL_BEFORE_THE_RECORD: Final = """
            from core.recovery.charge_events import order_in_flight
            from core.recovery.machine import append_event

            requested, _ = append_event(before, events[-1])
            self._early = await self._gateway.charge(order_in_flight(requested))
            self._written = await self._reserve_attempt(events[-1], invoice, now)
"""

CHARGES: Final = (
    Mutant(
        name="charge-before-record",
        promise="I3",
        bug="`charge.requested` is committed after the provider's call",
        edits=(
            Edit(
                file=CHARGING,
                old="\n            self._written = await self._reserve_attempt(events[-1], invoice, now)\n",
                new=CALL_BEFORE_THE_RECORD,
            ),
            Edit(file=CHARGING, old="return await self._gateway.charge(order)", new="return self._early"),
        ),
        checks=("tests/activities/test_charging.py::test_charge_is_not_sent_before_its_request_is_committed",),
    ),
    Mutant(
        name="random-key",
        promise="I3",
        bug="an attempt's idempotency key is a random value",
        edits=(
            Edit(
                file="core/ids.py",
                old='    plain = f"pri-{provider}-{invoice_id}-{attempt}"\n',
                new='    plain = f"pri-{invoice_id}-{attempt}-" + __import__("uuid").uuid4().hex\n',
            ),
        ),
        checks=(
            "tests/core/test_ids.py::test_a_key_is_short_safe_in_a_header_and_the_same_in_every_repeat",
            "tests/activities/test_charging.py::test_charge_is_not_sent_before_its_request_is_committed",
        ),
    ),
    Mutant(
        name="key-without-attempt",
        promise="I3",
        bug="all attempts of an invoice share one key",
        edits=(
            Edit(
                file="core/ids.py",
                old='    plain = f"pri-{provider}-{invoice_id}-{attempt}"\n',
                new='    plain = f"pri-{provider}-{invoice_id}"\n',
            ),
        ),
        checks=("tests/core/test_ids.py::test_two_attempts_never_share_a_key",),
    ),
    Mutant(
        name="both-executions-send",
        promise="I1",
        bug="an execution sends a request that another one committed",
        edits=(
            Edit(
                file=CHARGING,
                old="if recovery.in_flight and attempt.is_own_request:",
                new="if recovery.in_flight:",
            ),
        ),
        checks=(
            "tests/activities/test_charging.py::test_two_executions_at_once_send_one_order_to_a_provider_without_keys",
        ),
    ),
    Mutant(
        name="repeat-without-reading",
        promise="I1",
        bug="after a crash the charge is sent again before anything is read",
        edits=(
            Edit(
                file=CHARGING,
                old="return await attempt.reconcile_charge(recovery) if recovery.in_flight else",
                new="return await attempt.send_charge(recovery) if recovery.in_flight else",
            ),
        ),
        checks=("tests/activities/test_charging.py::test_after_a_crash_behind_the_success_the_invoice_is_read_first",),
    ),
    Mutant(
        name="repeat-without-keys",
        promise="I1",
        bug="a charge is repeated at a provider without idempotency keys",
        edits=(
            Edit(
                file=UNKNOWN_CHARGES,
                old="return honoured is not None and now - order.requested_at < honoured",
                new="return honoured is None or now - order.requested_at < honoured",
            ),
        ),
        checks=("tests/activities/test_charging.py::test_a_provider_without_keys_is_never_asked_twice",),
    ),
    Mutant(
        name="repeat-with-an-old-key",
        promise="I1",
        bug="a charge is repeated under a key that the provider has forgotten",
        edits=(
            Edit(
                file=UNKNOWN_CHARGES,
                old="return honoured is not None and now - order.requested_at < honoured",
                new="return honoured is not None",
            ),
        ),
        checks=("tests/activities/test_charging.py::test_a_key_is_used_while_it_is_younger_than_23_hours",),
    ),
    Mutant(
        name="unknown-read-as-not-charged",
        promise="I1",
        bug="a read that shows no attempt counts as the answer at once",
        edits=(
            Edit(
                file=CHARGING,
                old="result = silence_result(result, due=due)",
                new="result = silence_result(result, due=True)",
            ),
        ),
        checks=("tests/activities/test_ended_charges.py::test_without_an_ending_silence_is_no_answer",),
    ),
    Mutant(
        name="unknown-recorded-as-declined",
        promise="I3",
        bug="a lost answer is recorded as a decline",
        edits=(
            Edit(
                file=CHARGE_EVENTS,
                old="    Outcome.UNKNOWN: EventType.CHARGE_UNKNOWN,\n",
                new="    Outcome.UNKNOWN: EventType.CHARGE_DECLINED,\n",
            ),
        ),
        checks=("tests/activities/test_charging.py::test_lost_answer_is_recorded_once_and_then_reconciled",),
    ),
    Mutant(
        name="server-error-as-declined",
        promise="I1",
        bug="Stripe's 500 is read as a decline",
        edits=(
            Edit(
                file="providers/stripe/charging.py",
                old='else unknown_result(f"http_{answer.status}")\n    )',
                new="else declined_result(Failure())\n    )",
            ),
        ),
        checks=("tests/providers/stripe/test_charging.py::test_answers_without_a_result_are_unknown",),
    ),
    Mutant(
        name="two-unknown-rows",
        promise="I3",
        bug="each look at a charge that stays unknown writes a row",
        edits=(
            Edit(
                file=CHARGE_EVENTS,
                old="if result.outcome is Outcome.UNKNOWN and unsettled:",
                new="if False:",
            ),
        ),
        checks=("tests/activities/test_charging.py::test_lost_answer_is_recorded_once_and_then_reconciled",),
    ),
    Mutant(
        name="refused-repeat-is-an-answer",
        promise="I1",
        bug="the refusal of a repeat counts as the first request's answer",
        edits=(
            Edit(
                file=CHARGING,
                old="if repeated and not self._gateway.can_read and charge_events.is_refused_unexecuted(result):",
                new="if False:",
            ),
        ),
        checks=("tests/activities/test_charging.py::test_refused_repeat_is_no_answer_to_the_first_charge",),
    ),
    Mutant(
        name="paid-invoice-not-read",
        promise="I5",
        bug="the invoice is not read again before the charge",
        edits=(
            Edit(
                file=CHARGING,
                old="invoice = await self._read_invoice(before.invoice_id) if self._gateway.can_read else None",
                new="invoice = None",
            ),
        ),
        checks=(
            "tests/activities/test_charging.py::test_closed_invoice_is_not_charged",
            "tests/workflows/test_recoveries.py::test_paid_invoice_is_never_charged_even_without_an_event",
        ),
    ),
    Mutant(
        name="disputed-invoice-charged",
        promise="I5",
        bug="a read that shows a dispute doesn't stop the charge",
        edits=(Edit(file="core/recovery/invoice_check.py", old="    if invoice.disputed:\n", new="    if False:\n"),),
        checks=("tests/core/recovery/test_machine.py::test_a_disputed_invoice_is_not_charged",),
    ),
    Mutant(
        name="cancel-not-read",
        promise="I5",
        bug="a worker that was stopped doesn't read the log again before it repeats a charge",
        edits=(
            Edit(
                file=CHARGING,
                old="if newer := await self._log.load_since(recovery):",
                new="if newer := ():",
            ),
        ),
        checks=("tests/activities/test_ended_charges.py::test_execution_that_slept_over_a_cancel_sends_no_repeat",),
    ),
    Mutant(
        name="repeat-after-cancel",
        promise="I5",
        bug="a lost charge is sent again after a cancel",
        edits=(
            Edit(
                file=UNKNOWN_CHARGES,
                old="if order is None or recovery.ending or order.amount > recovery.amount:",
                new="if order is None or order.amount > recovery.amount:",
            ),
        ),
        checks=(
            "tests/core/recovery/test_ended_charges.py::test_nothing_is_repeated_after_an_ending",
            "tests/activities/test_charging.py::test_no_repeat_after_an_event_that_forbids_the_charge",
        ),
    ),
    Mutant(
        name="zombie-sends",
        promise="I5",
        bug="a worker that slept after its request sends the charge all the same",
        edits=(
            Edit(
                file=CHARGING,
                old="if not repeated and since and self._clock.now() - since > MAX_SEND_DELAY:",
                new="if False:",
            ),
        ),
        checks=("tests/activities/test_ended_charges.py::test_execution_that_slept_after_its_request_sends_nothing",),
    ),
    Mutant(
        name="ending-before-reconciling",
        promise="I1",
        bug="a cancel ends the recovery while its charge is still unknown",
        edits=(
            Edit(
                file="core/recovery/machine.py",
                old="    if recovery.in_flight and recovery.stage is not State.IN_REVIEW:\n",
                new="    if recovery.in_flight and not recovery.ending and recovery.stage is not State.IN_REVIEW:\n",
            ),
        ),
        checks=("tests/activities/test_ended_charges.py::test_success_found_after_a_cancel_counts",),
    ),
    Mutant(
        name="echo-is-a-failure",
        promise="I1",
        bug="the echo of our own declined charge counts as a new failure",
        edits=(
            Edit(
                file="core/recovery/reactions.py",
                old="recovery.last_charge_to is None or event.occurred_at <= recovery.last_charge_to + ECHO_TOLERANCE",
                new="False",
            ),
        ),
        checks=(
            "tests/core/recovery/test_reactions.py::test_echo_is_recognised_by_its_time",
            "tests/core/recovery/test_reactions.py::test_while_a_charge_is_in_flight_every_failure_since_is_its_echo",
        ),
    ),
    Mutant(
        name="lost-answer-not-sent",
        promise="I3",
        bug="a request without a whole answer counts as not sent",
        edits=(
            Edit(
                file="providers/transport.py",
                old='else "connection_lost", sent=True)',
                new='else "connection_lost", sent=False)',
            ),
        ),
        checks=("tests/providers/test_transport.py::test_without_a_whole_answer_it_counts_as_sent_and_is_sent_once",),
    ),
    Mutant(
        name="repeated-by-the-transport",
        promise="I3",
        bug="a PUT or GET goes out again when a kept connection ends",
        edits=(Edit(file="providers/transport.py", old="        middlewares=(_send_once,),\n", new=""),),
        checks=("tests/providers/test_transport.py::test_a_request_on_a_kept_connection_is_not_sent_twice",),
    ),
    Mutant(
        name="cancel-beside-a-request",
        promise="I5",
        bug="a cancel is written down while a charge that was requested before it may still be sent",
        edits=(Edit(file="workflows/recovery.py", old="lambda: self._recovery.in_flight is None", new="lambda: True"),),
        checks=("tests/workflows/test_urgent_commands.py::test_behind_the_request_the_command_waits_for_the_answer",),
    ),
    Mutant(
        name="request-behind-a-command",
        promise="I5",
        bug="a charge is requested although a command came into the log while it waited in its queue",
        edits=(
            Edit(
                file=CHARGING,
                old="        before = self._before\n        invoice = await self._read_invoice(",
                new="        caught_up = await self.catch_up()\n"
                "        if not caught_up.in_flight:\n"
                "            self._before, self._written = caught_up, ()\n"
                "        before = self._before\n        invoice = await self._read_invoice(",
            ),
        ),
        checks=(
            "tests/workflows/test_urgent_commands.py::test_a_pause_holds_the_charge_that_waits_and_resume_makes_it",
        ),
    ),
)
