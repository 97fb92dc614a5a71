"""Drives one recovery as the workflow does, without Temporal: a log in memory and a clock set by hand."""

from datetime import date, datetime, timedelta

from hypothesis.stateful import RuleBasedStateMachine, invariant

from activities.charging import ChargeAttempt
from core.card_networks.rules import NetworkLimit, NetworkRules
from core.classification.taxonomy import Cause
from core.contracts import ChargeInput, ChargeReport
from core.events import Event, Record
from core.fraud.assessment import NO_SIGNALS, assess_fraud
from core.fraud.signals import FraudSignals
from core.ids import idempotency_key
from core.payments import Card, ChargeOrder, CustomerView, FailureFacts, ProviderEvent, Risk
from core.planning.decision_input import DecisionInput
from core.planning.network_limits import failed_credential
from core.recovery.machine import Charge, Reconcile, fold_records
from core.recovery.reactions import react_to_event
from core.recovery.state import Recovery
from core.recovery.unknown_charges import NO_ATTEMPT
from core.segmentation.rules import Segment
from tests.support.builders import THEN
from tests.support.interruptible_provider import Execution, InterruptibleProvider
from tests.support.memory_log import MemoryLog
from tests.support.recovery_scenario import (
    NEW_RECOVERY,
    POLICY_FILE,
    classification_of,
    decide_rows,
    shipped_decision_config,
)

ARMS = """
[experiments.sooner]
holdout = 20

[experiments.sooner.arms.quick]
share = 50
attempts_allowed = 2
window_days = 9
"""
DECISION_CONFIG = shipped_decision_config(POLICY_FILE.read_text() + ARMS)
CARD = Card(fingerprint="fp_1", network="visa")


def _count_limit(window: str, days: int, allowed: int) -> NetworkLimit:
    fields = {"per_amount": False, "approval_resets": False, "effective": date(2020, 1, 1), "source": "the test"}
    return NetworkLimit(network="visa", window=window, length=timedelta(days=days), allowed=allowed, **fields)


def limited_network_rules(day: int, month: int) -> NetworkRules:
    """Network rules that allow `day` tries of a card in 24 hours and `month` in 30 days."""
    return NetworkRules(limits=(_count_limit("24h", 1, day), _count_limit("30d", 30, month)))


class Driver(RuleBasedStateMachine):
    """A recovery and its provider; `frozen` are executions that Temporal has given up as dead."""

    def __init__(self) -> None:
        super().__init__()
        self.time = THEN
        self.log = MemoryLog()
        self.provider = InterruptibleProvider(clock=lambda: self.time, departure=self.check_may_leave)
        self.recovery: Recovery = NEW_RECOVERY
        self.frozen: list[Execution[ChargeReport]] = []
        self.events = 0
        self.cause = Cause.INSUFFICIENT_FUNDS
        self.customer = "cus_1"
        self.allowed = (3, 5)

    def now(self) -> datetime:
        """The time, a microsecond later at each call so that no two are equal."""
        self.time += timedelta(microseconds=1)
        return self.time

    def append_events(self, *events: Event) -> None:
        records = Execution(self.log.append_events(self.recovery, events, self.time)).finish() if events else ()
        self.recovery = fold_records(self.recovery, records)

    def receive_event(self, event: ProviderEvent) -> None:
        for _ in range(3):
            if not (events := react_to_event(self.recovery, event)):
                return
            self.append_events(*events)
        raise AssertionError("it is heard again and again")

    def failure_facts(self, risk: Risk) -> FailureFacts:
        customer = CustomerView(customer_id=self.customer)
        return FailureFacts(
            invoice=self.provider.invoice, failure=self.recovery.failure, risk=risk, card=CARD, customer=customer
        )

    def decide_failure(self, risk: Risk, signals: FraudSignals = NO_SIGNALS) -> None:
        classification, facts = classification_of(self.cause), self.failure_facts(risk)
        segment = Segment(name=self.recovery.segment or "default", rule="", why="")
        card = failed_credential(self.recovery, facts)
        tries = Execution(self.log.load_attempts(card, self.network_rules, self.time)).finish()
        decision_input = DecisionInput(
            recovery=self.recovery,
            facts=facts,
            classification=classification,
            segment=segment,
            assessment=assess_fraud(risk, classification, signals),
            now=self.time,
            attempts=tuple(tries),
        )
        config = DECISION_CONFIG.model_copy(update={"network_rules": self.network_rules})
        self.append_events(*decide_rows(decision_input, config))

    def start_charge(self, step: Charge | Reconcile) -> Execution[ChargeReport]:
        attempt = ChargeAttempt(self.recovery, self.provider, self.log, self, lambda: self.network_rules)  # type: ignore[arg-type]
        self.provider.now = self.time
        return Execution(_execute_charge(attempt, self.recovery, step, self.time))

    @invariant()
    def silence_is_the_answer_only_where_nothing_was_charged(self) -> None:
        for row in (row for row in self.all_records if row.data.get("reason") == NO_ATTEMPT):
            assert idempotency_key("stripe", "in_1", row.attempt or 0) not in self.provider.results_by_key
            assert fold_records(NEW_RECOVERY, self.all_records[: row.sequence - 1]).ending

    def check_may_leave(self, order: ChargeOrder) -> None:
        """Asserts that no order leaves us, by whatever execution, once an ending is in the log (money law 6)."""
        recovery = fold_records(NEW_RECOVERY, self.all_records)
        assert recovery.in_flight == order, "committed before it is sent"
        assert recovery.ending is None, "the repeat may be the one that charges"

    @property
    def network_rules(self) -> NetworkRules:
        """The rules of the card's network in this test."""
        return limited_network_rules(*self.allowed)

    @property
    def all_records(self) -> list[Record]:
        return self.log.rows.get(NEW_RECOVERY.recovery_id, [])


async def _execute_charge(
    attempt: ChargeAttempt, recovery: Recovery, step: Charge | Reconcile, now: datetime
) -> ChargeReport:
    """The report of one charge or reconciliation, in the order of `activities.charging`."""
    if isinstance(step, Charge):
        order = ChargeInput(now=now, recovery=recovery, trigger=step.trigger, method_id=step.method_id)
        recovery_now = await attempt.request_charge(order)
        if recovery_now.in_flight and attempt.is_own_request:
            return await attempt.send_charge(recovery_now)
    else:
        recovery_now = await attempt.catch_up()
    return await attempt.reconcile_charge(recovery_now) if recovery_now.in_flight else attempt.result_so_far()
