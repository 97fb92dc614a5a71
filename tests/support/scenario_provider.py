"""A provider that answers charges as the simulator drew them, and a runner of such cases on the real workflow."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from core.contracts import RecoveryInput, RecoveryStatus
from core.events import Record
from core.payments import (
    Card,
    ChargeOrder,
    ChargeResult,
    CustomerView,
    EventKind,
    FailureFacts,
    InvoiceStatus,
    InvoiceView,
    Outcome,
    ProviderEvent,
)
from db.queries.customer_history import CustomerHistory
from simulator.engines.live_records import (
    FIRST_CARD,
    SECOND_CARD,
    decline_charge,
    list_earlier_entries,
    list_provider_events,
    to_invoice_view,
    to_utc_datetime,
)
from simulator.model.cases import Case
from simulator.model.success_chances import OutcomeChances
from tests.support.memory_log import MemoryLog
from workflows.options import RECOVERY_QUEUE

PROVIDER = "stripe"


@dataclass
class InvoiceScenario:
    """An invoice at the provider, with the drawn results of its charges."""

    case: Case
    outcomes: OutcomeChances
    script: list[bool]
    card: Card = field(default_factory=Card)
    is_paid: bool = False
    answers: dict[str, ChargeResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.card = self.case.kind.card.model_copy(update={"fingerprint": FIRST_CARD})

    def invoice_view(self) -> InvoiceView:
        """The invoice, open or paid."""
        status = InvoiceStatus.PAID if self.is_paid else InvoiceStatus.OPEN
        return to_invoice_view(self.case).model_copy(update={"status": status})

    def answer_charge(self, order: ChargeOrder) -> ChargeResult:
        """The next scripted result for a new key, the first result for a repeated one."""
        if order.idempotency_key not in self.answers:
            self.answers[order.idempotency_key] = self._charge_result(self.script.pop(0))
        return self.answers[order.idempotency_key]

    def _charge_result(self, is_won: bool) -> ChargeResult:
        self.is_paid = self.is_paid or is_won
        if is_won:
            return ChargeResult(outcome=Outcome.SUCCEEDED, card=self.card)
        failure = decline_charge(self.case, self.card, self.outcomes)
        return ChargeResult(outcome=Outcome.DECLINED, failure=failure, card=self.card)


class ScenarioProvider:
    """A provider for all invoice scenarios, with the log of their recoveries."""

    def __init__(self) -> None:
        self.idempotency: timedelta | None = timedelta(hours=23)
        self.can_read = True
        self.longest_request = timedelta(minutes=2)
        self.scenarios: dict[str, InvoiceScenario] = {}
        self.log = MemoryLog()

    def add_scenario(self, scenario: InvoiceScenario) -> None:
        """Adds an invoice whose card has only the tries of its own case."""
        self.log.ledger.clear()
        self.scenarios[scenario.case.invoice_id] = scenario
        for entry in list_earlier_entries(scenario.case, PROVIDER, scenario.card):
            self.log.ledger[entry.recovery_id, entry.key] = entry

    async def read_history(self, _: str, customer_id: str, __: str) -> CustomerHistory:
        """The customer's history as our own log would have it."""
        payer = next(
            scenario.case.payer for scenario in self.scenarios.values() if scenario.case.customer_id == customer_id
        )
        profile = payer.profile
        return CustomerHistory(
            successes=profile.successes or 0,
            failures=profile.failures or 0,
            open_recoveries=profile.open_recoveries or 0,
            recovered_amounts={payer.currency: profile.lifetime_value or 0},
        )

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """The invoice."""
        return self.scenarios[invoice_id].invoice_view()

    async def read_failure(self, invoice_id: str, _: ProviderEvent | None) -> FailureFacts:
        """The facts of the case: failure, card, customer and risk."""
        scenario = self.scenarios[invoice_id]
        case, tenure = scenario.case, timedelta(days=scenario.case.payer.profile.tenure_days or 0)
        customer = CustomerView(
            customer_id=case.customer_id,
            created_at=to_utc_datetime(case.failed_at) - tenure,
            country=case.payer.country,
            time_zone=case.payer.time_zone,
        )
        return FailureFacts(
            invoice=scenario.invoice_view(),
            failure=case.kind.failure,
            card=scenario.card,
            customer=customer,
            risk=case.kind.risk,
        )

    async def read_card(self, invoice_id: str, _: str | None) -> Card | None:
        """The card that would be charged."""
        return self.scenarios[invoice_id].card

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """The drawn result."""
        return self.scenarios[order.invoice_id].answer_charge(order)

    async def reconcile(self, _: ChargeOrder) -> ChargeResult:
        """Fails: every charge has a definite answer."""
        raise AssertionError("every charge has a definite answer")

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """The event unchanged."""
        return event

    async def close(self) -> None:
        """Does nothing: there are no connections."""


class WorkflowRunner:
    """Runs cases on the real workflow, one after another."""

    def __init__(self, environment: WorkflowEnvironment, provider: ScenarioProvider) -> None:
        self._environment, self._provider = environment, provider

    async def server_time(self) -> int:
        """The server's clock in whole seconds since 1970 (UTC)."""
        return int((await self._environment.get_current_time()).timestamp())

    async def run_scenario(self, scenario: InvoiceScenario, closes_at: int) -> list[Record]:
        """Runs the case to its end and returns its rows. Events after `closes_at` are not sent."""
        self._provider.add_scenario(scenario)
        failed, *later_events = list_provider_events(scenario.case, PROVIDER)
        await self._sleep_until(failed)
        handle = await self._start_workflow(failed)
        for event in later_events:
            if event.occurred_at.timestamp() <= closes_at:
                await self._deliver_event(handle, scenario, event)
        await handle.result()
        return self._provider.log.rows[handle.id]

    async def _start_workflow(self, event: ProviderEvent) -> WorkflowHandle[Any, RecoveryStatus]:
        return await self._environment.client.start_workflow(
            "PaymentRecovery",
            RecoveryInput(provider=PROVIDER, invoice_id=str(event.invoice_id)),
            id=f"recovery-{PROVIDER}-{event.invoice_id}",
            task_queue=RECOVERY_QUEUE,
            result_type=RecoveryStatus,
            start_signal="provider_event",
            start_signal_args=[event],
        )

    async def _deliver_event(
        self, handle: WorkflowHandle[Any, RecoveryStatus], scenario: InvoiceScenario, event: ProviderEvent
    ) -> None:
        """Sends the event when its time has come."""
        await self._sleep_until(event)
        if event.kind is EventKind.INVOICE_PAID:
            scenario.is_paid = True
        else:
            scenario.card = scenario.card.model_copy(update={"fingerprint": SECOND_CARD})
        await handle.signal("provider_event", event)

    async def _sleep_until(self, event: ProviderEvent) -> None:
        await self._environment.sleep(event.occurred_at - await self._environment.get_current_time())
