"""A provider that answers as a simulator's luck had it, and the stage where the real workflow meets it."""

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
from db.repositories.history import CustomerHistory
from simulator.cases import Case
from simulator.outcomes import Outcomes
from simulator.telling import FIRST_CARD, OTHER_CARD, declined, earlier_tries, invoice_of, moment, words_about
from tests.support.memory_log import MemoryLog
from workflows.names import QUEUE

PROVIDER = "stripe"


@dataclass
class Scene:
    """What the provider knows of one invoice, and how its charges will end."""

    case: Case
    outcomes: Outcomes
    script: list[bool]
    card: Card = field(default_factory=Card)
    paid: bool = False
    answers: dict[str, ChargeResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.card = self.case.kind.card.model_copy(update={"fingerprint": FIRST_CARD})

    def invoice(self) -> InvoiceView:
        """As it stands."""
        status = InvoiceStatus.PAID if self.paid else InvoiceStatus.OPEN
        return invoice_of(self.case).model_copy(update={"status": status})

    def charge(self, order: ChargeOrder) -> ChargeResult:
        """The next of the script for a new key."""
        if order.idempotency_key not in self.answers:
            self.answers[order.idempotency_key] = self._answer(self.script.pop(0))
        return self.answers[order.idempotency_key]

    def _answer(self, won: bool) -> ChargeResult:
        self.paid = self.paid or won
        if won:
            return ChargeResult(outcome=Outcome.SUCCEEDED, card=self.card)
        failure = declined(self.case, self.card, self.outcomes)
        return ChargeResult(outcome=Outcome.DECLINED, failure=failure, card=self.card)


class Theatre:
    """A provider for all scenes, and the log that they are written to."""

    def __init__(self) -> None:
        self.idempotency: timedelta | None = timedelta(hours=23)
        self.can_read = True
        self.scenes: dict[str, Scene] = {}
        self.log = MemoryLog()

    def begin(self, scene: Scene) -> None:
        """A new one, with a card of its own."""
        self.log.ledger.clear()
        self.scenes[scene.case.invoice_id] = scene
        for entry in earlier_tries(scene.case, PROVIDER, scene.card):
            self.log.ledger[entry.recovery_id, entry.key] = entry

    async def history(self, _: str, customer_id: str, __: str) -> CustomerHistory:
        """What our own log would say of the customer."""
        payer = next(one.case.payer for one in self.scenes.values() if one.case.customer_id == customer_id)
        known = payer.profile
        return CustomerHistory(
            successes=known.successes or 0,
            failures=known.failures or 0,
            open_recoveries=known.open_recoveries or 0,
            recovered_amounts={payer.currency: known.lifetime_value or 0},
        )

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """The invoice as it stands."""
        return self.scenes[invoice_id].invoice()

    async def read_failure(self, invoice_id: str, _: ProviderEvent | None) -> FailureFacts:
        """All there is to know."""
        scene = self.scenes[invoice_id]
        case, tenure = scene.case, timedelta(days=scene.case.payer.profile.tenure_days or 0)
        customer = CustomerView(
            customer_id=case.customer_id,
            created_at=moment(case.failed_at) - tenure,
            country=case.payer.country,
            time_zone=case.payer.time_zone,
        )
        return FailureFacts(
            invoice=scene.invoice(), failure=case.kind.failure, card=scene.card, customer=customer, risk=case.kind.risk
        )

    async def read_card(self, invoice_id: str, _: str | None) -> Card | None:
        """The one that would be charged."""
        return self.scenes[invoice_id].card

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """As the simulator's luck had it."""
        return self.scenes[order.invoice_id].charge(order)

    async def settle(self, _: ChargeOrder) -> ChargeResult:
        """Nothing is ever in doubt here."""
        raise AssertionError("every charge has a definite answer")

    async def resolve(self, event: ProviderEvent) -> ProviderEvent:
        """Nothing to add."""
        return event

    async def close(self) -> None:
        """Nothing to let go of."""


class Stage:
    """Plays cases on the real workflow, one after another."""

    def __init__(self, environment: WorkflowEnvironment, theatre: Theatre) -> None:
        self._environment, self._theatre = environment, theatre

    async def now(self) -> int:
        """By the server's clock, in whole seconds."""
        return int((await self._environment.get_current_time()).timestamp())

    async def play(self, scene: Scene, closes_at: int) -> list[Record]:
        """The case to its end by the real workflow, and the rows that were written. Nothing is said after the end."""
        self._theatre.begin(scene)
        failed, *others = words_about(scene.case, PROVIDER)
        await self._until(failed)
        handle = await self._start(failed)
        for word in others:
            if word.occurred_at.timestamp() <= closes_at:
                await self._say(handle, scene, word)
        await handle.result()
        return self._theatre.log.rows[handle.id]

    async def _start(self, event: ProviderEvent) -> WorkflowHandle[Any, RecoveryStatus]:
        return await self._environment.client.start_workflow(
            "PaymentRecovery",
            RecoveryInput(provider=PROVIDER, invoice_id=str(event.invoice_id)),
            id=f"recovery-{PROVIDER}-{event.invoice_id}",
            task_queue=QUEUE,
            result_type=RecoveryStatus,
            start_signal="provider_event",
            start_signal_args=[event],
        )

    async def _say(self, handle: WorkflowHandle[Any, RecoveryStatus], scene: Scene, word: ProviderEvent) -> None:
        """When its time has come."""
        await self._until(word)
        if word.kind is EventKind.INVOICE_PAID:
            scene.paid = True
        else:
            scene.card = scene.card.model_copy(update={"fingerprint": OTHER_CARD})
        await handle.signal("provider_event", word)

    async def _until(self, word: ProviderEvent) -> None:
        await self._environment.sleep(word.occurred_at - await self._environment.get_current_time())
