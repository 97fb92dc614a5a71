"""The API over a real PostgreSQL, a list of recoveries and the real Stripe webhooks."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

import providers.adyen
import providers.braintree
from api.app import create_app
from api.health import Check
from core.errors import NotFound
from db.repositories import api_keys
from db.session import Database
from providers.base import Provider
from providers.stripe import provider
from sandbox.models import FailedInvoice
from sandbox.samples import failed_invoice_event
from sandbox.signing import sign
from settings import Settings
from tests.intake.fakes import FakeRecoveries, unique

SECRET = "whsec_of_these_tests"
BRAINTREE = {"BRAINTREE_PUBLIC_KEY": "our_public", "BRAINTREE_PRIVATE_KEY": "our_private"}
ADYEN = {"ADYEN_HMAC_KEYS": "AB" * 32}
BOOTSTRAP = "bootstrap-of-these-tests"
ALL = {"Authorization": f"Bearer {BOOTSTRAP}"}


def now() -> datetime:
    """The clock of the application."""
    return datetime.now(UTC)


def settings(**changes: Any) -> Settings:
    """Nothing of the machine's own environment in it."""
    basics: dict[str, Any] = {
        "_env_file": None,
        "bootstrap_api_key": SecretStr(BOOTSTRAP),
        "temporal_ui_url": "http://temporal.test/",
    }
    return Settings(**basics | changes)


def application(db: Database, recoveries: FakeRecoveries, checks: Sequence[Check] = (), **changes: Any) -> FastAPI:
    """The application with all three providers in test mode."""
    stripe = provider({"STRIPE_WEBHOOK_SECRETS": SECRET, "STRIPE_API_KEY": "sk_test_x"})
    off = provider({})
    known: dict[str, Provider] = {"stripe": stripe, "off": off}
    known |= {"braintree": providers.braintree.provider(BRAINTREE), "adyen": providers.adyen.provider(ADYEN)}
    return create_app(settings(**changes), db, recoveries, FakeSimulations(), known, now, checks)


class FakeSimulations:
    """Does what `core.simulations.Simulations` promises, by lists."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.canceled: list[str] = []
        self.failing: Exception | None = None
        """What every call raises."""

    async def begin(self, simulation_id: str) -> None:
        """Noted."""
        if self.failing:
            raise self.failing
        self.begun.append(simulation_id)

    async def cancel(self, simulation_id: str) -> None:
        """Only those that were begun."""
        if self.failing:
            raise self.failing
        if simulation_id not in self.begun:
            raise NotFound("no such run")
        self.canceled.append(simulation_id)


@dataclass(frozen=True)
class House:
    """A running application and its surroundings."""

    client: httpx.AsyncClient
    app: FastAPI
    db: Database
    recoveries: FakeRecoveries

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """A webhook; signed, unless other headers are given."""
        return await self.client.post(
            "/webhooks/stripe", content=body, headers=signed(body) if headers is None else headers
        )

    async def send(self, event: Mapping[str, Any]) -> httpx.Response:
        """A signed webhook."""
        return await self.post(json.dumps(event).encode())

    async def key(self, *scopes: str, name: str = "ann", expires_at: datetime | None = None) -> dict[str, str]:
        """Headers with a new key of these scopes."""
        async with self.db.begin() as session:
            _, plain = await api_keys.create(session, name, scopes, now(), expires_at)
        return {"Authorization": f"Bearer {plain}"}

    async def settled(self) -> None:
        """Returns when nothing goes on behind an answer any more."""
        await self.app.state.parts.background.close()


@asynccontextmanager
async def opened(app: FastAPI, db: Database, recoveries: FakeRecoveries) -> AsyncIterator[House]:
    """Without a socket: requests go straight into the application."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        house = House(client, app, db, recoveries)
        yield house
        await house.settled()


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """With a real server on a free port; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve([listening]))
        while not server.started:  # noqa: ASYNC110 (uvicorn offers no event)
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await running


def signed(body: bytes, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    """The headers that Stripe would send with it."""
    return {"Stripe-Signature": sign(body, secret, int(time.time() if at is None else at))}


def failed(invoice: str, **changes: Any) -> dict[str, Any]:
    """`invoice.payment_failed` as Stripe sends it."""
    given = {name: changes.pop(name) for name in ("event_id", "event_type", "shape") if name in changes}
    return failed_invoice_event(FailedInvoice(invoice_id=invoice, **changes), **given)


def about(type_: str, **subject: Any) -> dict[str, Any]:
    """Any other Stripe event."""
    return {
        "id": unique("evt_api"),
        "object": "event",
        "created": int(time.time()),
        "livemode": False,
        "type": type_,
        "data": {"object": subject},
    }
