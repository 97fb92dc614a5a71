"""The API over a real PostgreSQL, recoveries in memory and real Stripe webhooks."""

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
from api.health import ReadinessCheck
from core.errors import NotFound
from db.repositories import api_keys
from db.session import Database
from providers.base import Provider
from providers.stripe import create
from sandbox.stripe.models import FailedInvoice
from sandbox.stripe.webhooks import failed_invoice_event, sign_stripe_payload
from settings import Settings
from tests.intake.fakes import FakeRecoveries, unique_id

SECRET = "whsec_of_these_tests"
BRAINTREE = {"BRAINTREE_PUBLIC_KEY": "our_public", "BRAINTREE_PRIVATE_KEY": "our_private"}
ADYEN = {"ADYEN_HMAC_KEYS": "AB" * 32}
BOOTSTRAP = "bootstrap-of-these-tests"
ALL_SCOPES = {"Authorization": f"Bearer {BOOTSTRAP}"}


def app_now() -> datetime:
    """The time by the application's clock."""
    return datetime.now(UTC)


def keyless_settings(**changes: Any) -> Settings:
    """Settings without anything from the machine's environment."""
    basics: dict[str, Any] = {
        "_env_file": None,
        "bootstrap_api_key": SecretStr(BOOTSTRAP),
        "temporal_ui_url": "http://temporal.test/",
    }
    return Settings(**basics | changes)


def build_app(
    db: Database, recoveries: FakeRecoveries, checks: Sequence[ReadinessCheck] = (), **changes: Any
) -> FastAPI:
    """The application with all three providers in test mode."""
    stripe = create({"STRIPE_WEBHOOK_SECRETS": SECRET, "STRIPE_API_KEY": "sk_test_x"})
    disabled_provider = create({})
    defaults: dict[str, Provider] = {"stripe": stripe, "off": disabled_provider}
    defaults |= {"braintree": providers.braintree.create(BRAINTREE), "adyen": providers.adyen.create(ADYEN)}
    return create_app(keyless_settings(**changes), db, recoveries, FakeSimulations(), defaults, app_now, checks)


class FakeSimulations:
    """`core.simulations.Simulations` in memory."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.canceled: list[str] = []
        self.failing: Exception | None = None
        """What every call raises."""

    async def start_simulation(self, simulation_id: str) -> None:
        """Records the start."""
        if self.failing:
            raise self.failing
        self.started.append(simulation_id)

    async def cancel_simulation(self, simulation_id: str) -> None:
        """Records the cancel. Raises NotFound for a simulation that was not started."""
        if self.failing:
            raise self.failing
        if simulation_id not in self.started:
            raise NotFound("no such run")
        self.canceled.append(simulation_id)


@dataclass(frozen=True)
class ApiHarness:
    """A running application with its database, recoveries and client."""

    client: httpx.AsyncClient
    app: FastAPI
    db: Database
    recoveries: FakeRecoveries

    async def post_webhook(
        self, body: bytes, headers: Mapping[str, str] | None = None, *, delivered: bool = True
    ) -> httpx.Response:
        """The response to a webhook, once it is delivered behind that; signed, unless other headers are given."""
        response = await self.client.post(
            "/webhooks/stripe", content=body, headers=sign_headers(body) if headers is None else headers
        )
        if delivered:
            await self.wait_until_idle()
        return response

    async def send_event(self, event: Mapping[str, Any], *, delivered: bool = True) -> httpx.Response:
        """The response to a signed webhook, once it is delivered."""
        return await self.post_webhook(json.dumps(event).encode(), delivered=delivered)

    async def create_key(self, *scopes: str, name: str = "ann", expires_at: datetime | None = None) -> dict[str, str]:
        """The headers of a new API key with these scopes."""
        async with self.db.begin() as session:
            _, plain = await api_keys.insert_key(session, name, scopes, app_now(), expires_at)
        return {"Authorization": f"Bearer {plain}"}

    async def wait_until_idle(self) -> None:
        """Waits until no delivery runs behind an answer."""
        background = self.app.state.parts.background
        async with asyncio.timeout(20):
            while len(background):  # noqa: ASYNC110 (work may begin more work)
                await asyncio.sleep(0.002)


@asynccontextmanager
async def open_harness(app: FastAPI, db: Database, recoveries: FakeRecoveries) -> AsyncIterator[ApiHarness]:
    """An application that is reached without a socket."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        harness = ApiHarness(client, app, db, recoveries)
        yield harness
        await harness.wait_until_idle()


@asynccontextmanager
async def run_server(app: FastAPI) -> AsyncIterator[str]:
    """The address of the application on a real server and a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve([listening]))
        while not server.started:  # noqa: ASYNC110 (uvicorn offers no event)
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await running


def sign_headers(body: bytes, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    """The headers of a webhook as Stripe signs it."""
    return {"Stripe-Signature": sign_stripe_payload(body, secret, int(time.time() if at is None else at))}


def failed_event(invoice: str, **changes: Any) -> dict[str, Any]:
    """An `invoice.payment_failed` event as Stripe sends it."""
    envelope = {name: changes.pop(name) for name in ("event_id", "event_type", "shape") if name in changes}
    return failed_invoice_event(FailedInvoice(invoice_id=invoice, **changes), **envelope)


def stripe_event(type_: str, **subject: Any) -> dict[str, Any]:
    """A Stripe event of this type."""
    return {
        "id": unique_id("evt_api"),
        "object": "event",
        "created": int(time.time()),
        "livemode": False,
        "type": type_,
        "data": {"object": subject},
    }
