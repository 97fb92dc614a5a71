"""Activities outside of Temporal: an environment with a clock by hand, a scripted provider and a log in memory."""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from temporalio.testing import ActivityEnvironment

from activities.charging import Charging
from core.contracts import Charged, ChargeInput, SettleInput
from core.events import Event, EventType, Record, Trigger
from core.payments import Failure
from core.retry.machine import fold
from core.retry.recovery import Recovery
from tests.support.gateway import ScriptedGateway
from tests.support.memory_log import MemoryLog
from tests.support.story import Story

Given = TypeVar("Given")
Answer = TypeVar("Answer")


class BreakingLog(MemoryLog):
    """Fails before or after the commit of a row of that type, once."""

    def __init__(self) -> None:
        super().__init__()
        self.before: EventType | None = None
        self.after: EventType | None = None

    async def append(self, before: Recovery, events: Sequence[Event], now: datetime) -> tuple[Record, ...]:
        """As promised, or ConnectionError."""
        types = {event.type for event in events}
        if self.before in types:
            self.before = None
            raise ConnectionError("nothing was committed")
        records = await super().append(before, events, now)
        if self.after in types:
            self.after = None
            raise ConnectionError("committed, but nobody was told")
        return records


@dataclass
class Bench:
    """A recovery whose charge is due, and everything around it."""

    story: Story = field(default_factory=lambda: Story().fails().until_due())
    gateway: ScriptedGateway = field(default_factory=lambda: ScriptedGateway(failure=Failure(code="generic_decline")))
    log: BreakingLog = field(default_factory=BreakingLog)

    def __post_init__(self) -> None:
        self.log.rows[self.story.recovery.recovery_id] = list(self.story.records)
        self.charging = Charging({"stripe": self.gateway}, self.log)
        self.now = self.story.now

    async def run(self, activity: Callable[[Given], Awaitable[Answer]], given: Given) -> Answer:
        """The activity as Temporal runs it, started now."""
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, started_time=self.now)
        return await environment.run(activity, given)

    async def charge(self, trigger: Trigger = Trigger.SCHEDULED, method_id: str | None = None) -> Charged:
        """The charge as the workflow ordered it; a repeat gets the same order."""
        order = ChargeInput(now=self.story.now, recovery=self.story.recovery, trigger=trigger, method_id=method_id)
        self.now += timedelta(seconds=1)
        return await self.run(self.charging.charge_invoice, order)

    async def settle(self, after: timedelta = timedelta(seconds=2)) -> Charged:
        """The workflow has heard what is written, and asks again."""
        self.now += after
        return await self.run(self.charging.settle_charge, SettleInput(now=self.now, recovery=self.recovery))

    def write(self, *events: Event) -> None:
        """Something else happens."""
        heard = Story(now=self.now, recovery=self.recovery)
        heard.write(*events)
        self.log.rows[self.recovery.recovery_id].extend(heard.records)

    @property
    def recovery(self) -> Recovery:
        """As the log has it."""
        return fold(Recovery(provider="stripe", invoice_id="in_1"), self.log.rows[self.story.recovery.recovery_id])

    @property
    def told(self) -> list[str]:
        """The types of the rows behind the plan."""
        return [row.type.value for row in self.log.rows[self.recovery.recovery_id][len(self.story.records) :]]


@pytest.fixture
def bench() -> Bench:
    """A scheduled charge is due."""
    return Bench()
