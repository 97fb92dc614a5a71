"""What every route can ask for: the parts of this process, built once by `create_app`."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Path, Request

from api.background import Background
from core.errors import NotFound
from core.retry.network_rules import NetworkRules
from core.retry.policy import Policy
from core.simulations import SimulationRunner
from db.session import Database
from intake.recoveries import Recoveries
from observability.metrics import Metrics
from providers.base import Webhooks
from settings import Settings

Clock = Callable[[], datetime]
"""Now, aware and in UTC."""


@dataclass(frozen=True)
class Parts:
    """The parts of one API process."""

    settings: Settings
    database: Database
    recoveries: Recoveries
    simulations: SimulationRunner
    webhooks: Mapping[str, Webhooks]
    """By provider; one that is switched off isn't there."""
    clock: Clock
    metrics: Metrics
    background: Background
    network_rules: Callable[[], NetworkRules]
    """Those that hold now."""
    policy: Callable[[], Policy]
    """The active one. Raises InvalidPolicy where the file was never right."""
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is asked to stop: whoever answers without end comes to one."""


def parts(request: Request) -> Parts:
    """The parts of the process that serves this request."""
    found = request.app.state.parts
    assert isinstance(found, Parts)
    return found


PartsDep = Annotated[Parts, Depends(parts)]


def _provider(provider: Annotated[str, Path(description="name of the provider, e.g. `stripe`")]) -> str:
    return _plain(provider)


def _invoice(invoice_id: Annotated[str, Path(description="the provider's invoice id, percent-encoded")]) -> str:
    return _plain(invoice_id)


def _fingerprint(fingerprint: Annotated[str, Path(description="the provider's, percent-encoded")]) -> str:
    return _plain(fingerprint, "credential")


def _event(event_id: Annotated[str, Path(description="the provider's, percent-encoded")]) -> str:
    return _plain(event_id, "webhook")


def _plain(segment: str, kind: str = "recovery") -> str:
    """A path segment decoded; see `api.middleware.ExactPaths`. Raises NotFound for what no id can be."""
    text = unquote(segment)
    if "\x00" in text or len(text) > 500:
        raise NotFound(f"There is no {kind} of that name.")
    return text


ProviderName = Annotated[str, Depends(_provider)]
InvoiceId = Annotated[str, Depends(_invoice)]
Fingerprint = Annotated[str, Depends(_fingerprint)]
EventId = Annotated[str, Depends(_event)]
