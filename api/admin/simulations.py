"""Dry runs: the form to start one, its progress and its report."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import ValidationError

from api.admin.forms import GenuineForm, Tone, flash_message, redirect_to
from api.admin.live_updates import PageSnapshot, stream_updates
from api.admin.pages import renderer_of, show_page
from api.admin.policies import read_policy_form
from api.admin.sessions import ROOT, Operator, Viewer
from api.deps import PartsDep
from api.simulations import (
    LONGEST_TEXT,
    MOST_SIMULATED_RECOVERIES,
    SimulationDetail,
    SimulationRequest,
    load_report_html,
    load_simulation_detail,
    parse_simulation_id,
    request_cancellation,
    submit_simulation,
)
from core.errors import CommandRefused, InvalidInput, TooManyRequests
from core.simulations import SourceKind
from db.repositories import simulations

router: Final = APIRouter(prefix="/simulations")
PAGE_SIZE: Final = 25
REPORT_CONTENT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
"""Content-Security-Policy of a report: it holds its own style and nothing else; the page of the dry run frames it."""
Text = Annotated[str, Form(max_length=LONGEST_TEXT)]


@router.get("")
async def show_simulations_page(request: Request, parts: PartsDep, _: Viewer, cursor: str = "") -> Response:
    """The form for a new dry run, and earlier ones, newest first."""
    return await _render_simulations(request, parts, dict.fromkeys(_FORM_FIELDS, ""), cursor)


@router.post("", dependencies=[GenuineForm])
async def submit_simulation_form(
    request: Request,
    parts: PartsDep,
    person: Operator,
    policy: Text = "",
    file: UploadFile | None = None,
    baseline: Text = "",
    source: Annotated[str, Form(max_length=20)] = SourceKind.SYNTHETIC.value,
    recoveries: Annotated[str, Form(max_length=20)] = "",
    seed: Annotated[str, Form(max_length=20)] = "1",
) -> Response:
    """Starts a dry run and redirects to its page, or shows the form with the problem (422)."""
    filled = {"policy": policy, "baseline": baseline, "source": source, "recoveries": recoveries, "seed": seed}
    try:
        filled["policy"] = await read_policy_form(policy, file)
        id = await submit_simulation(_parse_request(filled), person.name, parts)
    except (CommandRefused, InvalidInput, TooManyRequests) as error:
        return await _render_simulations(request, parts, filled, problem=str(error))
    return redirect_to(f"{ROOT}/simulations/{id}")


@router.get("/{simulation_id}")
async def show_simulation_page(request: Request, parts: PartsDep, _: Viewer, simulation_id: str) -> Response:
    """The page of a dry run, with its progress or its result. Raises NotFound."""
    return show_page(
        request, "simulation.html", one=await load_simulation_detail(parts, parse_simulation_id(simulation_id))
    )


@router.get("/{simulation_id}/live", response_class=EventSourceResponse)
async def stream_simulation(
    request: Request, parts: PartsDep, person: Viewer, simulation_id: str
) -> AsyncIterator[ServerSentEvent]:
    """Streams the progress of a dry run, and its result at the end."""
    id = parse_simulation_id(simulation_id)

    async def take_snapshot() -> PageSnapshot:
        found = await load_simulation_detail(parts, id)
        return PageSnapshot(
            (found.state, found.progress), found.state.is_final, {"run": lambda: _render_run(request, found)}
        )

    async for update in stream_updates(parts, person, take_snapshot):
        yield update


@router.post("/{simulation_id}/cancel", dependencies=[GenuineForm])
async def submit_cancellation_form(request: Request, parts: PartsDep, person: Operator, simulation_id: str) -> Response:
    """Requests the cancellation of a dry run, which ends within seconds. Raises NotFound, EngineUnavailable."""
    id = parse_simulation_id(simulation_id)
    try:
        await request_cancellation(parts, id, person.name)
        flash_message(request, "The dry run is being canceled.")
    except CommandRefused as refusal:
        flash_message(request, str(refusal), Tone.BAD)
    return redirect_to(f"{ROOT}/simulations/{id}")


@router.get("/{simulation_id}/report")
async def show_simulation_report(parts: PartsDep, _: Viewer, simulation_id: str) -> HTMLResponse:
    """The report as HTML, as `/v1/simulations/{id}/report` has it. Raises NotFound until the dry run is done."""
    headers = {"Content-Security-Policy": REPORT_CONTENT_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HTMLResponse(await load_report_html(parts, parse_simulation_id(simulation_id)), headers=headers)


def _render_run(request: Request, found: SimulationDetail) -> str:
    return renderer_of(request).render_part(request, "simulation_run.html", one=found)


def _parse_request(filled: dict[str, str]) -> SimulationRequest:
    """The API's request from the values of a form. Raises InvalidInput for the first value that does not fit."""
    numbers = {name: filled[name].replace(",", "") or None for name in ("recoveries", "seed")}
    known: dict[str, Any] = {name: text or None for name, text in filled.items()} | numbers
    try:
        return SimulationRequest.model_validate({name: value for name, value in known.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        message = "Paste a policy or choose a file." if name == "policy" else f"{name}: {first['msg']}."
        raise InvalidInput(message) from None


async def _render_simulations(
    request: Request, parts: PartsDep, filled: dict[str, str], cursor: str = "", problem: str = ""
) -> Response:
    async with parts.database.begin() as session:
        found = await simulations.load_simulation_page(session, PAGE_SIZE, cursor or None)
    return show_page(
        request,
        "simulations.html",
        422 if problem else 200,
        found=found,
        filled=filled,
        problem=problem,
        most=MOST_SIMULATED_RECOVERIES,
        sources=[(one.value, _SOURCE_LABELS[one]) for one in SourceKind],
    )


_FORM_FIELDS: Final = ("policy", "baseline", "source", "recoveries", "seed")
_SOURCE_LABELS: Final = {SourceKind.SYNTHETIC: "Invented failures", SourceKind.HISTORY: "Our recorded history"}
