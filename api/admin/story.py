"""The page of one recovery: what happened, what comes next, and what a person can do about it."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.admin.live import Look, updates
from api.admin.pages import pages, show
from api.admin.people import Person, Role, Viewer
from api.admin.shown import shown
from api.admin.wishes import offers, once
from api.admin.words import recovery_address
from api.credentials import CredentialView, reading
from api.deps import InvoiceId, Parts, PartsDep, ProviderName
from api.recoveries import current
from api.views import RecoveryView, event_shown
from core.errors import NotFound
from core.retry.recovery import Recovery
from core.telling.ahead import is_finished, list_upcoming_steps
from core.telling.tell import build_timeline
from core.telling.words import ENDINGS
from db.repositories import approvals, event_log, recoveries
from db.repositories.approvals import Approval

router: Final = APIRouter(prefix="/recoveries/{provider}/{invoice_id}")
PIECES: Final = ("standing", "acts", "next", "timeline", "card", "raw")
"""Parts of the page that change while it is open; each is a template `story_NAME.html` in an element of that id."""


class Known(NamedTuple):
    """All that the page is made of."""

    view: RecoveryView
    rows: list[dict[str, Any]]
    recovery: Recovery
    """Before its first row is written, a blank one."""
    card: CredentialView | None
    waiting: list[Approval]
    """Wishes that take a second person."""


@router.get("")
async def page(
    request: Request, parts: PartsDep, person: Viewer, provider: ProviderName, invoice_id: InvoiceId
) -> Response:
    """Known from the moment its webhook was answered with 202."""
    known = await _known(parts, provider, invoice_id)
    return show(request, "story.html", **_context(parts, person, known))


async def _there(parts: PartsDep, _: Viewer, provider: ProviderName, invoice_id: InvoiceId) -> None:
    """Once a stream has begun, nobody can be told any more that there is nothing. Raises NotFound."""
    await current(parts, provider, invoice_id)


@router.get("/live", response_class=EventSourceResponse, dependencies=[Depends(_there)])
async def live(
    request: Request,
    parts: PartsDep,
    person: Viewer,
    provider: ProviderName,
    invoice_id: InvoiceId,
    after: Annotated[int | None, Query()] = None,
) -> AsyncIterator[ServerSentEvent]:
    """The page's parts whenever the log has grown beyond the row `after`; ends behind the last message."""
    follower = Follower(request, parts, person, provider, invoice_id)
    async for update in updates(parts, person, follower.look, after):
        yield update


class Follower:
    """Looks at one recovery: at its newest row each time, at everything only where that is a new one."""

    def __init__(self, request: Request, parts: Parts, person: Person, provider: str, invoice_id: str) -> None:
        self._request, self._parts, self._person = request, parts, person
        self._names = provider, invoice_id
        self._known: Known | None = None

    async def look(self) -> Look:
        """See `live.Look`."""
        if self._known is None or await self._grew(self._known):
            self._known = await _known(self._parts, *self._names)
        known = self._known
        context = _context(self._parts, self._person, known)
        ended = bool(known.rows) and is_finished(known.recovery, self._parts.clock())
        return Look(known.recovery.sequence, ended, {name: self._piece(name, context) for name in PIECES})

    async def _grew(self, known: Known) -> bool:
        async with self._parts.database.begin() as session:
            return await recoveries.sequence_of(session, known.view.recovery_id) != known.recovery.sequence

    def _piece(self, name: str, context: Mapping[str, Any]) -> Callable[[], str]:
        return partial(pages(self._request).part, self._request, f"story_{name}.html", **context)


async def _known(parts: Parts, provider: str, invoice_id: str) -> Known:
    """Raises NotFound."""
    view = await current(parts, provider, invoice_id)
    async with parts.database.begin() as session:
        rows = await event_log.load_rows(session, view.recovery_id)
        waiting = await approvals.waiting_approvals(session, view.recovery_id, parts.clock())
    recovery = event_log.fold_rows(rows) if rows else Recovery(provider=provider, invoice_id=invoice_id)
    return Known(view, rows, recovery, await _card(parts, recovery), waiting)


async def _card(parts: Parts, recovery: Recovery) -> CredentialView | None:
    """What the network still allows; None where the card isn't known, or was never tried."""
    if recovery.fingerprint is None:
        return None
    try:
        return await reading(parts, recovery.fingerprint, recovery.provider)
    except NotFound:
        return None


def _context(parts: Parts, person: Person, known: Known) -> dict[str, Any]:
    view, recovery, now = known.view, known.recovery, parts.clock()
    address = recovery_address(view.provider, view.invoice_id)
    may = person.may(Role.OPERATOR)
    return {
        **known._asdict(),
        "person": person,
        "address": address,
        "once": once(),
        "offers": offers(recovery) if may else (),
        "chapters": build_timeline(map(event_log.record_of, known.rows))[::-1],
        "ahead": list_upcoming_steps(recovery, now) if known.rows else (),
        "ending": ENDINGS.get(view.close_reason or "", view.close_reason),
        "over": bool(known.rows) and is_finished(recovery, now),
        "shown": partial(shown, now=now),
        "raw": [_raw(row) for row in known.rows],
        "api_address": address.replace("/admin/", "/v1/", 1),
    }


def _raw(row: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A row for engineers, and its data as JSON."""
    return row, json.dumps(event_shown(row).data, indent=2, ensure_ascii=False)
