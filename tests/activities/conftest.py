"""Activities without Temporal: a clock set by hand, a scripted provider and a log in memory."""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from temporalio.testing import ActivityEnvironment

from activities.charging import Charging
from core.contracts import ChargeInput, ChargeReport, ReconcileInput
from core.events import Event, EventType, Record, Trigger
from core.payments import Failure
from core.recovery.machine import fold_records
from core.recovery.state import Recovery
from tests.support.gateway import ScriptedGateway
from tests.support.memory_log import MemoryLog
from tests.support.recovery_scenario import RecoveryScenario

Given = TypeVar("Given")
Answer = TypeVar("Answer")


class FailingLog(MemoryLog):
    """A log that fails once, before or after the commit of a row of this type."""

    def __init__(self) -> None:
        super().__init__()
        self.before: EventType | None = None
        self.after: EventType | None = None

    async def append_events(self, before: Recovery, events: Sequence[Event], now: datetime) -> tuple[Record, ...]:
        """The appended rows. Raises ConnectionError where it is to fail."""
        types = {event.type for event in events}
        if self.before in types:
            self.before = None
            raise ConnectionError("nothing was committed")
        records = await super().append_events(before, events, now)
        if self.after in types:
            self.after = None
            raise ConnectionError("committed, but nobody was told")
        return records


@dataclass
class ChargeHarness:
    """A recovery whose charge is due, with its gateway, log and clock."""

    scenario: RecoveryScenario = field(default_factory=lambda: RecoveryScenario().fail_payment().advance_until_due())
    gateway: ScriptedGateway = field(default_factory=lambda: ScriptedGateway(failure=Failure(code="generic_decline")))
    log: FailingLog = field(default_factory=FailingLog)

    def __post_init__(self) -> None:
        self.log.rows[self.scenario.recovery.recovery_id] = list(self.scenario.records)
        self.charging = Charging({"stripe": self.gateway}, self.log)
        self.now = self.scenario.now

    async def run_activity(self, activity: Callable[[Given], Awaitable[Answer]], argument: Given) -> Answer:
        """The activity's result, run as Temporal runs it, started now."""
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, started_time=self.now)
        return await environment.run(activity, argument)

    async def run_charge(self, trigger: Trigger = Trigger.SCHEDULED, method_id: str | None = None) -> ChargeReport:
        """The report of the charge as the workflow orders it; a repeat gets the same order."""
        order = ChargeInput(
            now=self.scenario.now, recovery=self.scenario.recovery, trigger=trigger, method_id=method_id
        )
        self.now += timedelta(seconds=1)
        return await self.run_activity(self.charging.charge_invoice, order)

    async def run_reconcile(self, after: timedelta = timedelta(seconds=2)) -> ChargeReport:
        """The report of a reconciliation, with the recovery as it is in the log."""
        self.now += after
        return await self.run_activity(
            self.charging.reconcile_charge, ReconcileInput(now=self.now, recovery=self.recovery)
        )

    def append_events(self, *events: Event) -> None:
        """Appends other events to the log."""
        scenario = RecoveryScenario(now=self.now, recovery=self.recovery)
        scenario.append_events(*events)
        self.log.rows[self.recovery.recovery_id].extend(scenario.records)

    @property
    def recovery(self) -> Recovery:
        """The recovery as the log has it."""
        return fold_records(
            Recovery(provider="stripe", invoice_id="in_1"), self.log.rows[self.scenario.recovery.recovery_id]
        )

    @property
    def written_types(self) -> list[str]:
        """The types of the rows behind the plan."""
        return [row.type.value for row in self.log.rows[self.recovery.recovery_id][len(self.scenario.records) :]]


@pytest.fixture
def harness() -> ChargeHarness:
    """A recovery whose scheduled charge is due."""
    return ChargeHarness()
