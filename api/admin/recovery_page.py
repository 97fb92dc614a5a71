"""The page of one recovery: timeline, upcoming steps, commands, card and raw rows."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.admin.command_forms import available_offers, new_form_key
from api.admin.formatting import recovery_address, render_fact_value
from api.admin.live_updates import PageSnapshot, stream_updates
from api.admin.pages import renderer_of, show_page
from api.admin.sessions import Person, Role, Viewer
from api.credentials import CredentialView, load_credential
from api.deps import InvoiceId, Parts, PartsDep, ProviderName
from api.recoveries import load_recovery_view
from api.views import RecoveryView, to_event_view
from core.errors import NotFound
from core.recovery.state import Recovery
from core.timeline.labels import ENDINGS
from core.timeline.timeline import build_timeline
from core.timeline.upcoming import is_finished, list_upcoming_steps
from db.queries import recovery_rows
from db.repositories import approvals, event_log, recoveries
from db.repositories.approvals import Approval

router: Final = APIRouter(prefix="/recoveries/{provider}/{invoice_id}")
LIVE_PARTS: Final = ("standing", "acts", "next", "timeline", "card", "raw")
"""Parts of the page that change while it is open; each is a template `story_NAME.html` in an element of that id."""


class PageData(NamedTuple):
    """The data of the page."""

    view: RecoveryView
    rows: list[dict[str, Any]]
    recovery: Recovery
    """A blank one until the first row is written."""
    card: CredentialView | None
    waiting: list[Approval]
    """Commands that wait for a second person."""


@router.get("")
async def show_recovery_page(
    request: Request, parts: PartsDep, person: Viewer, provider: ProviderName, invoice_id: InvoiceId
) -> Response:
    """The page of a recovery, which exists from the moment its webhook was answered with 202. Raises NotFound."""
    known = await _load_page_data(parts, provider, invoice_id)
    return show_page(request, "story.html", **_page_context(parts, person, known))


async def _require_recovery(parts: PartsDep, _: Viewer, provider: ProviderName, invoice_id: InvoiceId) -> None:
    """Raises NotFound before the stream begins: after its first byte the status can't be 404 any more."""
    await load_recovery_view(parts, provider, invoice_id)


@router.get("/live", response_class=EventSourceResponse, dependencies=[Depends(_require_recovery)])
async def stream_recovery(
    request: Request,
    parts: PartsDep,
    person: Viewer,
    provider: ProviderName,
    invoice_id: InvoiceId,
    after: Annotated[int | None, Query()] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Streams the page's parts whenever the log has grown beyond row `after`; ends when nothing more can follow."""
    follower = RecoveryFollower(request, parts, person, provider, invoice_id)
    async for update in stream_updates(parts, person, follower.take_snapshot, after):
        yield update


class RecoveryFollower:
    """Takes snapshots of one recovery. It reads the newest sequence each time, and everything only if that changed."""

    def __init__(self, request: Request, parts: Parts, person: Person, provider: str, invoice_id: str) -> None:
        self._request, self._parts, self._person = request, parts, person
        self._names = provider, invoice_id
        self._data: PageData | None = None

    async def take_snapshot(self) -> PageSnapshot:
        """The present state of the page; its mark is the recovery's sequence. Raises NotFound, StoreUnavailable."""
        if self._data is None or await self._has_grown(self._data):
            self._data = await _load_page_data(self._parts, *self._names)
        known = self._data
        context = _page_context(self._parts, self._person, known)
        ended = bool(known.rows) and is_finished(known.recovery, self._parts.clock())
        return PageSnapshot(
            known.recovery.sequence, ended, {name: self._part_renderer(name, context) for name in LIVE_PARTS}
        )

    async def _has_grown(self, known: PageData) -> bool:
        async with self._parts.database.begin() as session:
            return await recoveries.sequence_of(session, known.view.recovery_id) != known.recovery.sequence

    def _part_renderer(self, name: str, context: Mapping[str, Any]) -> Callable[[], str]:
        return partial(renderer_of(self._request).render_part, self._request, f"story_{name}.html", **context)


async def _load_page_data(parts: Parts, provider: str, invoice_id: str) -> PageData:
    """All data of the page. Raises NotFound, StoreUnavailable."""
    view = await load_recovery_view(parts, provider, invoice_id)
    async with parts.database.begin() as session:
        rows = await recovery_rows.load_rows(session, view.recovery_id)
        waiting = await approvals.waiting_approvals(session, view.recovery_id, parts.clock())
    recovery = event_log.fold_rows(rows) if rows else Recovery(provider=provider, invoice_id=invoice_id)
    return PageData(view, rows, recovery, await _find_card(parts, recovery), waiting)


async def _find_card(parts: Parts, recovery: Recovery) -> CredentialView | None:
    """The attempt ledger of the recovery's card; None if the card isn't known or was never charged."""
    if recovery.fingerprint is None:
        return None
    try:
        return await load_credential(parts, recovery.fingerprint, recovery.provider)
    except NotFound:
        return None


def _page_context(parts: Parts, person: Person, known: PageData) -> dict[str, Any]:
    view, recovery, now = known.view, known.recovery, parts.clock()
    address = recovery_address(view.provider, view.invoice_id)
    may = person.has_role(Role.OPERATOR)
    return {
        **known._asdict(),
        "person": person,
        "address": address,
        "once": new_form_key(),
        "offers": available_offers(recovery) if may else (),
        "entries": build_timeline(map(event_log.record_of, known.rows))[::-1],
        "ahead": list_upcoming_steps(recovery, now) if known.rows else (),
        "ending": ENDINGS.get(view.close_reason or "", view.close_reason),
        "over": bool(known.rows) and is_finished(recovery, now),
        "shown": partial(render_fact_value, now=now),
        "raw": [_raw_row(row) for row in known.rows],
        "api_address": address.replace("/admin/", "/v1/", 1),
    }


def _raw_row(row: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A row of the log, and its data as indented JSON."""
    return row, json.dumps(to_event_view(row).data, indent=2, ensure_ascii=False)
