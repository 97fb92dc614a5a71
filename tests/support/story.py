"""One recovery told in words, without Temporal, database or provider: the pure parts, one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from core.classifier.taxonomy import Cause, Classification
from core.contracts import Action, ChargeInput, Command
from core.events import Event, EventType, Record, State, Trigger
from core.fraud.assess import assess
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
from core.retry import pay
from core.retry.decide import Findings, Means, decide
from core.retry.fresh_look import last_word, observe
from core.retry.machine import Charge, Close, Step, next_step, place_all
from core.retry.policy import StrategyFactory, parse
from core.retry.reactions import obey, opening, react
from core.retry.recovery import Recovery
from core.retry.strategies.exponential_backoff import ExponentialBackoff
from core.retry.strategies.fixed_ladder import FixedLadder
from core.segmentation.segment import Segment
from tests.support.builders import THEN, a_failure_event, an_event
from tests.support.gateway import declined

POLICY_FILE = Path(__file__).parents[2] / "core/retry/policies.toml"
STRATEGIES: Mapping[str, StrategyFactory] = {"fixed_ladder": FixedLadder, "exponential_backoff": ExponentialBackoff}
OPEN = InvoiceView(invoice_id="in_1", status=InvoiceStatus.OPEN, amount_due=4900, currency="EUR", customer_id="cus_1")
NEW = Recovery(provider="stripe", invoice_id="in_1")


def shipped_means(text: str | None = None) -> Means:
    """The shipped policy, or this one, at real speed."""
    policy = parse(text or POLICY_FILE.read_text(), "policies.toml", STRATEGIES)
    return Means(policy=policy, strategies=STRATEGIES)


def classified(cause: Cause, wait_seconds: int | None = None) -> Classification:
    """A classification with this cause."""
    return Classification(
        category=cause.category, cause=cause, decided_by="the test", source="the test", wait_seconds=wait_seconds
    )


@dataclass
class Story:
    """Each method is one sentence; it answers with the types of the rows that were written for it."""

    means: Means = field(default_factory=shipped_means)
    now: datetime = THEN
    recovery: Recovery = NEW
    records: list[Record] = field(default_factory=list)

    def write(self, *events: Event) -> list[str]:
        """These events happen."""
        self.recovery, placed = place_all(self.recovery, events, self.now)
        self.records.extend(placed)
        return [record.type.value for record in placed]

    def fails(self, cause: Cause = Cause.INSUFFICIENT_FUNDS, **more: Any) -> "Story":
        """The payment fails, and it is decided what comes next."""
        self.write(opening(a_failure_event()))
        self.decides(cause, **more)
        return self

    def hears(self, kind: EventKind | ProviderEvent, **more: Any) -> list[str]:
        """The provider says something, now unless it says otherwise."""
        event = kind if isinstance(kind, ProviderEvent) else an_event(kind, **{"occurred_at": self.now} | more)
        return self.write(*react(self.recovery, event))

    def asked(self, action: Action, **more: Any) -> list[str]:
        """An operator wants something. Raises Refused."""
        return self.write(*obey(self.recovery, Command(action=action, actor="ann", **more), self.now))

    def decides(self, cause: Cause, *, wait_seconds: int | None = None, risk: Risk | None = None) -> list[str]:
        """The failure is of this cause; the whole decision about it."""
        found = classified(cause, wait_seconds)
        facts = FailureFacts(invoice=OPEN, failure=self.recovery.failure, risk=risk or Risk())
        findings = Findings(
            recovery=self.recovery,
            facts=facts,
            classification=found,
            segment=Segment(name=self.recovery.segment or "default", rule="", why="the test"),
            assessment=assess(facts.risk, found),
            now=self.now,
        )
        return self.write(*decide(findings, self.means))

    def charges(self, invoice: InvoiceView = OPEN, trigger: Trigger | None = None) -> list[str]:
        """The charge that the machine asks for is requested, or what the invoice says against it written."""
        step = self.step()
        assert isinstance(step, Charge), f"no charge is due, but {step!r}"
        order = ChargeInput(now=self.now, recovery=self.recovery, trigger=step.trigger, method_id=step.method_id)
        return self.write(*pay.checked(self.recovery, invoice, trigger or step.trigger, order, self.now))

    def answered(self, result: ChargeResult, *, by_reading: bool = False) -> list[str]:
        """What the provider says of the charge in flight."""
        event = pay.concluded(self.recovery, result, self.now, repeated=False, by_reading=by_reading)
        return self.write(event) if event else []

    def looks(self, invoice: InvoiceView = OPEN) -> list[str]:
        """It is about to end, and the provider is asked once more."""
        step = self.step()
        assert isinstance(step, Close), f"no end is due, but {step!r}"
        assert step.look, "it ends without a look"
        return self.write(*last_word(self.recovery, step, invoice, self.now))

    def reads(self, invoice: InvoiceView) -> list[str]:
        """The provider is asked, and the invoice is found like this."""
        return self.write(*observe(self.recovery, invoice, self.now))

    def later(self, span: timedelta) -> "Story":
        """Time passes."""
        self.now += span
        return self

    def until_due(self) -> "Story":
        """It is the moment of the next charge."""
        assert self.recovery.next_attempt_at, "nothing is planned"
        self.now = max(self.now, self.recovery.next_attempt_at)
        return self

    def step(self) -> Step:
        """What is to be done now."""
        return next_step(self.recovery, self.now)

    def state(self) -> State:
        """Where it stands."""
        return self.recovery.state

    @property
    def ended(self) -> tuple[State, str | None]:
        """How it ended, and why."""
        assert self.recovery.closed_at, f"it has not ended: {self.state()}"
        return self.recovery.state, self.recovery.close_reason

    def last(self, kind: EventType) -> Record:
        """The newest row of that type."""
        return next(record for record in reversed(self.records) if record.type is kind)


SOFT = declined("insufficient_funds")
NOT_CHARGED = ChargeResult(outcome=Outcome.NOT_CHARGED, reason="no_trace")


def in_flight(story: Story | None = None) -> Story:
    """A scheduled charge has been sent."""
    story = (story or Story().fails()).until_due()
    story.charges()
    return story


def reviewed(cause: Cause = Cause.FRAUD) -> Story:
    """It waits for an operator."""
    return Story().fails(cause)
