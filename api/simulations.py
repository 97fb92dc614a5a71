"""Dry runs over HTTP: compares a candidate policy with the active one on recorded or synthetic failures."""

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

import catalog
from api.auth import Scope, Simulator, require_scope
from api.deps import Parts, PartsDep, record_audit_entry
from api.problems import problem_responses
from core.errors import CommandRefused, EngineUnavailable, InvalidInput, InvalidPolicy, NotFound, TooManyRequests
from core.policy.policy import Policy, parse_policy
from core.simulations import SimulationOrder, SimulationState, SourceKind
from core.toml_text import parse_toml
from db.repositories import operator_actions, simulations
from db.repositories.operator_actions import AuditAction, AuditEntry

MOST_SIMULATED_RECOVERIES: Final = 1_000_000
MOST_OPEN: Final = 20
"""Dry runs of one key or person that are queued or running: workers compute them one after another."""
OPEN_WAIT: Final = timedelta(minutes=1)
LONGEST_TEXT: Final = 300_000
LARGEST_SEED: Final = 2**63 - 1
REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Content-Security-Policy of a report: it holds its own style, and no scripts, images or links to other servers."""
router: Final = APIRouter(
    prefix="/v1/simulations",
    tags=["simulations"],
    dependencies=[Depends(require_scope(Scope.SIMULATE, Scope.READ))],
    responses=problem_responses(401, 403, 422, 429, 503),
)


class SimulationRequest(BaseModel):
    """The policies, the recoveries and the assumptions of a dry run."""

    model_config = ConfigDict(extra="forbid")
    policy: str = Field(max_length=LONGEST_TEXT, description="text of the candidate's policy file (TOML)")
    baseline: str | None = Field(None, max_length=LONGEST_TEXT, description="the active policy when left out")
    recoveries: int | None = Field(
        None, ge=1, le=MOST_SIMULATED_RECOVERIES, description="100,000, or all of the history, when left out"
    )
    seed: int = Field(1, ge=0, le=LARGEST_SEED, description="of the random draws; the same seed gives the same result")
    source: SourceKind = Field(SourceKind.SYNTHETIC, description="a synthetic population, or the recorded event log")
    assumptions: str | None = Field(
        None, max_length=LONGEST_TEXT, description="assumptions of your own (TOML); the shipped ones when left out"
    )


class SimulationProgress(BaseModel):
    """Progress of a dry run."""

    done: int = Field(description="cases that are computed, including those of the sweep")
    total: int | None = Field(description="null until it has begun")


class SimulationView(BaseModel):
    """One dry run. Times are RFC 3339 in UTC."""

    id: UUID
    state: SimulationState
    created_at: datetime
    created_by: str
    started_at: datetime | None
    ended_at: datetime | None
    source: SourceKind
    recoveries: int | None
    seed: int
    progress: SimulationProgress
    problem: str | None = Field(description="why it failed")


class SimulationDetail(SimulationView):
    """One dry run with its result."""

    result: dict[str, Any] | None = Field(description="the content of result.json; null until it is done")


class SimulationPage(BaseModel):
    """One page of dry runs, newest first."""

    items: list[SimulationView]
    next_cursor: str | None = Field(description="pass it as `cursor` for the next page; null on the last one")


@router.post("", status_code=202, responses=problem_responses(400, 408, 413, 429), summary="Start a dry run")
async def start_simulation(
    wanted: SimulationRequest, caller: Simulator, parts: PartsDep, response: Response
) -> SimulationDetail:
    """The order is checked here and computed by a worker: poll until `state` is `done`, `failed` or `canceled`."""
    id = await submit_simulation(wanted, caller.name, parts)
    response.headers["Location"] = f"/v1/simulations/{id}"
    return await load_simulation_detail(parts, id)


@router.get("", summary="List dry runs")
async def list_simulations(
    parts: PartsDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before")] = None,
) -> SimulationPage:
    """Dry runs, newest first, without their results."""
    async with parts.database.begin() as session:
        page = await simulations.load_simulation_page(session, limit, cursor)
    return SimulationPage(
        items=[SimulationView(**_to_view_fields(row)) for row in page.items], next_cursor=page.next_cursor
    )


@router.get("/{simulation_id}", responses=problem_responses(404), summary="One dry run")
async def get_simulation(simulation_id: str, parts: PartsDep) -> SimulationDetail:
    """State, progress and, once it is done, the result."""
    return await load_simulation_detail(parts, parse_simulation_id(simulation_id))


@router.post("/{simulation_id}/cancel", responses=problem_responses(404, 409), summary="Cancel a dry run")
async def cancel_simulation(simulation_id: str, caller: Simulator, parts: PartsDep) -> SimulationDetail:
    """The dry run ends within seconds; poll its `state`. 409 if it has ended before."""
    return await request_cancellation(parts, parse_simulation_id(simulation_id), caller.name)


@router.get(
    "/{simulation_id}/report",
    response_class=HTMLResponse,
    responses=problem_responses(404),
    summary="The report of a dry run",
)
async def get_simulation_report(simulation_id: str, parts: PartsDep) -> HTMLResponse:
    """A self-contained HTML page; 404 until the dry run is done."""
    return HTMLResponse(
        await load_report_html(parts, parse_simulation_id(simulation_id)),
        headers={"Content-Security-Policy": REPORT_POLICY},
    )


async def submit_simulation(wanted: SimulationRequest, by: str, parts: Parts) -> UUID:
    """Starts a dry run and returns its id.

    Raises CommandRefused for an invalid policy, with line and key; InvalidInput for assumptions that are no TOML;
    InvalidPolicy if the active policy can't be read; TooManyRequests if 20 of this caller are open, or too many
    policies are being parsed; EngineUnavailable, StoreUnavailable.
    """
    # The row is committed before the workflow starts, since the worker reads the order from it. If that start fails,
    # the row is removed.
    order, id = await parts.parsers.run(_build_order, wanted, parts), uuid4()
    async with parts.database.begin() as session:
        if await simulations.count_open(session, by) >= MOST_OPEN:
            raise TooManyRequests(f"{MOST_OPEN} dry runs of {by} are queued or running already.", OPEN_WAIT)
        await simulations.insert_simulation(session, id, order, by, parts.clock())
        detail = {"source": order.source.value, "recoveries": order.recoveries, "seed": order.seed}
        done = AuditEntry(actor=by, action=AuditAction.SIMULATION_STARTED, subject=str(id), detail=detail)
        await operator_actions.record_entry(session, done, parts.clock())
    try:
        await parts.simulations.start_simulation(str(id))
    except EngineUnavailable:
        async with parts.database.begin() as session:
            await simulations.remove_queued(session, id)
        raise
    return id


async def request_cancellation(parts: Parts, id: UUID, by: str) -> SimulationDetail:
    """Requests the cancellation of a dry run and returns it.

    Raises NotFound, CommandRefused if it has ended, EngineUnavailable, StoreUnavailable.
    """
    found = await load_simulation_detail(parts, id)
    if found.state.is_final:
        raise CommandRefused("closed", f"This simulation is {found.state.value} already.")
    await record_audit_entry(parts, by, AuditAction.SIMULATION_CANCELED, str(id))
    try:
        await parts.simulations.cancel_simulation(str(found.id))
    except NotFound:
        # Its workflow was never started, or has just ended; in the latter case this changes nothing.
        async with parts.database.begin() as session:
            await simulations.mark_canceled(session, found.id, parts.clock())
    return await load_simulation_detail(parts, found.id)


async def load_report_html(parts: Parts, id: UUID) -> str:
    """The report of a dry run as HTML. Raises NotFound if there is none, or none yet; StoreUnavailable."""
    async with parts.database.begin() as session:
        found = await simulations.load_report(session, id)
    if found is None:
        raise NotFound("There is no simulation of that name.")
    state, written = found
    if written is None:
        raise NotFound(f"There is no report: this simulation is {state.value}.")
    return written


def _build_order(wanted: SimulationRequest, parts: Parts) -> SimulationOrder:
    """The order with the active policy as its default baseline. Raises as `submit_simulation`."""
    baseline = wanted.baseline
    if baseline is None:
        baseline = read_active_policy(parts)
    else:
        parse_usable_policy("baseline", baseline)
    parse_usable_policy("policy", wanted.policy)
    if wanted.assumptions is not None:
        _check_toml("assumptions", wanted.assumptions)
    return SimulationOrder(**wanted.model_dump() | {"baseline": baseline})


def read_active_policy(parts: Parts) -> str:
    """The text of the active policy file as it is now. Raises InvalidPolicy if the file can't be read."""
    path = parts.settings.policy_file
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidPolicy(f"The active policy can't be read: {error}") from error


def parse_usable_policy(name: str, text: str) -> Policy:
    """The policy in this text. Raises CommandRefused with the code `policy_invalid`, naming line and key."""
    try:
        return parse_policy(text, name, catalog.installed_strategies(), catalog.network_rules().limit_ceilings())
    except InvalidPolicy as error:
        raise CommandRefused("policy_invalid", str(error)) from error


def _check_toml(name: str, text: str) -> None:
    """Raises InvalidInput for text that is no TOML. The keys are checked by the worker."""
    try:
        parse_toml(text)
    except ValueError as error:
        raise InvalidInput(f"{name}: {error}") from error


def parse_simulation_id(text: str) -> UUID:
    """The id in a path. Raises NotFound for text that is no UUID."""
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound("There is no simulation of that name.") from error


async def load_simulation_detail(parts: Parts, id: UUID) -> SimulationDetail:
    """The dry run as of now. Raises NotFound, StoreUnavailable."""
    async with parts.database.begin() as session:
        row = await simulations.load_simulation(session, id)
    if row is None:
        raise NotFound("There is no simulation of that name.")
    return SimulationDetail(**_to_view_fields(row), result=json.loads(row["result"]) if row["result"] else None)


def _to_view_fields(row: Any) -> dict[str, Any]:
    fields = {name: row[name] for name in SimulationView.model_fields if name != "progress"}
    return fields | {"progress": SimulationProgress(done=row["done"], total=row["total"])}
