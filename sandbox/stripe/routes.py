"""The fake Stripe over HTTP: its API under `/v1`, its control routes under `/_control`."""

import json
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from sandbox.calls import Answer
from sandbox.control import CommonRoutes
from sandbox.gateway import serve_api
from sandbox.stripe import control, control_billing
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import StripeError
from sandbox.stripe.gateway import StripeGateway
from sandbox.stripe.params import decode_form
from sandbox.world import SandboxWorld


def mount_stripe(app: FastAPI, world: SandboxWorld) -> Callable[[], Awaitable[None]]:
    """Serve the fake Stripe as part of this app; gives what ends it."""
    app.state.stripe = gateway = StripeGateway(world)
    common = APIRouter(prefix="/_control", tags=["control of the fake Stripe"])
    CommonRoutes(world, gateway.webhooks).add_to(common)
    for router in (control.router, control_billing.router, common):
        app.include_router(router)
    serve_api(app, "/v1", ["GET", "POST", "DELETE"], _parse_call, gateway.handle, _to_response)
    app.add_exception_handler(StripeError, _render_stripe_error)
    return gateway.close


async def _parse_call(request: Request) -> StripeCall:
    body = (await request.body()).decode() if request.method != "GET" else ""
    encoded = "&".join(part for part in (request.url.query, body) if part)
    return StripeCall(
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
