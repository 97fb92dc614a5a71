"""Running recoveries in memory, and helpers that store recoveries and webhooks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, cast

from core.contracts import RecoveryStatus
from core.errors import EngineUnavailable, NotFound, ProviderUnavailable, RecoveryError, RunClosed
from core.events import Event, EventType
from core.ids import recovery_id
from core.operators import Command
from core.payments import EventKind, ProviderEvent
from core.recovery.machine import fold_records
from core.recovery.reactions import opening_event, react_to_event
from core.recovery.state import Recovery
from db.queries import recovery_rows
from db.recovery_log import StoredRecoveryLog
from db.repositories import event_log, inbox, new_webhooks
from db.repositories.new_webhooks import NewWebhook
from db.session import Database
from providers.base import Gateway

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
_numbers = count(1)


def unique_id(prefix: str) -> str:
    """An id that no other test uses: all of them share one database."""
    return f"{prefix}_{next(_numbers)}"


def provider_event(kind: EventKind, **fields: Any) -> ProviderEvent:
    """A provider event with an id of its own; `fields` replace the defaults."""
    names = {"provider": "stripe", "event_id": unique_id("evt"), "event_type": f"test.{kind.value}", "occurred_at": NOW}
    return ProviderEvent(**names | {"kind": kind} | fields)


def failure_event(invoice: str, **fields: Any) -> ProviderEvent:
    """The failure event that opens a recovery of 5.00 EUR."""
    basics = {"invoice_id": invoice, "provider_attempt": 1, "amount": 500, "currency": "EUR"}
    return provider_event(EventKind.PAYMENT_FAILED, **basics | fields)


@dataclass
class FakeRecoveries:
    """`intake.recovery_runs.RecoveryRuns` in memory."""

    running: set[str] = field(default_factory=set)
    completed: set[str] = field(default_factory=set)
    """Runs that Temporal remembers as completed."""
    started_events: list[ProviderEvent] = field(default_factory=list)
    signalled_events: list[tuple[str, ProviderEvent]] = field(default_factory=list)
    ensured_runs: list[str] = field(default_factory=list)
    log: StoredRecoveryLog | None = None
    """The log that the runs write; None: a worker took nothing yet."""
    signalled_commands: list[tuple[str, Command]] = field(default_factory=list)
    submitted_commands: list[tuple[str, Command]] = field(default_factory=list)
    patience: timedelta | None = None
    relay_calls: int = 0
    idle: set[str] = field(default_factory=set)
    """Providers whose queue nobody polls."""
    error: Exception | None = None
    """What every call raises."""
    answer: RecoveryStatus | Exception | None = None
    """What `ask` gives or raises."""

    async def start_recovery(self, event: ProviderEvent) -> None:
        """Starts the recovery, or signals its run. Raises RunClosed for a completed one."""
        self._raise_error()
        name = recovery_id(event.provider, event.invoice_id or "")
        if name in self.completed:
            raise RunClosed(name)
        self.running.add(name)
        self.started_events.append(event)
        await self._record_event(event, name)

    async def ensure_running(self, provider: str, invoice_id: str) -> bool:
        """Starts a run where there is none. Returns whether it did. Raises RunClosed for a completed one."""
        self._raise_error()
        name = recovery_id(provider, invoice_id)
        if name in self.completed:
            raise RunClosed(name)
        new = name not in self.running
        self.running.add(name)
        self.ensured_runs.append(name)
        return new

    async def send_event(self, recovery_id: str, event: ProviderEvent) -> None:
        """Signals the recovery. Raises NotFound where it has no run."""
        self._raise_error()
        if recovery_id not in self.running:
            raise NotFound(recovery_id)
        self.signalled_events.append((recovery_id, event))
        await self._record_event(event, recovery_id)

    async def submit_command(self, recovery_id: str, command: Command, patience: timedelta) -> RecoveryStatus | None:
        """The scripted answer. Raises it where it is an error, NotFound where there is no run."""
        self.patience = patience
        self._raise_error()
        if recovery_id not in self.running:
            raise NotFound(recovery_id)
        self.submitted_commands.append((recovery_id, command))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def _record_event(self, event: ProviderEvent, name: str) -> None:
        """Writes what the run of that name would write about the event."""
        if self.log is None:
            return
        blank = Recovery(provider=event.provider, invoice_id=name.removeprefix(f"recovery-{event.provider}-"))
        records = await self.log.load_since(blank)
        recovery = fold_records(blank, records)
        events = react_to_event(recovery, event) if records else (opening_event(event),)
        if events:
            await self.log.append_events(recovery, events, NOW)

    async def signal_command(self, recovery_id: str, command: Command) -> None:
        """Records the command. Raises NotFound for a recovery that doesn't run."""
        self._raise_error()
        if recovery_id not in self.running:
            raise NotFound(recovery_id)
        self.signalled_commands.append((recovery_id, command))

    async def is_polled(self, provider: str) -> bool:
        """Whether a worker polls the provider's queue."""
        self._raise_error()
        return provider not in self.idle

    async def trigger_relay(self) -> None:
        """Counts the call."""
        self._raise_error()
        self.relay_calls += 1

    def _raise_error(self) -> None:
        if self.error:
            raise self.error


TEMPORAL_AWAY = EngineUnavailable("Temporal cannot be reached")


@dataclass
class FakeGateway:
    """A gateway with only the method that the relay calls."""

    owner: dict[str, str | None] = field(default_factory=dict)
    error: RecoveryError | None = None
    call_count: int = 0

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """The event with the scripted owner, or the scripted error."""
        self.call_count += 1
        if self.error:
            raise self.error
        return event.model_copy(update=self.owner)


def gateways_with(gateway: FakeGateway) -> dict[str, Gateway]:
    """The gateways as the relay gets them."""
    return {"stripe": cast(Gateway, gateway)}


PROVIDER_AWAY = ProviderUnavailable("Stripe cannot be reached")


async def store_recovery(db: Database, opened_by: ProviderEvent, *more: Event, at: datetime = NOW) -> Recovery:
    """A stored recovery: opened by this event at that time, followed by these rows."""
    blank = Recovery(provider=opened_by.provider, invoice_id=opened_by.invoice_id or "")
    async with db.begin() as session:
        await event_log.append_to_log(session, blank, [opening_event(opened_by), *more], NOW, at)
        recovery = await event_log.load_recovery(session, blank.recovery_id)
    assert recovery
    return recovery


def paid_event() -> Event:
    """The event that ends a recovery as `recovered`."""
    return Event(type=EventType.PAID_ELSEWHERE, occurred_at=NOW, data={"event_id": unique_id("evt_paid")})


def canceled_event() -> Event:
    """The event that ends a recovery as `canceled`."""
    return Event(type=EventType.CANCEL_REQUESTED, occurred_at=NOW, data={"actor": "ann", "reason": "enough"})


async def store_in_inbox(db: Database, *events: ProviderEvent, at: datetime = NOW) -> None:
    """Stores undelivered webhooks in the inbox."""
    async with db.begin() as session:
        new = [NewWebhook(event.provider, event.event_id, event.event_type, at, b"{}", event) for event in events]
        assert all(await new_webhooks.insert_webhooks(session, new))


async def log_types(db: Database, name: str) -> list[str]:
    """The types of a recovery's rows."""
    async with db.begin() as session:
        return [row["type"] for row in await recovery_rows.load_rows(session, name)]


async def inbox_rows(db: Database, events: Iterable[ProviderEvent]) -> list[inbox.StoredWebhook]:
    """The inbox rows of these events."""
    async with db.begin() as session:
        rows = [await inbox.load_webhook(session, event.provider, event.event_id) for event in events]
    return [row for row in rows if row]
