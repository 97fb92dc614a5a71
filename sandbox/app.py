"""The sandbox as an ASGI app: the fake API under `/v1`, the control routes under `/_control`."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox import control
from sandbox.adyen import routes as adyen
from sandbox.adyen.gateway import AdyenGateway
from sandbox.braintree import routes as braintree
from sandbox.braintree.gateway import BraintreeGateway
from sandbox.calls import Answer, Call
from sandbox.config import SandboxConfig
from sandbox.stripe import control_billing
from sandbox.stripe.errors import ConnectionDroppedError, StripeError
from sandbox.stripe.gateway import StripeGateway
from sandbox.stripe.params import decode_form
from sandbox.world import SandboxWorld

CUT_SCOPE_KEY = "sandbox.cut"


class CuttableApp(FastAPI):
    """Gives handlers a way to cut the connection without an answer, as a broken network would."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the cut in the scope (outermost, where `send` is still the server's own)."""

        async def cut_connection() -> None:
            transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
            if transport is None:
                raise ConnectionDroppedError("the sandbox dropped the connection")
            transport.abort()
            while (await receive())["type"] != "http.disconnect":
                pass

        scope[CUT_SCOPE_KEY] = cut_connection
        await super().__call__(scope, receive, send)


def create_sandbox_app(config: SandboxConfig | None = None) -> FastAPI:
    """A sandbox of its own; its state lives until the app's lifespan ends, or in the state file."""
    world = SandboxWorld(config or SandboxConfig())
    gateway, others = StripeGateway(world), (AdyenGateway(world), BraintreeGateway(world))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await gateway.close()
        for other in others:
            await other.close()
        await world.webhooks.close()
        world.store.close()

    app = CuttableApp(title="Sandbox gateway", lifespan=lifespan)
    app.state.world = world
    app.state.gateway = gateway
    app.include_router(control.router)
    app.include_router(control_billing.router)
    adyen.mount_adyen(app, others[0])
    braintree.mount_braintree(app, others[1])
    app.add_api_route("/v1/{path:path}", answer_stripe_call, methods=["GET", "POST", "DELETE"], include_in_schema=False)
    app.add_api_route("/healthz", get_sandbox_health, methods=["GET"])
    app.add_exception_handler(StripeError, _render_stripe_error)
    app.add_exception_handler(ValueError, _render_value_error)
    return app


async def get_sandbox_health() -> dict[str, str]:
    """Alive."""
    return {"status": "ok"}


async def answer_stripe_call(request: Request) -> Response:
    """Every call of the fake API."""
    gateway: StripeGateway = request.app.state.gateway
    try:
        call = await _parse_call(request)
    except StripeError as error:
        return JSONResponse(error.body, error.status)
    answer = await gateway.handle(call)
    if answer.drop:
        await request.scope[CUT_SCOPE_KEY]()
    return _to_response(answer)


async def _parse_call(request: Request) -> Call:
    body = (await request.body()).decode() if request.method != "GET" else ""
    encoded = "&".join(part for part in (request.url.query, body) if part)
    return Call(
        method=request.method,
        path=request.url.path.rstrip("/"),
        params=decode_form(encoded),
        key=request.headers.get("idempotency-key"),
        version=request.headers.get("stripe-version"),
        authorization=request.headers.get("authorization", ""),
        account=request.headers.get("stripe-account"),
    )


def _to_response(answer: Answer) -> Response:
    content = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
    return Response(content, answer.status, answer.headers, media_type="application/json")


async def _render_stripe_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, StripeError)
    return JSONResponse(error.body, error.status, error.headers)


async def _render_value_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 422)
