"""Dry runs: start one, watch it, read what came of it."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import ValidationError

from api.admin.forms import Genuine, Tone, go, say
from api.admin.live import Look, updates
from api.admin.pages import pages, show
from api.admin.people import ROOT, Operator, Viewer
from api.admin.policies import given
from api.deps import PartsDep
from api.simulations import (
    LONGEST_TEXT,
    MOST_RECOVERIES,
    SimulationDetail,
    SimulationRequest,
    begun,
    canceled,
    detail,
    named,
    page,
)
from core.errors import CommandRefused, InvalidInput
from core.simulations import SourceKind
from db.repositories import simulations

router: Final = APIRouter(prefix="/simulations")
PAGE: Final = 25
REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
"""The report brings its style along and nothing else; the page of its dry run shows it in a frame."""
Text = Annotated[str, Form(max_length=LONGEST_TEXT)]


@router.get("")
async def listed(request: Request, parts: PartsDep, _: Viewer, cursor: str = "") -> Response:
    """The form for a new one, and the ones before."""
    return await _listed(request, parts, dict.fromkeys(_FIELDS, ""), cursor)


@router.post("", dependencies=[Genuine])
async def start(
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
    """To its page; or the form again with what is wrong."""
    filled = {"policy": policy, "baseline": baseline, "source": source, "recoveries": recoveries, "seed": seed}
    try:
        filled["policy"] = await given(policy, file)
        id = await begun(_wanted(filled), person.name, parts)
    except (CommandRefused, InvalidInput) as error:
        return await _listed(request, parts, filled, problem=str(error))
    return go(f"{ROOT}/simulations/{id}")


@router.get("/{simulation_id}")
async def one(request: Request, parts: PartsDep, _: Viewer, simulation_id: str) -> Response:
    """How far it is, or what came of it."""
    return show(request, "simulation.html", one=await detail(parts, named(simulation_id)))


@router.get("/{simulation_id}/live", response_class=EventSourceResponse)
async def live(request: Request, parts: PartsDep, person: Viewer, simulation_id: str) -> AsyncIterator[ServerSentEvent]:
    """Its progress as it grows, and its result once it is there."""
    id = named(simulation_id)

    async def look() -> Look:
        found = await detail(parts, id)
        return Look((found.state, found.progress), found.state.is_final, {"run": lambda: _run(request, found)})

    async for update in updates(parts, person, look):
        yield update


@router.post("/{simulation_id}/cancel", dependencies=[Genuine])
async def cancel(request: Request, parts: PartsDep, person: Operator, simulation_id: str) -> Response:
    """It ends within seconds."""
    id = named(simulation_id)
    try:
        await canceled(parts, id, person.name)
        say(request, "The dry run is being canceled.")
    except CommandRefused as refusal:
        say(request, str(refusal), Tone.BAD)
    return go(f"{ROOT}/simulations/{id}")


@router.get("/{simulation_id}/report")
async def report(parts: PartsDep, _: Viewer, simulation_id: str) -> HTMLResponse:
    """The whole report, as the API has it."""
    headers = {"Content-Security-Policy": REPORT_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HTMLResponse(await page(parts, named(simulation_id)), headers=headers)


def _run(request: Request, found: SimulationDetail) -> str:
    return pages(request).part(request, "simulation_run.html", one=found)


def _wanted(filled: dict[str, str]) -> SimulationRequest:
    """The request of the API, out of a form. Raises InvalidInput."""
    numbers = {name: filled[name].replace(",", "") or None for name in ("recoveries", "seed")}
    known: dict[str, Any] = {name: text or None for name, text in filled.items()} | numbers
    try:
        return SimulationRequest.model_validate({name: value for name, value in known.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        told = "Paste a policy or choose a file." if name == "policy" else f"{name}: {first['msg']}."
        raise InvalidInput(told) from None


async def _listed(
    request: Request, parts: PartsDep, filled: dict[str, str], cursor: str = "", problem: str = ""
) -> Response:
    async with parts.database.begin() as session:
        found = await simulations.load_simulation_page(session, PAGE, cursor or None)
    return show(
        request,
        "simulations.html",
        422 if problem else 200,
        found=found,
        filled=filled,
        problem=problem,
        most=MOST_RECOVERIES,
        sources=[(one.value, _SOURCES[one]) for one in SourceKind],
    )


_FIELDS: Final = ("policy", "baseline", "source", "recoveries", "seed")
_SOURCES: Final = {SourceKind.SYNTHETIC: "Invented failures", SourceKind.HISTORY: "Our recorded history"}
