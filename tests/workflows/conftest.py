"""The real workflow and the real activities on the time-skipping server; provider and log in memory.

The server's clock is global: one recovery at a time.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Interceptor, Worker

import catalog
from activities.charging import Charging
from activities.contacts import Contacts
from activities.decisions import Decisions
from activities.messaging import Messaging
from activities.recording import NO_APPROVAL_NEEDED, ApprovalCheck, Recording
from catalog import DecisionSources
from core.contracts import RecoveryInput, RecoveryStatus
from core.durations import TimeScale
from core.events import EventType, Record
from core.operators import Command
from core.payments import Failure, ProviderEvent
from db.queries.customer_history import CustomerHistory
from lookups.fraud_signals import FraudSignalLookup
from lookups.shadow_plan import ShadowPlanner
from notifications.composer import MessageComposer
from providers.base import load_providers
from settings import SHIPPED_POLICY, Settings
from tests.db.conftest import addresses, cluster, database, fresh_database, migrated
from tests.support.builders import a_failure_event
from tests.support.gateway import ScriptedGateway
from tests.support.mailbox import MemoryChannel, MemoryContacts, MemoryOutbox
from tests.support.memory_log import MemoryLog
from tests.tools import time_skipping_server
from workflows.client import WORKFLOWS, temporal_plugin
from workflows.options import RECOVERY_QUEUE, charge_queue

__all__ = ["addresses", "cluster", "database", "fresh_database", "migrated"]


@pytest.fixture(scope="session")
async def time_server() -> AsyncIterator[WorkflowEnvironment]:
    """The time-skipping server, with our plugin on its client."""
    async with time_skipping() as environment:
        yield environment


@asynccontextmanager
async def time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A time-skipping server with a clock of its own."""
    program = str(time_skipping_server.find_test_server(Settings().temporal_test_server))
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=program,
        plugins=[temporal_plugin()],
        test_server_startup_timeout=timedelta(seconds=60),
    ) as environment:
        yield environment


@pytest.fixture(scope="session")
def decision_sources() -> DecisionSources:
    """The sources that decisions are made from."""
    return shipped_sources()


def shipped_sources() -> DecisionSources:
    """The shipped tables, policy and strategies at real speed."""
    strategies = catalog.installed_strategies()
    codes = {name: provider.decline_codes for name, provider in load_providers({}).items()}
    return DecisionSources(
        catalog.load_decline_tables(codes), catalog.PolicyFile(SHIPPED_POLICY, strategies), strategies, TimeScale()
    )


async def unknown_history(_: str, __: str, ___: str) -> CustomerHistory:
    """The history of a customer without earlier payments."""
    return CustomerHistory()


@dataclass
class RecoveryRun:
    """One recovery under test: sends it events and commands, and reads its log."""

    environment: WorkflowEnvironment
    gateway: ScriptedGateway
    log: MemoryLog = field(default_factory=MemoryLog)
    message_channel: MemoryChannel | None = None
    """What the customer gets; None where no channel is set up."""
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)
    approvals: ApprovalCheck = NO_APPROVAL_NEEDED
    invoice_id: str = field(default_factory=lambda: f"in_{uuid.uuid4().hex[:8]}")
    handle: WorkflowHandle[Any, RecoveryStatus] | None = None

    async def begin_with_failure(self, event: ProviderEvent | None = None, history_limit: int = 10_000) -> datetime:
        """Sends the failure. Returns the time at which it occurred."""
        now = await self.environment.get_current_time()
        await self.send_event(event or a_failure_event(occurred_at=now), history_limit=history_limit)
        return now

    async def send_event(self, event: ProviderEvent, history_limit: int = 10_000) -> None:
        """Sends a provider event by signal-with-start, as the intake does."""
        self.handle = await self.environment.client.start_workflow(
            "PaymentRecovery",
            RecoveryInput(provider="stripe", invoice_id=self.invoice_id, history_limit=history_limit),
            id=f"recovery-stripe-{self.invoice_id}",
            task_queue=RECOVERY_QUEUE,
            result_type=RecoveryStatus,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="provider_event",
            start_signal_args=[event.model_copy(update={"invoice_id": self.invoice_id})],
        )

    @property
    def running_handle(self) -> WorkflowHandle[Any, RecoveryStatus]:
        """The handle of the running recovery."""
        assert self.handle is not None, "begin first"
        return self.handle

    async def submit_update(self, update: str, command: Command) -> RecoveryStatus:
        """Submits an operator command as an update. Returns the recovery's status."""
        answer = await self.running_handle.execute_update(update, command, result_type=RecoveryStatus)
        return RecoveryStatus.model_validate(answer)

    async def advance_clock(self, span: timedelta) -> datetime:
        """Lets time pass. Returns the new time."""
        await self.environment.sleep(span)
        return await self.environment.get_current_time()

    async def wait_for_end(self) -> RecoveryStatus:
        """Skips time until the recovery has ended. Returns its status."""
        return await self.running_handle.result()

    @property
    def records(self) -> list[Record]:
        """The rows of the log."""
        return self.log.rows.get(f"recovery-stripe-{self.invoice_id}", [])

    @property
    def event_types(self) -> list[str]:
        """The types of all rows."""
        return [record.type.value for record in self.records]

    def first_record(self, kind: EventType) -> Record:
        """The first row of this type."""
        return next(record for record in self.records if record.type is kind)

    def all_records_of(self, kind: EventType) -> list[Record]:
        """All rows of this type."""
        return [record for record in self.records if record.type is kind]


class RecoveryRuns:
    """Starts recoveries; workers run while one is open."""

    def __init__(self, environment: WorkflowEnvironment, sources: DecisionSources, stack: AsyncExitStack) -> None:
        self._environment, self._sources, self._stack = environment, sources, stack

    async def __call__(self, code: str = "insufficient_funds", **gateway: Any) -> RecoveryRun:
        """A recovery at a provider whose invoice failed with this code."""
        shadow, post = gateway.pop("shadow", None), gateway.pop("post", None)
        fraud_signals, between = gateway.pop("fraud_signals", None), gateway.pop("interceptors", ())
        approvals = gateway.pop("approvals", NO_APPROVAL_NEEDED)
        scripted = ScriptedGateway(failure=gateway.pop("failure", Failure(code=code)), **gateway)
        recovery_run = RecoveryRun(self._environment, scripted, message_channel=post, approvals=approvals)
        await self.start_workers(recovery_run, shadow, fraud_signals, between)
        return recovery_run

    async def start_workers(
        self,
        recovery_run: RecoveryRun,
        shadow: ShadowPlanner | None = None,
        fraud_signals: FraudSignalLookup | None = None,
        between: Sequence[Interceptor] = (),
    ) -> None:
        """Starts the workers of a recovery."""
        channels = recovery_run.message_channel.channels if recovery_run.message_channel else {}
        self._sources.channels = frozenset(channels)
        decisions = Decisions(
            self._sources,
            unknown_history,
            recovery_run.log,
            fraud_signals=fraud_signals,
            shadow=shadow,
        )

        recording = Recording(recovery_run.log, _no_search_attributes, recovery_run.approvals)
        charging = Charging({"stripe": recovery_run.gateway}, recovery_run.log)
        client = self._environment.client
        quick: list[Callable[..., Any]] = [
            recording.open_recovery,
            recording.record_events,
            decisions.classify_failure,
            decisions.segment_customer,
            decisions.plan_retry,
        ]
        calls: list[Callable[..., Any]] = [charging.read_failure, charging.charge_invoice, charging.reconcile_charge]
        addresses = MemoryContacts()
        quick.append(Messaging(channels, MessageComposer(), addresses, recovery_run.outbox).send_message)
        calls.append(Contacts({"stripe": recovery_run.gateway}, addresses).refresh_contact)
        for worker in (
            Worker(
                client,
                task_queue=RECOVERY_QUEUE,
                workflows=WORKFLOWS,
                activities=quick,
                max_cached_workflows=0,
                interceptors=between,
            ),
            Worker(client, task_queue=charge_queue("stripe"), activities=calls),
        ):
            await self._stack.enter_async_context(worker)


async def _no_search_attributes() -> tuple[str, ...]:
    return ()


@pytest.fixture
async def recovery_runs(
    time_server: WorkflowEnvironment, decision_sources: DecisionSources
) -> AsyncIterator[RecoveryRuns]:
    """Starts recoveries one after another on the session's server."""
    async with AsyncExitStack() as stack:
        yield RecoveryRuns(time_server, decision_sources, stack)
