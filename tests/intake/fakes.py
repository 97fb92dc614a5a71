"""Running recoveries as a list, and small worlds of stored ones."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, cast

from core.contracts import Command, RecoveryStatus
from core.errors import EngineUnavailable, NotFound, ProviderUnavailable, RecoveryError, RunClosed
from core.events import Event, EventType
from core.ids import recovery_id
from core.payments import EventKind, ProviderEvent
from core.retry.reactions import opening
from core.retry.recovery import Recovery
from db.repositories import event_log, inbox
from db.session import Database
from providers.base import Gateway

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
_numbers = count(1)


def unique(prefix: str) -> str:
    """An id that no other test uses: they share one database."""
    return f"{prefix}_{next(_numbers)}"


def word(kind: EventKind, **known: Any) -> ProviderEvent:
    """A provider's event with an id of its own."""
    names = {"provider": "stripe", "event_id": unique("evt"), "event_type": f"test.{kind.value}", "occurred_at": NOW}
    return ProviderEvent(**names | {"kind": kind} | known)


def failure(invoice: str, **known: Any) -> ProviderEvent:
    """The failure that opens a recovery."""
    basics = {"invoice_id": invoice, "provider_attempt": 1, "amount": 500, "currency": "EUR"}
    return word(EventKind.PAYMENT_FAILED, **basics | known)


@dataclass
class FakeRecoveries:
    """Does what `intake.recoveries.Recoveries` promises, by lists."""

    running: set[str] = field(default_factory=set)
    completed: set[str] = field(default_factory=set)
    """Runs that Temporal remembers as completed."""
    begun: list[ProviderEvent] = field(default_factory=list)
    told: list[tuple[str, ProviderEvent]] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    asked: list[tuple[str, Command]] = field(default_factory=list)
    patience: timedelta | None = None
    hurried: int = 0
    idle: set[str] = field(default_factory=set)
    """Providers whose queue nobody polls."""
    failing: Exception | None = None
    """What every call raises."""
    answer: RecoveryStatus | Exception | None = None
    """What `ask` gives or raises."""

    async def begin(self, event: ProviderEvent) -> None:
        """Start or join."""
        self._reach()
        name = recovery_id(event.provider, event.invoice_id or "")
        if name in self.completed:
            raise RunClosed(name)
        self.running.add(name)
        self.begun.append(event)

    async def resume(self, provider: str, invoice_id: str) -> bool:
        """A run, if there is none."""
        self._reach()
        name = recovery_id(provider, invoice_id)
        if name in self.completed:
            raise RunClosed(name)
        new = name not in self.running
        self.running.add(name)
        self.resumed.append(name)
        return new

    async def tell(self, recovery_id: str, event: ProviderEvent) -> None:
        """Only the running can be told."""
        self._reach()
        if recovery_id not in self.running:
            raise NotFound(recovery_id)
        self.told.append((recovery_id, event))

    async def ask(self, recovery_id: str, command: Command, patience: timedelta) -> RecoveryStatus | None:
        """The scripted answer of a running one."""
        self.patience = patience
        self._reach()
        if recovery_id not in self.running:
            raise NotFound(recovery_id)
        self.asked.append((recovery_id, command))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def is_polled(self, provider: str) -> bool:
        """Unless it is idle."""
        self._reach()
        return provider not in self.idle

    async def relay_soon(self) -> None:
        """Counted."""
        self._reach()
        self.hurried += 1

    def _reach(self) -> None:
        if self.failing:
            raise self.failing


AWAY = EngineUnavailable("Temporal cannot be reached")


@dataclass
class FakeGateway:
    """The one method that the relay uses."""

    owner: dict[str, str | None] = field(default_factory=dict)
    failing: RecoveryError | None = None
    asked: int = 0

    async def resolve(self, event: ProviderEvent) -> ProviderEvent:
        """The event with the scripted owner."""
        self.asked += 1
        if self.failing:
            raise self.failing
        return event.model_copy(update=self.owner)


def as_stripe(gateway: FakeGateway) -> dict[str, Gateway]:
    """What the relay is given; it uses no other method."""
    return {"stripe": cast(Gateway, gateway)}


PROVIDER_AWAY = ProviderUnavailable("Stripe cannot be reached")


async def stored(db: Database, opened_by: ProviderEvent, *more: Event) -> Recovery:
    """A recovery with a log: opened by this event, then these rows; a closing one ends it."""
    blank = Recovery(provider=opened_by.provider, invoice_id=opened_by.invoice_id or "")
    async with db.begin() as session:
        await event_log.append(session, blank, [opening(opened_by), *more], NOW)
        found = await event_log.recovery(session, blank.recovery_id)
    assert found
    return found


def paid() -> Event:
    """What ends a recovery `recovered`."""
    return Event(type=EventType.PAID_ELSEWHERE, occurred_at=NOW, data={"event_id": unique("evt_paid")})


def canceled() -> Event:
    """What ends a recovery `canceled`."""
    return Event(type=EventType.CANCEL_REQUESTED, occurred_at=NOW, data={"actor": "ann", "reason": "enough"})


async def arrived(db: Database, *events: ProviderEvent, at: datetime = NOW) -> None:
    """Rows of the inbox that nobody has delivered."""
    async with db.begin() as session:
        for event in events:
            names = {"provider": event.provider, "event_id": event.event_id, "event_type": event.event_type}
            assert await inbox.insert(session, **names, received_at=at, body=b"{}", event=event)


async def rows_of(db: Database, name: str) -> list[str]:
    """The types of a recovery's rows."""
    async with db.begin() as session:
        return [row["type"] for row in await event_log.rows(session, name)]


async def inbox_rows(db: Database, events: Iterable[ProviderEvent]) -> list[inbox.Stored]:
    """What the inbox says of these events."""
    async with db.begin() as session:
        found = [await inbox.get(session, event.provider, event.event_id) for event in events]
    return [row for row in found if row]
