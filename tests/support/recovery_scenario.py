"""One recovery told in words, without Temporal, database or provider: the pure parts, one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

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
from core.planning.decision import decide_on_failure
from core.planning.decision_rows import DecisionConfig, DecisionInput
from core.policy.policy import StrategyFactory, parse_policy
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
    """The shipped policy, or this one, at real speed."""
    policy = parse_policy(text or POLICY_FILE.read_text(), "policies.toml", STRATEGIES)
    return DecisionConfig(policy=policy, strategies=STRATEGIES)


def classification_of(cause: Cause, wait_seconds: int | None = None) -> Classification:
    """A classification with this cause."""
    return Classification(
        category=cause.category, cause=cause, decided_by="the test", source="the test", wait_seconds=wait_seconds
    )


@dataclass
class RecoveryScenario:
    """Each method is one sentence; it answers with the types of the rows that were written for it."""

    decision_config: DecisionConfig = field(default_factory=shipped_decision_config)
    now: datetime = THEN
    recovery: Recovery = NEW_RECOVERY
    records: list[Record] = field(default_factory=list)

    def append_events(self, *events: Event) -> list[str]:
        """These events happen."""
        self.recovery, records = append_events(self.recovery, events, self.now)
        self.records.extend(records)
        return [record.type.value for record in records]

    def fail_payment(self, cause: Cause = Cause.INSUFFICIENT_FUNDS, **more: Any) -> "RecoveryScenario":
        """The payment fails, and it is decided what comes next."""
        self.append_events(opening_event(a_failure_event()))
        self.decide_failure(cause, **more)
        return self

    def receive_event(self, kind: EventKind | ProviderEvent, **more: Any) -> list[str]:
        """The provider says something, now unless it says otherwise."""
        event = kind if isinstance(kind, ProviderEvent) else an_event(kind, **{"occurred_at": self.now} | more)
        return self.append_events(*react_to_event(self.recovery, event))

    def submit_command(self, action: Action, **more: Any) -> list[str]:
        """An operator wants something. Raises Refused."""
        return self.append_events(*accept_command(self.recovery, Command(action=action, actor="ann", **more), self.now))

    def decide_failure(self, cause: Cause, *, wait_seconds: int | None = None, risk: Risk | None = None) -> list[str]:
        """The failure is of this cause; the whole decision about it."""
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
        return self.append_events(*decide_on_failure(decision_input, self.decision_config))

    def request_charge(self, invoice: InvoiceView = OPEN_INVOICE, trigger: Trigger | None = None) -> list[str]:
        """The charge that the machine asks for is requested, or what the invoice says against it written."""
        step = self.next_step()
        assert isinstance(step, Charge), f"no charge is due, but {step!r}"
        order = ChargeInput(now=self.now, recovery=self.recovery, trigger=step.trigger, method_id=step.method_id)
        return self.append_events(
            *charge_events.request_charge(self.recovery, invoice, trigger or step.trigger, order.method_id, self.now)
        )

    def record_answer(self, result: ChargeResult, *, by_reading: bool = False) -> list[str]:
        """What the provider says of the charge in flight."""
        event = charge_events.charge_result_event(
            self.recovery, result, self.now, repeated=False, by_reading=by_reading
        )
        return self.append_events(event) if event else []

    def take_last_look(self, invoice: InvoiceView = OPEN_INVOICE) -> list[str]:
        """It is about to end, and the provider is asked once more."""
        step = self.next_step()
        assert isinstance(step, Close), f"no end is due, but {step!r}"
        assert step.read_first, "it ends without a look"
        return self.append_events(*final_check_events(self.recovery, step, invoice, self.now))

    def read_invoice(self, invoice: InvoiceView) -> list[str]:
        """The provider is asked, and the invoice is found like this."""
        return self.append_events(*check_invoice(self.recovery, invoice, self.now))

    def advance_clock(self, span: timedelta) -> "RecoveryScenario":
        """Time passes."""
        self.now += span
        return self

    def advance_until_due(self) -> "RecoveryScenario":
        """It is the moment of the next charge."""
        assert self.recovery.next_attempt_at, "nothing is planned"
        self.now = max(self.now, self.recovery.next_attempt_at)
        return self

    def next_step(self) -> Step:
        """What is to be done now."""
        return next_step(self.recovery, self.now)

    def current_state(self) -> State:
        """Where it stands."""
        return self.recovery.state

    @property
    def ending(self) -> tuple[State, str | None]:
        """How it ended, and why."""
        assert self.recovery.closed_at, f"it has not ended: {self.current_state()}"
        return self.recovery.state, self.recovery.close_reason

    def last_record(self, kind: EventType) -> Record:
        """The newest row of that type."""
        return next(record for record in reversed(self.records) if record.type is kind)


SOFT_DECLINE = decline_result("insufficient_funds")
NOT_CHARGED = ChargeResult(outcome=Outcome.NOT_CHARGED, reason="no_trace")


def scenario_in_flight(scenario: RecoveryScenario | None = None) -> RecoveryScenario:
    """A scheduled charge has been sent."""
    scenario = (scenario or RecoveryScenario().fail_payment()).advance_until_due()
    scenario.request_charge()
    return scenario


def scenario_in_review(cause: Cause = Cause.FRAUD) -> RecoveryScenario:
    """It waits for an operator."""
    return RecoveryScenario().fail_payment(cause)
