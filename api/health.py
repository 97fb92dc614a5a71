"""Health checks and metrics: liveness, readiness, Prometheus."""

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from api.auth import Scraper
from api.deps import Parts, PartsDep
from api.problems import problem_responses
from core.errors import RecoveryError
from db import schema
from db.repositories import inbox, recoveries
from db.session import Database
from workflows.namespace import missing_attributes, registered_attributes

CHECK_WITHIN: Final = timedelta(seconds=1)
COUNTS_FRESH_FOR: Final = 5.0
"""Seconds for which the table gauges are reused, so that frequent scrapes don't load the database."""
_SERVER_ADDRESS: Final = re.compile(r"connection to server (?:at|on) .*? failed: ")
"""Removed from messages: `/readyz` needs no login, and must not reveal the address of the database server."""
router: Final = APIRouter(tags=["health"])


@dataclass(frozen=True)
class ReadinessCheck:
    """One readiness check: `run` returns the problem as a sentence, or None."""

    name: str
    run: Callable[[], Awaitable[str | None]]
    required: bool = True
    """Whether a problem makes the process not ready."""


class CheckResult(BaseModel):
    """Result of a check, with the problem in `detail`."""

    ok: bool
    detail: str | None = None


class Readiness(BaseModel):
    """Whether this process is ready, with the result of each check."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, CheckResult]


def database_checks(database: Database) -> tuple[ReadinessCheck, ...]:
    """Checks that rows can be written into the database, and that every migration of this release has run."""

    async def check_writable() -> str | None:
        async with database.begin() as session:
            return await schema.find_write_obstacle(session)

    async def check_migrations() -> str | None:
        return None if await schema.is_at_head(database.engine) else "migrations are missing: run `pri migrate`"

    return ReadinessCheck("database", check_writable), ReadinessCheck("migrations", check_migrations)


@router.get("/healthz", summary="Alive")
async def get_liveness() -> Mapping[str, str]:
    """The process answers; nothing else is checked."""
    return {"status": "alive"}


@router.get("/readyz", summary="Ready", responses={503: {"model": Readiness, "description": "not ready"}})
async def get_readiness(request: Request, response: Response, parts: PartsDep) -> Readiness:
    """Checks that rows can be written, that migrations are at head and that Temporal is reachable.

    Missing search attributes are reported, but don't make the process not ready.
    """
    checks: Sequence[ReadinessCheck] = request.app.state.checks
    found = await asyncio.gather(*(_run_check(parts, check) for check in checks))
    ready = all(finding.ok for check, finding in zip(checks, found, strict=True) if check.required)
    response.status_code = 200 if ready else 503
    named = {check.name: finding for check, finding in zip(checks, found, strict=True)}
    return Readiness(status="ready" if ready else "not_ready", checks=named)


async def _run_check(parts: Parts, check: ReadinessCheck) -> CheckResult:
    try:
        wrong = await parts.background.run_within(CHECK_WITHIN, _await_check(check))
    except TimeoutError:
        wrong = "no answer within a second"
    except RecoveryError as error:
        wrong = _SERVER_ADDRESS.sub("", str(error))
    except Exception as error:
        wrong = type(error).__name__
    return CheckResult(ok=wrong is None, detail=wrong)


async def _await_check(check: ReadinessCheck) -> str | None:
    return await check.run()


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    dependencies=[Scraper],
    responses=problem_responses(401, 403, 429, 503),
)
async def get_metrics(request: Request, parts: PartsDep) -> Response:
    """Metrics of this process, and gauges from the tables that are at most five seconds old.

    The bearer key is METRICS_KEY, or an API key with the scope `metrics:read`, which takes the database to check.
    """
    await request.app.state.counts.refresh_gauges(parts)
    return Response(parts.metrics.render_text(), media_type="text/plain; version=0.0.4; charset=utf-8")


class TableGauges:
    """The gauges that are read from the tables."""

    def __init__(self) -> None:
        self._read_at = -math.inf

    async def refresh_gauges(self, parts: Parts) -> None:
        """Reads the gauges again once they are old; sets NaN if the database can't be read within a second."""
        if time.monotonic() - self._read_at < COUNTS_FRESH_FOR:
            return
        self._read_at = time.monotonic()
        try:
            waiting, states = await parts.background.run_within(CHECK_WITHIN, _read_counts(parts.database))
        except (RecoveryError, TimeoutError):
            parts.metrics.mark_unknown()
            return
        parts.metrics.undelivered.set(waiting)
        parts.metrics.set_recoveries(states)


async def _read_counts(database: Database) -> tuple[int, dict[str, int]]:
    async with database.begin() as session:
        return await inbox.count_undelivered(session), await recoveries.counts_by_state(session)


def temporal_checks(client: Client) -> tuple[ReadinessCheck, ...]:
    """Checks that Temporal is reachable and has our namespace, and (not required) the search attributes."""

    async def check_reachable() -> str | None:
        try:
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
        except RPCError as error:
            return _describe_rpc_error(error)
        except RuntimeError:
            return "Temporal cannot be reached"
        return None

    async def check_search_attributes() -> str | None:
        try:
            lacking = missing_attributes(await registered_attributes(client))
        except (RPCError, RuntimeError):
            return "the search attributes can't be listed here"
        return f"missing: {', '.join(lacking)}; run `pri migrate`" if lacking else None

    return ReadinessCheck("temporal", check_reachable), ReadinessCheck(
        "search_attributes", check_search_attributes, required=False
    )


def _describe_rpc_error(error: RPCError) -> str | None:
    # A key without the right to describe the namespace got an answer all the same: Temporal is reachable.
    if error.status is RPCStatusCode.PERMISSION_DENIED:
        return None
    return f"Temporal answered {error.status.name}"
