"""Whether this process lives, whether it can work, and what it counts."""

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

from api.deps import Parts, PartsDep
from core.errors import RecoveryError
from db import schema
from db.repositories import inbox, recoveries
from db.session import Database
from workflows.namespace import missing_attributes, registered_attributes

CHECK_WITHIN: Final = timedelta(seconds=1)
COUNTS_FRESH_FOR: Final = 5.0
"""Seconds; scrapers may come as often as they like."""
_SERVER_ADDRESS: Final = re.compile(r"connection to server (?:at|on) .*? failed: ")
"""Anybody may ask for readiness: what the server said is for them, where it stands isn't."""
router: Final = APIRouter(tags=["health"])


@dataclass(frozen=True)
class ReadinessCheck:
    """One thing to look at: `run` answers with what is wrong, or None."""

    name: str
    run: Callable[[], Awaitable[str | None]]
    required: bool = True
    """Whether the process can't work without it."""


class CheckResult(BaseModel):
    """What a check found."""

    ok: bool
    detail: str | None = None


class Readiness(BaseModel):
    """Whether this process can work, and what was looked at."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, CheckResult]


def database_checks(database: Database) -> tuple[ReadinessCheck, ...]:
    """Rows can be written into the database, and every migration of this release has run."""

    async def check_writable() -> str | None:
        async with database.begin() as session:
            return await schema.find_write_obstacle(session)

    async def check_migrations() -> str | None:
        return None if await schema.is_at_head(database.engine) else "migrations are missing: run `pri migrate`"

    return ReadinessCheck("database", check_writable), ReadinessCheck("migrations", check_migrations)


@router.get("/healthz", summary="Alive")
async def get_liveness() -> Mapping[str, str]:
    """The process answers; nothing else is looked at."""
    return {"status": "alive"}


@router.get("/readyz", summary="Ready", responses={503: {"model": Readiness, "description": "not ready"}})
async def get_readiness(request: Request, response: Response, parts: PartsDep) -> Readiness:
    """Rows can be written, Temporal is reachable, migrations at head. Missing search attributes don't count."""
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


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def get_metrics(request: Request, parts: PartsDep) -> Response:
    """Counts of this process, and of the tables as they were at most five seconds ago."""
    await request.app.state.counts.refresh_gauges(parts)
    return Response(parts.metrics.render_text(), media_type="text/plain; version=0.0.4; charset=utf-8")


class TableGauges:
    """The gauges that come from the tables."""

    def __init__(self) -> None:
        self._read_at = -math.inf

    async def refresh_gauges(self, parts: Parts) -> None:
        """Read them again once they are old. NaN where the database can't be asked: a stale figure would be a lie."""
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
    """Temporal answers and has our namespace; and, without weight, the search attributes are registered."""

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
    """A key that may not describe the namespace got an answer all the same."""
    if error.status is RPCStatusCode.PERMISSION_DENIED:
        return None
    return f"Temporal answered {error.status.name}"
