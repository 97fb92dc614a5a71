"""Builds the HTTP application from the parts that it is given: routes, admin console, middleware, OpenAPI."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import RedirectResponse

from api import (
    credentials,
    docs_page,
    events,
    health,
    operations,
    payload_decoding,
    problems,
    recoveries,
    simulations,
    summary,
    unsubscribe,
    webhooks,
)
from api.admin.app import create_admin
from api.admin.login_config import check_passwords
from api.admin.sessions import ROOT
from api.background import Background
from api.deliveries import Deliveries
from api.deps import Clock, Parts
from api.direct_webhooks import DirectWebhooks
from api.health import ReadinessCheck, TableGauges, database_checks
from api.middleware import AddressLimit, BodyLimit, ExactPaths, PlainCookies, ResponseObserver
from api.outgoing_webhooks import describe_outgoing
from api.rate_limits import RequestLimits
from api.webhook_store import WebhookStore
from catalog import NetworkLimits, PolicyFile
from core.simulations import SimulationRunner
from db.session import Database
from intake.customer_ids import CustomerIds
from intake.recovery_runs import RecoveryRuns
from observability.encryption import encryption_codec
from observability.metrics import create_metrics
from providers.base import Provider
from settings import Settings, secret_keys

_FASTAPI_ERROR_SCHEMAS: Final = ("HTTPValidationError", "ValidationError")
DESCRIPTION: Final = """
Recovers failed payments: one durable, explainable recovery per invoice that never charges it twice.

Errors are `application/problem+json` (RFC 9457); `code` distinguishes them. Ids in paths are percent-encoded. Amounts
are integers in minor units of an ISO 4217 currency. Times are RFC 3339 in UTC.
"""


def create_app(
    settings: Settings,
    database: Database,
    recoveries_: RecoveryRuns,
    simulations_: SimulationRunner,
    providers: Mapping[str, Provider],
    clock: Clock,
    checks: Sequence[ReadinessCheck] = (),
) -> FastAPI:
    """The application with these parts, which the caller closes. `/readyz` runs `checks` besides those of the database.

    Raises InvalidInput for settings of the admin console that can't be used, and for passwords beside live settings.
    """
    check_passwords(settings)
    policy, background = PolicyFile(settings.policy_file), Background()
    customer_ids = CustomerIds(secret_keys(settings.customer_id_keys), clock)
    parts = Parts(
        settings=settings,
        database=database,
        recoveries=recoveries_,
        simulations=simulations_,
        webhooks={name: side for name, provider in providers.items() if (side := provider.create_webhooks())},
        clock=clock,
        metrics=create_metrics(),
        background=background,
        deliveries=Deliveries(background),
        webhook_store=WebhookStore(background, database, customer_ids, policy.current_policy),
        network_rules=NetworkLimits(policy).current_rules,
        policy=policy.current_policy,
        codec=encryption_codec(settings.payload_encryption_keys),
        customer_ids=customer_ids,
        limits=RequestLimits(settings.rate_limit_per_key, settings.rate_limit_per_address),
    )
    app = _create_bare_app()
    app.state.parts, app.state.counts = parts, TableGauges()
    app.state.checks = (*database_checks(database), *checks)
    _assemble_app(app, parts)
    return app


def openapi_description() -> dict[str, Any]:
    """The OpenAPI description, as `/openapi.json` and docs/openapi.json have it; needs no database and no Temporal."""
    return _build_openapi(_create_bare_app())


def _create_bare_app() -> FastAPI:
    """The application with the routes of the API, without parts, middleware and admin console."""
    app = FastAPI(
        title="Payments Risk Intelligence",
        description=DESCRIPTION,
        version=_package_version(),
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Generated clients name their methods by it: `list_recoveries`, not `list_recoveries_v1_recoveries_get`.
        generate_unique_id_function=lambda route: route.name,
    )
    for part in (
        webhooks,
        recoveries,
        events,
        operations,
        credentials,
        summary,
        simulations,
        payload_decoding,
        health,
        unsubscribe,
    ):
        app.include_router(part.router)
    describe_outgoing(app.webhooks)
    return app


def _assemble_app(app: FastAPI, parts: Parts) -> None:
    problems.install_problem_handlers(app)
    app.add_api_route(ROOT, _redirect_to_admin, include_in_schema=False)
    admin = create_admin(parts)
    app.state.notes = admin.state.access.notes
    app.mount(ROOT, admin)
    app.include_router(docs_page.router)
    app.mount(docs_page.ASSETS, docs_page.docs_files())
    # The middleware added last is the outermost: it measures every response, refusals by the inner ones included.
    app.add_middleware(BodyLimit)
    app.add_middleware(PlainCookies)
    app.add_middleware(AddressLimit, limits=parts.limits, proxies=parts.settings.trusted_proxies)
    app.add_middleware(ExactPaths)
    app.add_middleware(ResponseObserver, metrics=parts.metrics)
    app.build_middleware_stack = lambda: DirectWebhooks(FastAPI.build_middleware_stack(app), parts)  # type: ignore[method-assign]
    app.openapi = lambda: _build_openapi(app)  # type: ignore[method-assign]


async def _redirect_to_admin() -> RedirectResponse:
    return RedirectResponse(f"{ROOT}/")


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """At shutdown, deliveries that go on behind their answers get a few seconds to finish."""
    yield
    await app.state.parts.background.close()


def _build_openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description with our error schema in place of FastAPI's; built once per application."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            webhooks=app.webhooks.routes,
        )
        known = schema["components"]["schemas"]
        for name in _FASTAPI_ERROR_SCHEMAS:
            known.pop(name, None)
        items = (*schema["paths"].values(), *schema["webhooks"].values())
        for operation in (found for methods in items for found in methods.values()):
            _drop_default_validation_error(operation["responses"])
        problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        known |= problem.pop("$defs", {}) | {"Problem": problem}
        app.openapi_schema = schema
    return app.openapi_schema


def _drop_default_validation_error(responses: dict[str, Any]) -> None:
    """Removes the 422 that FastAPI adds to every route with a parameter, if the route describes none itself."""
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]


def _package_version() -> str:
    try:
        return version("payments-risk-intelligence")
    except PackageNotFoundError:
        return "0"
