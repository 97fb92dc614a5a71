"""What the workflow does, without Temporal: hears, decides and charges, on a log in memory and a clock by hand."""

from datetime import date, datetime, timedelta

from hypothesis.stateful import RuleBasedStateMachine

from activities.attempt import Attempt
from core.classifier.taxonomy import Cause
from core.contracts import Charged, ChargeInput
from core.events import Event, Record
from core.fraud.assess import NOTHING, assess
from core.fraud.signals import FraudSignals
from core.payments import Card, CustomerView, FailureFacts, ProviderEvent, Risk
from core.retry.decide import Findings, decide
from core.retry.machine import Charge, Settle, fold
from core.retry.network_plan import found_card, within_network
from core.retry.network_rules import Limit, NetworkRules
from core.retry.reactions import react
from core.retry.recovery import Recovery
from core.segmentation.segment import Segment
from tests.support.builders import THEN
from tests.support.memory_log import MemoryLog
from tests.support.story import NEW, POLICY_FILE, classified, shipped_means
from tests.support.till import Execution, Till

ARMS = """
[experiments.sooner]
holdout = 20

[experiments.sooner.arms.quick]
share = 50
attempts_allowed = 2
window_days = 9
"""
MEANS = shipped_means(POLICY_FILE.read_text() + ARMS)
CARD = Card(fingerprint="fp_1", network="visa")


def _limit(window: str, days: int, allowed: int) -> Limit:
    known = {"per_amount": False, "approval_resets": False, "effective": date(2020, 1, 1), "source": "the test"}
    return Limit(network="visa", window=window, length=timedelta(days=days), allowed=allowed, **known)


def network_rules(day: int, month: int) -> NetworkRules:
    """A network that allows so many tries of one card in a day and in 30."""
    return NetworkRules(limits=(_limit("24h", 1, day), _limit("30d", 30, month)))


class Driver(RuleBasedStateMachine):
    """One recovery and its provider; `frozen` are executions that Temporal has taken for dead."""

    def __init__(self) -> None:
        super().__init__()
        self.time = THEN
        self.log = MemoryLog()
        self.till = Till()
        self.recovery: Recovery = NEW
        self.frozen: list[Execution[Charged]] = []
        self.events = 0
        self.cause = Cause.INSUFFICIENT_FUNDS
        self.customer = "cus_1"
        self.allowed = (3, 5)

    def now(self) -> datetime:
        """No two moments are the same."""
        self.time += timedelta(microseconds=1)
        return self.time

    def write(self, *events: Event) -> None:
        written = Execution(self.log.append(self.recovery, events, self.time)).finish() if events else ()
        self.recovery = fold(self.recovery, written)

    def hear(self, event: ProviderEvent) -> None:
        for _ in range(3):
            if not (events := react(self.recovery, event)):
                return
            self.write(*events)
        raise AssertionError("it is heard again and again")

    def facts(self, risk: Risk) -> FailureFacts:
        customer = CustomerView(customer_id=self.customer)
        return FailureFacts(
            invoice=self.till.invoice, failure=self.recovery.failure, risk=risk, card=CARD, customer=customer
        )

    def decide(self, risk: Risk, signals: FraudSignals = NOTHING) -> None:
        found, facts = classified(self.cause), self.facts(risk)
        segment = Segment(name=self.recovery.segment or "default", rule="", why="")
        findings = Findings(
            recovery=self.recovery,
            facts=facts,
            classification=found,
            segment=segment,
            assessment=assess(risk, found, signals),
            now=self.time,
        )
        card = found_card(findings)
        tries = Execution(self.log.tries(card, self.network, self.time)).finish()
        self.write(*within_network(self.recovery, decide(findings, MEANS), card, self.network, tries))

    def attempt(self, step: Charge | Settle) -> Execution[Charged]:
        trying = Attempt(self.recovery, self.till, self.log, self, lambda: self.network)  # type: ignore[arg-type]
        self.till.now = self.time
        return Execution(_charged(trying, self.recovery, step, self.time))

    @property
    def network(self) -> NetworkRules:
        """What the card's network allows."""
        return network_rules(*self.allowed)

    @property
    def rows(self) -> list[Record]:
        return self.log.rows.get(NEW.recovery_id, [])


async def _charged(attempt: Attempt, recovery: Recovery, step: Charge | Settle, now: datetime) -> Charged:
    """The order of `activities.charging`."""
    known = await attempt.catch_up()
    if isinstance(step, Charge) and known.sequence == recovery.sequence:
        order = ChargeInput(now=now, recovery=recovery, trigger=step.trigger, method_id=step.method_id)
        known = await attempt.request(order)
        if known.in_flight and attempt.just_requested:
            return await attempt.send(known)
    return await attempt.find_out(known) if known.in_flight else attempt.so_far()
