"""The laws about money, against every order of events, crashes and commands that hypothesis finds.

Machine, reactions, decision and the charge attempt are the real ones; only clock, log and provider are in memory.
An execution can freeze anywhere and wake up after another has taken its place.
"""

import contextlib
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.classification.taxonomy import Category, Cause
from core.contracts import ChargeReport
from core.errors import CommandRefused
from core.events import EventType, Record, State, Trigger, parse_timestamp
from core.fraud.assessment import NO_SIGNALS
from core.fraud.signals import FraudSignals, ScorerAnswer, Velocity
from core.operators import Action, Command
from core.payments import ChargeOrder, EventKind, InvoiceStatus, Outcome, Risk
from core.recovery.commands import accept_command
from core.recovery.invoice_check import check_invoice, final_check_events
from core.recovery.machine import Charge, Close, Decide, Done, Read, Reconcile, Wait, fold_records, next_step
from core.recovery.reactions import opening_event
from core.recovery.state import Recovery
from tests.support.builders import DAY, HOUR, a_failure_event, an_event
from tests.support.driver import Driver
from tests.support.interruptible_provider import Execution
from tests.support.recovery_scenario import NEW_RECOVERY

SPANS = [timedelta(seconds=1), HOUR, 4 * HOUR, DAY, 4 * DAY, 12 * DAY]
QUIET_SETTINGS: dict[str, Any] = {"suppress_health_check": list(HealthCheck)}
PROVIDER_EVENTS = [kind for kind in EventKind if kind not in {EventKind.PAYMENT_FAILED, EventKind.ACTION_REQUIRED}]
PROVIDER_EVENTS += [EventKind.METHOD_UPDATED, EventKind.RETRY_SCHEDULED] * 25  # most of the others end it
ACTIONS = [*Action, *[Action.RETRY, Action.RESUME, Action.REVIEW] * 6]
CAUSES = [*Cause, *[Cause.INSUFFICIENT_FUNDS] * 60]
RISKS = [Risk(level="highest"), Risk(disputed=True), *[Risk()] * 60]
SIGNALS = [
    FraudSignals(scorer="other", answer=ScorerAnswer(score=50)),
    FraudSignals(scorer="other", answer=ScorerAnswer(score=100)),
    FraudSignals(velocity=Velocity(cards_of_customer=9, customers_on_card=9, failures_in_burst=9)),
    *[NO_SIGNALS] * 60,
]
AFTER_THE_END = {
    EventType.EVENT_LATE,
    EventType.PAYMENT_LATE,
    EventType.PAYMENT_REFUNDED,
    EventType.PAYMENT_REVERSED,
}
ANSWER_TYPES = {EventType.CHARGE_SUCCEEDED, EventType.CHARGE_DECLINED, EventType.CHARGE_RECONCILED}


class MoneyMachine(Driver):
    """One recovery, its driver, its provider, and its frozen executions."""

    @initialize(longest=st.sampled_from([timedelta(minutes=2), DAY]))
    def limit_requests(self, longest: timedelta) -> None:
        """The provider works on one request for minutes at most, or for so long that any frozen one is executed."""
        self.provider.longest_request = longest

    @initialize(
        keys=st.booleans(),
        readable=st.booleans(),
        attempt=st.sampled_from([None, 1]),
        customer=st.sampled_from([f"cus_{number}" for number in range(8)]),
        allowed=st.sampled_from([(1, 2), (1, 2), (2, 3), (3, 5)]),
    )
    def start_recovery(
        self, keys: bool, readable: bool, attempt: int | None, customer: str, allowed: tuple[int, int]
    ) -> None:
        """Starts with one kind of provider: Stripe has keys and reading, Braintree only reading, Adyen only keys.

        Customers are dealt to the arms of an experiment; networks allow few tries of a card in a day and a month.
        """
        self.customer, self.allowed = customer, allowed
        self.provider.idempotency = timedelta(hours=23) if keys else None
        self.provider.can_read = readable
        self.append_events(opening_event(a_failure_event(provider_attempt=attempt)))

    # --- what may happen -----------------------------------------------------------------------------------

    @rule(
        cause=st.sampled_from(CAUSES),
        risk=st.sampled_from(RISKS),
        signals=st.sampled_from(SIGNALS),
        outcome=st.sampled_from([Outcome.DECLINED, Outcome.DECLINED, Outcome.SUCCEEDED]),
        pauses=st.sampled_from([9, 9, 1, 2, 3]),
        answers_to_lose=st.sampled_from([0, 0, 1, 3]),
        due=st.sampled_from([True, True, False]),
    )
    def run_next_step(
        self,
        cause: Cause,
        risk: Risk,
        signals: FraudSignals,
        outcome: Outcome,
        pauses: int,
        answers_to_lose: int,
        due: bool,
    ) -> None:
        """Performs the machine's next step; a charge may freeze, or its answer be lost."""
        self.cause, self.provider.next_outcome, self.provider.answers_to_lose = cause, outcome, answers_to_lose
        step = next_step(self.recovery, self.time)
        if due and isinstance(step, Wait) and step.until:
            self.time = max(self.time, step.until)
            step = next_step(self.recovery, self.time)
            assert not isinstance(step, Wait) or self.recovery.paused or step.until is None or step.until > self.time
        before = self.recovery.sequence
        match step:
            case Read() if events := check_invoice(self.recovery, self.provider.invoice, self.time):
                self.append_events(*events)
            case Read() | Decide():
                self.decide_failure(risk, signals)
            case Close():
                self.append_events(*final_check_events(self.recovery, step, self.provider.invoice, self.time))
            case Charge() | Reconcile():
                return self.run_execution(self.start_charge(step), pauses, certain=isinstance(step, Charge))
            case Wait() | Done():
                return None
        assert self.recovery.sequence > before, f"{step!r} would be done again and again"
        return None

    def run_execution(self, execution: Execution[ChargeReport], pauses: int, certain: bool) -> None:
        self.provider.guard = self.check_may_leave
        for _ in range(pauses):
            if execution.step():
                break
        if execution.result is None:
            self.frozen.append(execution)
            return
        assert execution.result.records or not certain
        self.recovery = fold_records(self.recovery, execution.result.records)

    @rule(turns=st.lists(st.booleans(), min_size=4, max_size=9))
    def executions_overlap(self, turns: list[bool]) -> None:
        """Temporal starts a second execution while the first is only slow; both go on in turns."""
        now = max(self.time, self.recovery.next_attempt_at or self.time)
        step = next_step(self.recovery, now)
        if isinstance(step, Charge | Reconcile):
            self.time = now
            self._take_turns([self.start_charge(step), self.start_charge(step)], turns)

    def _take_turns(self, both: list[Execution[ChargeReport]], turns: list[bool]) -> None:
        self.provider.guard = _allow_any_order
        for turn in (False, True, *turns):
            if both[turn].result is None:
                both[turn].step()
        self.frozen += [execution for execution in both if execution.result is None]

    @precondition(lambda self: self.frozen)
    @rule(index=st.integers(0, 9), steps=st.integers(1, 4))
    def thaw_execution(self, index: int, steps: int) -> None:
        """A frozen execution goes on; its result is dropped."""
        execution = self.frozen.pop(index % len(self.frozen))
        self.provider.guard = _allow_any_order
        if not any(execution.step() for _ in range(steps)):
            self.frozen.append(execution)

    @rule(span=st.sampled_from(SPANS))
    def time_passes(self, span: timedelta) -> None:
        """Time passes; no execution stays frozen for longer than the provider remembers a key."""
        self.time += span
        if span > HOUR:
            for execution in self.frozen:
                execution.work.close()
            self.frozen.clear()

    @rule()
    def crash_driver(self) -> None:
        """The driver starts again from the log."""
        records = Execution(self.log.load_all(self.recovery.recovery_id)).finish()
        self.recovery = fold_records(NEW_RECOVERY, records)

    @rule(
        attempt=st.sampled_from([None, 0, 1, 2, 3]),
        is_same_attempt=st.booleans(),
        ago=st.sampled_from([timedelta(0), HOUR, DAY]),
        kind=st.sampled_from([EventKind.PAYMENT_FAILED, EventKind.ACTION_REQUIRED]),
    )
    def provider_fails(self, attempt: int | None, is_same_attempt: bool, ago: timedelta, kind: EventKind) -> None:
        self.events += not is_same_attempt
        event_fields = {"event_id": f"evt_{self.events}", "provider_attempt": attempt, "occurred_at": self.time - ago}
        self.receive_event(a_failure_event().model_copy(update=event_fields | {"kind": kind}))

    @rule(kind=st.sampled_from(PROVIDER_EVENTS), true=st.booleans(), fresh=st.booleans(), late=st.booleans())
    def provider_sends_event(self, kind: EventKind, true: bool, fresh: bool, late: bool) -> None:
        """The provider changes something and sends the event, or sends one about the past."""
        self.events += fresh
        if true:
            self.apply_at_provider(kind)
        if not (true and late):
            defaults: dict[str, Any] = {"method_id": f"pm_{self.events % 3}", "occurred_at": self.time}
            self.receive_event(an_event(kind, event_id=f"evt_{self.events}", **defaults))

    @precondition(lambda self: self.provider.results_by_key)
    @rule(index=st.integers(0, 9), fresh=st.booleans())
    def provider_sends_charge_result(self, index: int, fresh: bool) -> None:
        """The webhook of one of our charges arrives, at any time and any number of times."""
        self.events += fresh
        key, answer = list(self.provider.results_by_key.items())[index % len(self.provider.results_by_key)]
        paid = answer.outcome is Outcome.SUCCEEDED
        kind = EventKind.INVOICE_PAID if paid else EventKind.PAYMENT_FAILED
        fields: dict[str, Any] = {"occurred_at": self.time, "provider_attempt": self.events, "failure": answer.failure}
        event = an_event(kind, event_id=f"evt_{key}_{self.events}", idempotency_key=key, **fields)
        failures = [row for row in self.all_records if row.type is EventType.PAYMENT_FAILED]
        self.receive_event(event)
        assert [row for row in self.all_records if row.type is EventType.PAYMENT_FAILED] == failures, (
            "our own is no news"
        )
        flying = self.recovery.in_flight
        assert flying is None or flying.idempotency_key != key, "its own event reconciles it"

    def apply_at_provider(self, kind: EventKind) -> None:
        match kind:
            case _ if self.provider.invoice.status is not InvoiceStatus.OPEN:
                return
            case EventKind.INVOICE_PAID:
                self.provider.paid_elsewhere += 1
                self.provider.set_status(InvoiceStatus.PAID)
            case EventKind.INVOICE_VOIDED:
                self.provider.set_status(InvoiceStatus.VOID)
            case EventKind.INVOICE_UNCOLLECTIBLE:
                self.provider.set_status(InvoiceStatus.UNCOLLECTIBLE)
            case EventKind.RETRY_SCHEDULED:
                plans = {"next_provider_attempt": self.time + DAY}
                self.provider.invoice = self.provider.invoice.model_copy(update=plans)
            case EventKind.DISPUTE_OPENED:
                self.provider.invoice = self.provider.invoice.model_copy(update={"disputed": True})

    @rule(action=st.sampled_from(ACTIONS), decision=st.sampled_from(["approve", "reject", "approve", None, "x"]))
    def operator_submits_command(self, action: Action, decision: str | None) -> None:
        """An operator submits a command; whoever denies an unknown charge has looked it up."""
        flying = self.recovery.in_flight
        if action is Action.REVIEW and flying and flying.idempotency_key in self.provider.results_by_key:
            return
        with contextlib.suppress(CommandRefused):
            self.append_events(*accept_command(self.recovery, Command(action=action, decision=decision), self.time))

    @rule(due=st.booleans())
    def another_attempt_is_declined(self, due: bool) -> None:
        """An operator or the schedule charges once more and is declined; nothing else happens."""
        if not due:
            self.operator_submits_command(Action.RETRY, None)
        for _ in range(4):
            self.run_next_step(Cause.INSUFFICIENT_FUNDS, Risk(), NO_SIGNALS, Outcome.DECLINED, 9, 0, due=due)

    # --- the laws ------------------------------------------------------------------------------------------

    @invariant()
    def at_most_one_success(self) -> None:
        assert self.provider.success_count <= 1

    @invariant()
    def every_attempt_has_one_order(self) -> None:
        requested = [row for row in self.all_records if row.type is EventType.CHARGE_REQUESTED]
        orders = {(order.idempotency_key, order.model_dump_json()) for order in self.provider.sent_orders}
        assert len({row.data["idempotency_key"] for row in requested}) == len(requested)
        assert len({key for key, _ in orders}) == len(orders), "a repeat with other parameters"
        assert {key for key, _ in orders} <= {row.data["idempotency_key"] for row in requested}
        assert [row.attempt for row in requested] == list(range(1, len(requested) + 1))

    @invariant()
    def charges_are_requested_only_when_allowed(self) -> None:
        recovery = NEW_RECOVERY
        for row in self.all_records:
            if row.type is EventType.CHARGE_REQUESTED:
                _check_may_charge(recovery, row)
            recovery = fold_records(recovery, [row])

    @invariant()
    def only_scheduled_charges_use_the_budget(self) -> None:
        triggers = [row.data["trigger"] for row in self.all_records if row.type is EventType.CHARGE_REQUESTED]
        recovery = fold_records(NEW_RECOVERY, self.all_records)
        assert recovery.attempts_used == triggers.count(Trigger.SCHEDULED.value)
        assert recovery.attempts_used <= (2 if recovery.arm == "quick" else 4)

    @invariant()
    def arm_is_assigned_once(self) -> None:
        arms = {
            (row.data.get("experiment"), row.data.get("arm"))
            for row in self.all_records
            if "policy_version" in row.data
        }
        assert len(arms) <= 1

    @invariant()
    def network_limits_hold_per_card(self) -> None:
        requests = [
            row for row in self.all_records if row.type is EventType.CHARGE_REQUESTED and row.data.get("fingerprint")
        ]
        counted = [row for row in requests if _counts_for_network(self.all_records, row)]
        for row in requests:
            same_card = [record for record in counted if record.data["fingerprint"] == row.data["fingerprint"]]
            for allowed, window in zip(self.allowed, (DAY, 30 * DAY), strict=True):
                before = [other for other in same_card if timedelta(0) < row.occurred_at - other.occurred_at < window]
                assert len(before) < allowed

    @invariant()
    def plans_lie_ahead_and_inside_the_window(self) -> None:
        recovery = NEW_RECOVERY
        for row in self.all_records:
            recovery = fold_records(recovery, [row])
            if row.type is EventType.RETRY_PLANNED:
                at = parse_timestamp(row.data["at"])
                assert at
                assert recovery.window_ends_at
                assert row.occurred_at <= at <= recovery.window_ends_at

    @invariant()
    def log_is_one_chain(self) -> None:
        assert [row.sequence for row in self.all_records] == list(range(1, len(self.all_records) + 1))
        assert all(after.from_state is before.to_state for before, after in pairwise(self.all_records))

    @invariant()
    def recovery_closes_once_and_last(self) -> None:
        types = [row.type for row in self.all_records if row.type not in AFTER_THE_END]
        finals = [row for row in self.all_records if row.to_state.is_final]
        if finals:
            assert finals[0].type is EventType.RECOVERY_CLOSED
            assert types.count(EventType.RECOVERY_CLOSED) == 1
            assert types[-1] is EventType.RECOVERY_CLOSED
            assert {row.to_state for row in finals} == {finals[0].to_state}

    @invariant()
    def state_equals_its_log(self) -> None:
        records = [row for row in self.all_records if row.sequence <= self.recovery.sequence]
        assert fold_records(NEW_RECOVERY, records) == self.recovery
        again = Execution(self.log.append_events(NEW_RECOVERY, [opening_event(a_failure_event())], self.time)).finish()
        assert list(again) == self.all_records, "a repeat finds what is written"

    @invariant()
    def there_is_always_a_next_step(self) -> None:
        for span in (timedelta(0), HOUR, 30 * DAY, 4000 * DAY):
            next_step(self.recovery, self.time + span)

    def teardown(self) -> None:
        """Runs the recovery to its end by time alone."""
        if self.recovery.sequence:
            self.frozen.clear()
            self.crash_driver()
            self._resume_if_paused()
            for _ in range(100):
                if isinstance(next_step(self.recovery, self.time), Done):
                    break
                self.run_next_step(Cause.GENERIC, Risk(), NO_SIGNALS, Outcome.DECLINED, 99, 0, due=True)
                self.time += HOUR
            assert self.recovery.stage.is_final
        self.recovery_closes_once_and_last()
        self.at_most_one_success()

    def _resume_if_paused(self) -> None:
        if self.recovery.paused and not self.recovery.ending and not self.recovery.stage.is_final:
            self.operator_submits_command(Action.RESUME, None)


def _counts_for_network(rows: list[Record], request: Record) -> bool:
    """Whether the networks count this charge: not a successful one, nor one that was not executed."""
    landed = next((row for row in rows if row.type in ANSWER_TYPES and row.attempt == request.attempt), None)
    if landed is None or landed.type is EventType.CHARGE_DECLINED:
        return True
    return bool(landed.data.get("outcome") == Outcome.DECLINED)


def _allow_any_order(_: ChargeOrder) -> None:
    """Allows any order: an execution that slept may act on outdated knowledge."""


def _check_may_charge(recovery: Recovery, row: Record) -> None:
    """Asserts laws 1, 5 and 6 at the moment a charge is requested."""
    assert recovery.in_flight is None, "one at a time, after a definite answer"
    assert not recovery.stage.is_final
    assert recovery.ending is None
    assert not recovery.fraud_hold
    assert not recovery.paused
    assert recovery.stage is not State.IN_REVIEW
    assert recovery.cause is not Cause.STOP_INSTRUCTION, "the cardholder stopped these payments"
    if not row.data["method_id"]:
        assert recovery.category is not Category.HARD_DECLINE, "a refused card is not tried again"


@pytest.mark.timeout(120)
def test_money_laws() -> None:
    run_state_machine_as_test(
        MoneyMachine,
        settings=settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True, **QUIET_SETTINGS),
    )
