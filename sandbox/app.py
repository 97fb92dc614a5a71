"""The sandbox as an ASGI app: one fake API per provider, the control routes under `/_control`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from sandbox.adyen.routes import mount_adyen
from sandbox.braintree.routes import mount_braintree
from sandbox.config import SandboxConfig
from sandbox.gateway import CuttableApp
from sandbox.stripe.routes import mount_stripe
from sandbox.world import open_world

MOUNTS: Final = (mount_stripe, mount_adyen, mount_braintree)
"""Each serves one fake as part of an app, and gives what ends it."""


def create_sandbox_app(config: SandboxConfig | None = None) -> FastAPI:
    """A sandbox of its own; its state lives until the app's lifespan ends, or in the state file."""
    world = open_world(config or SandboxConfig())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for close_fake in closers:
            await close_fake()
        world.store.close()

    app = CuttableApp(title="Sandbox gateway", lifespan=lifespan)
    app.state.world = world
    closers = [mount(app, world) for mount in MOUNTS]
    app.add_api_route("/healthz", get_sandbox_health, methods=["GET"])
    app.add_exception_handler(ValueError, _render_value_error)
    return app


async def get_sandbox_health() -> dict[str, str]:
    """Alive."""
    return {"status": "ok"}


async def _render_value_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 422)
