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

from api.deps import Parts, PartsDep
from core.errors import RecoveryError
from db import migrate, readiness
from db.repositories import inbox, recoveries
from db.session import Database

CHECK_WITHIN: Final = timedelta(seconds=1)
COUNTS_FRESH_FOR: Final = 5.0
"""Seconds; scrapers may come as often as they like."""
_WHERE: Final = re.compile(r"connection to server (?:at|on) .*? failed: ")
"""Anybody may ask for readiness: what the server said is for them, where it stands isn't."""
router: Final = APIRouter(tags=["health"])


@dataclass(frozen=True)
class Check:
    """One thing to look at: `run` answers with what is wrong, or None."""

    name: str
    run: Callable[[], Awaitable[str | None]]
    required: bool = True
    """Whether the process can't work without it."""


class Finding(BaseModel):
    """What a check found."""

    ok: bool
    detail: str | None = None


class Readiness(BaseModel):
    """Whether this process can work, and what was looked at."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, Finding]


def database_checks(database: Database) -> tuple[Check, ...]:
    """Rows can be written into the database, and every migration of this release has run."""

    async def writable() -> str | None:
        async with database.begin() as session:
            return await readiness.find_write_obstacle(session)

    async def migrated() -> str | None:
        return None if await migrate.is_at_head(database.engine) else "migrations are missing: run `pri migrate`"

    return Check("database", writable), Check("migrations", migrated)


@router.get("/healthz", summary="Alive")
async def healthz() -> Mapping[str, str]:
    """The process answers; nothing else is looked at."""
    return {"status": "alive"}


@router.get("/readyz", summary="Ready", responses={503: {"model": Readiness, "description": "not ready"}})
async def readyz(request: Request, response: Response, parts: PartsDep) -> Readiness:
    """Rows can be written, Temporal is reachable, migrations at head. Missing search attributes don't count."""
    checks: Sequence[Check] = request.app.state.checks
    found = await asyncio.gather(*(_run(parts, check) for check in checks))
    ready = all(finding.ok for check, finding in zip(checks, found, strict=True) if check.required)
    response.status_code = 200 if ready else 503
    named = {check.name: finding for check, finding in zip(checks, found, strict=True)}
    return Readiness(status="ready" if ready else "not_ready", checks=named)


async def _run(parts: Parts, check: Check) -> Finding:
    try:
        wrong = await parts.background.within(CHECK_WITHIN, _awaited(check))
    except TimeoutError:
        wrong = "no answer within a second"
    except RecoveryError as error:
        wrong = _WHERE.sub("", str(error))
    except Exception as error:
        wrong = type(error).__name__
    return Finding(ok=wrong is None, detail=wrong)


async def _awaited(check: Check) -> str | None:
    return await check.run()


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(request: Request, parts: PartsDep) -> Response:
    """Counts of this process, and of the tables as they were at most five seconds ago."""
    await request.app.state.counts.refresh(parts)
    return Response(parts.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


class Counts:
    """The gauges that come from the tables."""

    def __init__(self) -> None:
        self._read_at = -math.inf

    async def refresh(self, parts: Parts) -> None:
        """Read them again once they are old. NaN where the database can't be asked: a stale figure would be a lie."""
        if time.monotonic() - self._read_at < COUNTS_FRESH_FOR:
            return
        self._read_at = time.monotonic()
        try:
            waiting, states = await parts.background.within(CHECK_WITHIN, _counted(parts.database))
        except (RecoveryError, TimeoutError):
            parts.metrics.forget()
            return
        parts.metrics.undelivered.set(waiting)
        parts.metrics.show_recoveries(states)


async def _counted(database: Database) -> tuple[int, dict[str, int]]:
    async with database.begin() as session:
        return await inbox.count_undelivered(session), await recoveries.counts_by_state(session)
