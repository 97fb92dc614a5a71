"""One recovery without Temporal, database or provider: the pure parts, called one after another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from core.card_networks.rules import NetworkRules
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Cause, Classification
from core.contracts import ChargeInput
from core.events import Event, EventType, Record, State, Trigger
from core.fraud.assessment import assess_fraud
from core.operators import Action, Command
from core.payments import (
    ChargeResult,
    EventKind,
    FailureFacts,
    InvoiceStatus,
    InvoiceView,
    Outcome,
    ProviderEvent,
    Risk,
)
from core.planning.decision_input import DecisionConfig, DecisionInput
from core.planning.experiment_arms import resolve_arm
from core.planning.pipeline import decide
from core.policy.policy import Policy, StrategyFactory, parse_policy
from core.recovery import charge_events
from core.recovery.commands import accept_command
from core.recovery.invoice_check import check_invoice, final_check_events
from core.recovery.machine import Charge, Close, Step, append_events, next_step
from core.recovery.reactions import opening_event, react_to_event
from core.recovery.state import Recovery
from core.segmentation.rules import Segment
from core.strategies.exponential_backoff import ExponentialBackoff
from core.strategies.fixed_ladder import FixedLadder
from tests.support.builders import THEN, a_failure_event, an_event
from tests.support.gateway import decline_result

POLICY_FILE = Path(__file__).parents[2] / "core/policy/policies.toml"
STRATEGIES: Mapping[str, StrategyFactory] = {"fixed_ladder": FixedLadder, "exponential_backoff": ExponentialBackoff}
OPEN_INVOICE = InvoiceView(
    invoice_id="in_1", status=InvoiceStatus.OPEN, amount_due=4900, currency="EUR", customer_id="cus_1"
)
NEW_RECOVERY = Recovery(provider="stripe", invoice_id="in_1")


def shipped_decision_config(text: str | None = None) -> DecisionConfig:
    """The decision config of the shipped policy, or of this policy text, at real speed."""
    return decision_config_of(parse_policy(text or POLICY_FILE.read_text(), "policies.toml", STRATEGIES))


def decision_config_of(policy: Policy, strategies: Mapping[str, StrategyFactory] = STRATEGIES) -> DecisionConfig:
    """This policy, without decline tables and network limits."""
    return DecisionConfig(
        policy=policy, strategies=strategies, tables=DeclineTables({}, {}, {}), network_rules=NetworkRules(limits=())
    )


def decide_rows(decision_input: DecisionInput, config: DecisionConfig) -> tuple[Event, ...]:
    """The rows of the decision, by the arm of the recovery."""
    return decide(decision_input, resolve_arm(config, decision_input.recovery, decision_input.facts))


def classification_of(cause: Cause, wait_seconds: int | None = None) -> Classification:
    """A classification with this cause; `wait_seconds` is an advised wait."""
    return Classification(
        category=cause.category, cause=cause, decided_by="the test", source="the test", wait_seconds=wait_seconds
    )


@dataclass
class RecoveryScenario:
    """A recovery under test. Its methods return the types of the rows that they wrote."""

    decision_config: DecisionConfig = field(default_factory=shipped_decision_config)
    now: datetime = THEN
    recovery: Recovery = NEW_RECOVERY
    records: list[Record] = field(default_factory=list)

    def append_events(self, *events: Event) -> list[str]:
        """Appends events to the log at the current time."""
        self.recovery, records = append_events(self.recovery, events, self.now)
        self.records.extend(records)
        return [record.type.value for record in records]

    def fail_payment(self, cause: Cause = Cause.INSUFFICIENT_FUNDS, **more: Any) -> "RecoveryScenario":
        """Opens the recovery with a failed payment of this cause and decides on it. Returns the scenario."""
        self.append_events(opening_event(a_failure_event()))
        self.decide_failure(cause, **more)
        return self

    def receive_event(self, kind: EventKind | ProviderEvent, **more: Any) -> list[str]:
        """Handles a provider event; by default it occurred now."""
        event = kind if isinstance(kind, ProviderEvent) else an_event(kind, **{"occurred_at": self.now} | more)
        return self.append_events(*react_to_event(self.recovery, event))

    def submit_command(self, action: Action, **more: Any) -> list[str]:
        """Submits an operator command. Raises CommandRefused."""
        return self.append_events(*accept_command(self.recovery, Command(action=action, actor="ann", **more), self.now))

    def decide_failure(self, cause: Cause, *, wait_seconds: int | None = None, risk: Risk | None = None) -> list[str]:
        """Decides on the open failure as one of this cause."""
        classification = classification_of(cause, wait_seconds)
        facts = FailureFacts(invoice=OPEN_INVOICE, failure=self.recovery.failure, risk=risk or Risk())
        decision_input = DecisionInput(
            recovery=self.recovery,
            facts=facts,
            classification=classification,
            segment=Segment(name=self.recovery.segment or "default", rule="", why="the test"),
            assessment=assess_fraud(facts.risk, classification),
            now=self.now,
        )
        return self.append_events(*decide_rows(decision_input, self.decision_config))

    def request_charge(self, invoice: InvoiceView = OPEN_INVOICE, trigger: Trigger | None = None) -> list[str]:
        """Requests the due charge, or writes why the invoice forbids it. Fails where no charge is due."""
        step = self.next_step()
        assert isinstance(step, Charge), f"no charge is due, but {step!r}"
        order = ChargeInput(now=self.now, recovery=self.recovery, trigger=step.trigger, method_id=step.method_id)
        return self.append_events(
            *charge_events.request_charge(self.recovery, invoice, trigger or step.trigger, order.method_id, self.now)
        )

    def record_answer(self, result: ChargeResult, *, by_reading: bool = False) -> list[str]:
        """Writes the provider's answer to the charge in flight."""
        event = charge_events.charge_result_event(
            self.recovery, result, self.now, repeated=False, by_reading=by_reading
        )
        return self.append_events(event) if event else []

    def take_last_look(self, invoice: InvoiceView = OPEN_INVOICE) -> list[str]:
        """Reads the invoice once more before the recovery closes. Fails where no end is due."""
        step = self.next_step()
        assert isinstance(step, Close), f"no end is due, but {step!r}"
        assert step.read_first, "it ends without a look"
        return self.append_events(*final_check_events(self.recovery, step, invoice, self.now))

    def read_invoice(self, invoice: InvoiceView) -> list[str]:
        """Handles a fresh read of the invoice."""
        return self.append_events(*check_invoice(self.recovery, invoice, self.now))

    def advance_clock(self, span: timedelta) -> "RecoveryScenario":
        """Moves the clock on by `span`. Returns the scenario."""
        self.now += span
        return self

    def advance_until_due(self) -> "RecoveryScenario":
        """Moves the clock to the next planned charge. Returns the scenario."""
        assert self.recovery.next_attempt_at, "nothing is planned"
        self.now = max(self.now, self.recovery.next_attempt_at)
        return self

    def next_step(self) -> Step:
        """The machine's next step at the current time."""
        return next_step(self.recovery, self.now)

    def current_state(self) -> State:
        """The recovery's state."""
        return self.recovery.state

    @property
    def ending(self) -> tuple[State, str | None]:
        """The final state and its close reason. Fails while the recovery is open."""
        assert self.recovery.closed_at, f"it has not ended: {self.current_state()}"
        return self.recovery.state, self.recovery.close_reason

    def last_record(self, kind: EventType) -> Record:
        """The newest row of this type."""
        return next(record for record in reversed(self.records) if record.type is kind)


SOFT_DECLINE = decline_result("insufficient_funds")
NOT_CHARGED = ChargeResult(outcome=Outcome.NOT_CHARGED, reason="no_trace")


def scenario_in_flight(scenario: RecoveryScenario | None = None) -> RecoveryScenario:
    """A scenario whose scheduled charge has been requested and not yet answered."""
    scenario = (scenario or RecoveryScenario().fail_payment()).advance_until_due()
    scenario.request_charge()
    return scenario


def scenario_in_review(cause: Cause = Cause.FRAUD) -> RecoveryScenario:
    """A scenario that waits for a review by an operator."""
    return RecoveryScenario().fail_payment(cause)
