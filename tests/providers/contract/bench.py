"""A recovery on the real gateway and the fake provider, the log in memory and the clock by hand."""

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from temporalio.testing import ActivityEnvironment

from activities.charging import Charging
from core.classifier.taxonomy import Cause
from core.contracts import Charged, ChargeInput, Command, SettleInput
from core.events import Event, EventType, Record, Trigger, stamp
from core.payments import ProviderEvent
from core.retry.machine import fold, place_all
from core.retry.reactions import obey, opening, react
from core.retry.recovery import Recovery
from providers.base import Gateway
from tests.providers.contract.subject import Books, Failed, Says, Subject
from tests.support.memory_log import MemoryLog

Given = TypeVar("Given")
Answer = TypeVar("Answer")


@dataclass
class Bench:
    """A scheduled charge is due."""

    subject: Subject
    books: Books
    gateway: Gateway
    failed: Failed
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    log: MemoryLog = field(default_factory=MemoryLog)

    def __post_init__(self) -> None:
        self.charging = Charging({self.subject.name: self.gateway}, self.log)
        self.write(opening(self._told()))
        self.write(Event(type=EventType.RETRY_PLANNED, occurred_at=self.now, data={"at": stamp(self.now)}))

    def _told(self) -> ProviderEvent:
        """The failure as its webhook tells it, with what the fake gateway made of it."""
        webhooks = self.subject.provider().webhooks()
        assert webhooks
        (event,) = webhooks.normalise(self.subject.webhook(Says.FAILED, self.failed.invoice_id).body)
        failure = event.failure.model_copy(update={"method_id": self.failed.method_id}) if event.failure else None
        known = {"customer_id": self.failed.customer_id, "amount": self.failed.amount, "failure": failure}
        return event.model_copy(update=known | {"currency": self.failed.currency, "occurred_at": self.now})

    @property
    def recovery(self) -> Recovery:
        """As the log has it."""
        return fold(Recovery(provider=self.subject.name, invoice_id=self.failed.invoice_id), self.rows)

    @property
    def rows(self) -> list[Record]:
        """The log."""
        name = Recovery(provider=self.subject.name, invoice_id=self.failed.invoice_id).recovery_id
        return self.log.rows.setdefault(name, [])

    @property
    def told(self) -> list[str]:
        """The types of the rows behind the plan."""
        return [row.type.value for row in self.rows[2:]]

    def write(self, *events: Event) -> None:
        """Something happens."""
        self.rows.extend(place_all(self.recovery, events, self.now)[1])

    def hears(self, event: ProviderEvent) -> None:
        """The provider tells something."""
        self.write(*react(self.recovery, event))

    def obeys(self, command: Command) -> None:
        """A person wants something."""
        self.write(*obey(self.recovery, command, self.now))

    async def charge(self) -> Charged:
        """The charge as the workflow orders it."""
        order = ChargeInput(now=self.now, recovery=self.recovery, trigger=Trigger.SCHEDULED)
        return await self._run(self.charging.charge_invoice, order)

    async def settle(self, after: timedelta = timedelta(seconds=2)) -> Charged:
        """The workflow asks again."""
        self.now += after
        return await self._run(self.charging.settle_charge, SettleInput(now=self.now, recovery=self.recovery))

    async def _run(self, activity: Callable[[Given], Awaitable[Answer]], given: Given) -> Answer:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, started_time=self.now)
        return await environment.run(activity, given)

    async def money(self) -> list[int]:
        """What the provider took."""
        return [line.amount for line in await self.books.ledger(self.failed.invoice_id)]

    async def keys(self) -> list[str | None]:
        """The key of each pay call."""
        return [call.idempotency_key for call in await self.books.pay_calls(self.failed.invoice_id)]


async def due(
    subject: Subject, books: Books, gateway: Gateway, *script: str, cause: Cause = Cause.INSUFFICIENT_FUNDS
) -> Bench:
    """A bench whose charge does what the script says."""
    return Bench(subject, books, gateway, await books.fails(*script, cause=cause))
