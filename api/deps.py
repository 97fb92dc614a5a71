"""Dependencies of the routes: the parts of this process, built once by `create_app`, and parameters in paths."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote

import structlog
from fastapi import Depends, Path, Request

from core.card_networks.rules import NetworkRules
from core.errors import NotFound
from core.policy.policy import Policy
from core.simulations import SimulationRunner
from db.repositories import operator_actions
from db.repositories.operator_actions import AuditAction, AuditEntry
from db.session import Database
from intake.recoveries import Recoveries
from observability.metrics import Metrics
from providers.base import Webhooks
from settings import Settings

Result = TypeVar("Result")


class Background:
    """Tasks that go on behind an answer. It keeps them alive, logs their failures and ends them at shutdown."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start_work(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Starts the work as a task, which the caller may await or leave. A failure is logged either way."""
        task = asyncio.create_task(work)
        # The event loop holds only weak references: without this set a task could be collected while it runs.
        self._tasks.add(task)
        task.add_done_callback(self._forget_task)
        return task

    async def run_within(self, limit: timedelta, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of the work. Raises TimeoutError after `limit`, and whatever the work raises."""
        # asyncio.timeout would wait until the cancelled work has ended, which may hang; this returns at once.
        task = self.start_work(work)
        done, _ = await asyncio.wait({task}, timeout=limit.total_seconds())
        if not done:
            task.cancel()
            raise TimeoutError
        return task.result()

    async def close(self, patience: timedelta = timedelta(seconds=5)) -> None:
        """Waits for running tasks, at most `patience`, then cancels the rest."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=patience.total_seconds())
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forget_task(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            structlog.get_logger("api").debug("background work failed", error=type(error).__name__)


Clock = Callable[[], datetime]
"""Returns the current time, aware and in UTC."""


@dataclass(frozen=True)
class Parts:
    """The parts of one API process."""

    settings: Settings
    database: Database
    recoveries: Recoveries
    simulations: SimulationRunner
    webhooks: Mapping[str, Webhooks]
    """By provider name, only providers whose webhooks are enabled."""
    clock: Clock
    metrics: Metrics
    background: Background
    network_rules: Callable[[], NetworkRules]
    """Returns the network limits that apply now. Raises InvalidPolicy if the policy file was never valid."""
    policy: Callable[[], Policy]
    """Returns the active policy. Raises InvalidPolicy if the policy file was never valid."""
    stop_requested: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is asked to stop, so that endless responses (live updates) end."""


def get_parts(request: Request) -> Parts:
    """The parts of the process that serves this request."""
    found = request.app.state.parts
    assert isinstance(found, Parts)
    return found


PartsDep = Annotated[Parts, Depends(get_parts)]


def _provider_name(provider: Annotated[str, Path(description="name of the provider, e.g. `stripe`")]) -> str:
    return _decode_segment(provider)


def _invoice_id(invoice_id: Annotated[str, Path(description="the provider's invoice id, percent-encoded")]) -> str:
    return _decode_segment(invoice_id)


def _card_fingerprint(fingerprint: Annotated[str, Path(description="the provider's, percent-encoded")]) -> str:
    return _decode_segment(fingerprint, "credential")


def _event_id(event_id: Annotated[str, Path(description="the provider's, percent-encoded")]) -> str:
    return _decode_segment(event_id, "webhook")


def _decode_segment(segment: str, kind: str = "recovery") -> str:
    """A path segment decoded; see `api.middleware.ExactPaths`. Raises NotFound for text that can't be an id."""
    text = unquote(segment)
    if "\x00" in text or len(text) > 500:
        raise NotFound(f"There is no {kind} of that name.")
    return text


ProviderName = Annotated[str, Depends(_provider_name)]
InvoiceId = Annotated[str, Depends(_invoice_id)]
Fingerprint = Annotated[str, Depends(_card_fingerprint)]
EventId = Annotated[str, Depends(_event_id)]


async def record_audit_entry(
    parts: Parts, actor: str, action: AuditAction, subject: str | None = None, role: str | None = None, **detail: Any
) -> None:
    """Appends an audit entry to `operator_action`. Raises StoreUnavailable.

    `detail` must hold no secrets and no personal data of customers.
    """
    done = AuditEntry(actor=actor, role=role, action=action, subject=subject, detail=detail)
    async with parts.database.begin() as session:
        await operator_actions.record_entry(session, done, parts.clock())
