"""A recovery that is ended while a charge is in flight, against every order of reads, repeats and stopped executions.

Law 6: once an ending is in the log, no order leaves us, whichever execution would send it. Only reads and webhooks
decide, and a charge that was made counts whenever it is heard of.
"""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from core.classification.taxonomy import Cause
from core.contracts import ChargeReport
from core.events import EventType
from core.operators import Action, Command
from core.payments import EventKind, Outcome, Risk
from core.recovery.commands import accept_command
from core.recovery.machine import Charge, Close, Reconcile, closing_event, fold_records, next_step
from core.recovery.reactions import opening_event
from core.recovery.unknown_charges import UNKNOWN_CHARGE_DEADLINE
from tests.core.recovery.test_money_laws import QUIET_SETTINGS
from tests.support.builders import HOUR, a_failure_event, an_event
from tests.support.driver import Driver
from tests.support.interruptible_provider import Execution

ABILITIES = [(timedelta(hours=23), True), (timedelta(hours=23), False), (None, True)]
"""Stripe, Adyen, Braintree: whether keys are honoured, and whether invoices can be read."""
WAITS = [timedelta(seconds=1), timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=3), HOUR]
ENDING_EVENTS = [EventKind.DISPUTE_OPENED, EventKind.INVOICE_UNCOLLECTIBLE, EventKind.CUSTOMER_DELETED]


class EndedMachine(Driver):
    """One charge whose answer is lost, or whose execution is stopped somewhere, and an ending."""

    @initialize(
        abilities=st.sampled_from(ABILITIES), outcome=st.sampled_from([Outcome.SUCCEEDED, Outcome.DECLINED]),
        pauses=st.sampled_from([2, 2, 2, 1, 3, 9]), lost=st.sampled_from([True, True, False]),
    )  # fmt: skip
    def lose_charge(self, abilities: tuple[timedelta | None, bool], outcome: Outcome, pauses: int, lost: bool) -> None:
        """The charge is requested; its execution stops after some pauses, or its answer is lost."""
        self.provider.idempotency, self.provider.can_read = abilities
        self.provider.next_outcome, self.provider.answers_to_lose = outcome, 9 * lost
        self.append_events(opening_event(a_failure_event()))
        self.cause = Cause.INSUFFICIENT_FUNDS
        self.decide_failure(Risk())
        self.time = max(self.time, self.recovery.next_attempt_at or self.time)
        step = next_step(self.recovery, self.time)
        assert isinstance(step, Charge)
        self._run(self.start_charge(step), pauses)

    def _run(self, execution: Execution[ChargeReport], pauses: int) -> None:
        if not any(execution.step() for _ in range(pauses)):
            self.frozen.append(execution)
        self._catch_up()

    def _catch_up(self) -> None:
        self.recovery = fold_records(self.recovery, Execution(self.log.load_since(self.recovery)).finish())

    @rule(pauses=st.integers(1, 9), wait=st.sampled_from(WAITS))
    def reconcile(self, pauses: int, wait: timedelta) -> None:
        """Some time later the charge is read, and repeated where that is allowed; this may stop anywhere too."""
        self.time += wait
        step = next_step(self.recovery, self.time)
        if isinstance(step, Reconcile):
            self._run(self.start_charge(step), pauses)
        elif isinstance(step, Close):
            self.append_events(closing_event(step, self.time))

    @precondition(lambda self: self.recovery.in_flight and not self.recovery.ending)
    @rule(
        kind=st.sampled_from([None, None, *ENDING_EVENTS]), late=st.sampled_from([timedelta(0), timedelta(minutes=5)])
    )
    def end(self, kind: EventKind | None, late: timedelta) -> None:
        """An operator cancels, or the provider's event ends it, perhaps reported late."""
        if kind is None:
            self.append_events(*accept_command(self.recovery, Command(action=Action.CANCEL), self.time))
        else:
            self.receive_event(an_event(kind, event_id=f"evt_{kind}", occurred_at=self.time - late))

    @precondition(lambda self: self.frozen)
    @rule(index=st.integers(0, 9), steps=st.integers(1, 4))
    def thaw_execution(self, index: int, steps: int) -> None:
        """A stopped execution goes on, and what it writes is in the log."""
        execution = self.frozen.pop(index % len(self.frozen))
        self._run(execution, steps)

    @invariant()
    def at_most_one_success(self) -> None:
        assert self.provider.success_count <= 1

    def teardown(self) -> None:
        """It ends by reads alone within a day, and money that nobody has heard of yet is counted as late."""
        if not self.recovery.in_flight and not self.recovery.stage.is_final:
            return
        self.frozen.clear()
        if not self.recovery.ending and not self.recovery.stage.is_final:
            self.end(None, timedelta(0))
        self.provider.answers_to_lose, waited = 0, self.time
        while not self.recovery.stage.is_final:
            assert self.time - waited < UNKNOWN_CHARGE_DEADLINE / 12, "it waits for hours"
            self.reconcile(99, WAITS[2])
        if self.provider.success_count:
            event = an_event(EventKind.INVOICE_PAID, event_id="evt_paid", idempotency_key="pri-stripe-in_1-1")
            self.receive_event(event.model_copy(update={"occurred_at": self.time}))
            types = [row.type for row in self.all_records]
            told = {EventType.CHARGE_SUCCEEDED, EventType.CHARGE_RECONCILED, EventType.PAYMENT_LATE} & set(types)
            assert told, types
            assert self.recovery.stage.value == "recovered" or self.recovery.paid_late == self.recovery.amount


@pytest.mark.timeout(120)
def test_laws_of_ended_charges() -> None:
    run_state_machine_as_test(
        EndedMachine,
        settings=settings(max_examples=200, stateful_step_count=12, deadline=None, derandomize=True, **QUIET_SETTINGS),
    )
