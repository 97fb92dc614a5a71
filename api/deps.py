"""Dependencies of the routes: the parts of this process, built once by `create_app`, and parameters in paths."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, Path, Request

from api.background import Background
from api.deliveries import Deliveries
from api.parser_threads import ParserThreads
from api.rate_limits import RequestLimits
from api.webhook_store import WebhookStore
from core.card_networks.rules import NetworkRules
from core.errors import NotFound
from core.policy.policy import Policy
from core.simulations import SimulationRunner
from db.repositories import operator_actions
from db.repositories.operator_actions import AuditAction, AuditEntry
from db.session import Database
from intake.customer_ids import CustomerIds
from intake.recovery_runs import RecoveryRuns
from observability.encryption import EncryptionCodec
from observability.metrics import Metrics
from providers.base import Webhooks
from settings import Settings

Clock = Callable[[], datetime]
"""Returns the current time, aware and in UTC."""


@dataclass(frozen=True)
class Parts:
    """The parts of one API process."""

    settings: Settings
    database: Database
    recoveries: RecoveryRuns
    simulations: SimulationRunner
    webhooks: Mapping[str, Webhooks]
    """By provider name, only providers whose webhooks are enabled."""
    clock: Clock
    metrics: Metrics
    background: Background
    deliveries: Deliveries
    webhook_store: WebhookStore
    network_rules: Callable[[], NetworkRules]
    """Returns the network limits that apply now. Raises InvalidPolicy if the policy file was never valid."""
    policy: Callable[[], Policy]
    """Returns the active policy. Raises InvalidPolicy if the policy file was never valid."""
    limits: RequestLimits
    customer_ids: CustomerIds
    codec: EncryptionCodec | None = None
    """Of PAYLOAD_ENCRYPTION_KEYS; None where nothing is encrypted."""
    parsers: ParserThreads = field(default_factory=ParserThreads)
    stop_requested: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is asked to stop, so that endless responses (live updates) end."""


def get_parts(request: Request) -> Parts:
    """The parts of the process that serves this request."""
    found = request.app.state.parts
    assert isinstance(found, Parts)
    return found


async def _depend_on_parts(request: Request) -> Parts:
    # Async, as every dependency: FastAPI runs a function in a thread, which costs more than most requests.
    return get_parts(request)


PartsDep = Annotated[Parts, Depends(_depend_on_parts)]


async def _provider_name(provider: Annotated[str, Path(description="name of the provider, e.g. `stripe`")]) -> str:
    return decode_segment(provider)


async def _invoice_id(
    invoice_id: Annotated[str, Path(description="the provider's invoice id, percent-encoded")],
) -> str:
    return decode_segment(invoice_id)


async def _card_fingerprint(fingerprint: Annotated[str, Path(description="the provider's, percent-encoded")]) -> str:
    return decode_segment(fingerprint, "credential")


async def _event_id(event_id: Annotated[str, Path(description="the provider's, percent-encoded")]) -> str:
    return decode_segment(event_id, "webhook")


def decode_segment(segment: str, kind: str = "recovery") -> str:
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
