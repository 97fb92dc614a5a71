"""A recovery on the real gateway and the sandbox, with the log in memory and a clock set by hand."""

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from temporalio.testing import ActivityEnvironment

from activities.charging import Charging
from core.classification.taxonomy import Cause
from core.contracts import ChargeInput, ChargeReport, ReconcileInput
from core.events import Event, EventType, Record, Trigger, format_timestamp
from core.operators import Command
from core.payments import ProviderEvent
from core.recovery.commands import accept_command
from core.recovery.machine import append_events, fold_records
from core.recovery.reactions import opening_event, react_to_event
from core.recovery.state import Recovery
from providers.base import Gateway
from tests.providers.contract.subject import FailedPayment, ProviderControl, Subject, WebhookKind
from tests.support.memory_log import MemoryLog

Given = TypeVar("Given")
Answer = TypeVar("Answer")


@dataclass
class ChargeHarness:
    """A recovery whose scheduled charge is due."""

    subject: Subject
    books: ProviderControl
    gateway: Gateway
    failed_payment: FailedPayment
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    log: MemoryLog = field(default_factory=MemoryLog)

    def __post_init__(self) -> None:
        self.charging = Charging({self.subject.name: self.gateway}, self.log)
        self.append_events(opening_event(self._failure_event()))
        self.append_events(
            Event(type=EventType.RETRY_PLANNED, occurred_at=self.now, data={"at": format_timestamp(self.now)})
        )

    def _failure_event(self) -> ProviderEvent:
        """The failure event as its webhook reports it, with the sandbox's ids."""
        webhooks = self.subject.provider().create_webhooks()
        assert webhooks
        (event,) = webhooks.normalise(
            self.subject.signed_webhook(WebhookKind.FAILED, self.failed_payment.invoice_id).body
        )
        failure = (
            event.failure.model_copy(update={"method_id": self.failed_payment.method_id}) if event.failure else None
        )
        fields = {
            "customer_id": self.failed_payment.customer_id,
            "amount": self.failed_payment.amount,
            "failure": failure,
        }
        return event.model_copy(update=fields | {"currency": self.failed_payment.currency, "occurred_at": self.now})

    @property
    def recovery(self) -> Recovery:
        """The recovery as the log has it."""
        return fold_records(Recovery(provider=self.subject.name, invoice_id=self.failed_payment.invoice_id), self.rows)

    @property
    def rows(self) -> list[Record]:
        """The rows of the log."""
        name = Recovery(provider=self.subject.name, invoice_id=self.failed_payment.invoice_id).recovery_id
        return self.log.rows.setdefault(name, [])

    @property
    def written_types(self) -> list[str]:
        """The types of the rows behind the plan."""
        return [row.type.value for row in self.rows[2:]]

    def append_events(self, *events: Event) -> None:
        """Appends events to the log."""
        self.rows.extend(append_events(self.recovery, events, self.now)[1])

    def receive_event(self, event: ProviderEvent) -> None:
        """Handles a provider event."""
        self.append_events(*react_to_event(self.recovery, event))

    def handle_command(self, command: Command) -> None:
        """Handles an operator command."""
        self.append_events(*accept_command(self.recovery, command, self.now))

    async def run_charge(self) -> ChargeReport:
        """The report of the charge as the workflow orders it."""
        order = ChargeInput(now=self.now, recovery=self.recovery, trigger=Trigger.SCHEDULED)
        return await self._run_activity(self.charging.charge_invoice, order)

    async def run_reconcile(self, after: timedelta = timedelta(seconds=2)) -> ChargeReport:
        """The report of a reconciliation."""
        self.now += after
        return await self._run_activity(
            self.charging.reconcile_charge, ReconcileInput(now=self.now, recovery=self.recovery)
        )

    async def _run_activity(self, activity: Callable[[Given], Awaitable[Answer]], argument: Given) -> Answer:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, started_time=self.now)
        return await environment.run(activity, argument)

    async def charged_amounts(self) -> list[int]:
        """The amounts that the provider charged."""
        return [line.amount for line in await self.books.ledger(self.failed_payment.invoice_id)]

    async def idempotency_keys(self) -> list[str | None]:
        """The key of each pay call."""
        return [call.idempotency_key for call in await self.books.pay_calls(self.failed_payment.invoice_id)]


async def due_charge(
    subject: Subject, books: ProviderControl, gateway: Gateway, *script: str, cause: Cause = Cause.INSUFFICIENT_FUNDS
) -> ChargeHarness:
    """A harness whose charge does what the script says."""
    return ChargeHarness(subject, books, gateway, await books.fail_payment(*script, cause=cause))
