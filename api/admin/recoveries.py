"""The list of recoveries: filter, order and place are all in its address."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from api.admin import narrowing
from api.admin.narrowing import ORDERS, Narrowing
from api.admin.pages import show
from api.admin.people import ROOT, Role, Viewer
from api.admin.shown import when
from api.admin.words import STATES, label, query
from api.deps import Parts, PartsDep
from core.classifier.taxonomy import Cause
from core.errors import InvalidInput
from db.repositories import desk
from db.repositories.desk import RecoveryPage

router: Final = APIRouter()
PAGE: Final = 50
LIST: Final = f"{ROOT}/recoveries"
HEADS: Final = (("Amount", "amount"), ("Next attempt", "next"), ("Opened", "opened"), ("Last change", "changed"))


@router.get("/recoveries")
async def listed(
    request: Request, parts: PartsDep, person: Viewer, cursor: Annotated[str, Query(max_length=2000)] = ""
) -> Response:
    """Newest first, unless another order is asked for."""
    wanted = narrowing.narrowing(request.query_params, parts.clock())
    async with parts.database.begin() as session:
        count = await desk.count_matches(session, wanted.filters)
        try:
            page = await desk.search_recoveries(session, wanted.filters, wanted.sort, PAGE, cursor or None)
        except InvalidInput:
            # A place in another order, or one that somebody cut short: the list begins anew.
            page, cursor = await desk.search_recoveries(session, wanted.filters, wanted.sort, PAGE), ""
    return show(
        request,
        "recoveries.html",
        wanted=wanted,
        chosen=wanted.chosen,
        page=page,
        count=count,
        heads=[_head(wanted, name, by) for name, by in HEADS],
        places=_places(wanted, page, cursor),
        when=when,
        may_act=person.may(Role.OPERATOR),
        **_choices(parts, wanted.chosen),
    )


def _choices(parts: Parts, chosen: Mapping[str, str]) -> dict[str, Any]:
    return {
        "states": [(narrowing.OPEN, "Open (all that go on)"), *STATES.items()],
        "causes": sorted(((cause.value, label(cause.value)) for cause in Cause), key=lambda one: one[1]),
        "withins": [(name, text) for name, (text, _) in narrowing.WITHIN.items()],
        "known": narrowing.options(parts.policy, parts.webhooks, chosen),
    }


def _head(wanted: Narrowing, name: str, by: str) -> dict[str, str]:
    """A column that can be ordered by: where its link leads, and what it is ordered by now."""
    now = wanted.sort.by is ORDERS[by]
    turned = ("up" if wanted.sort.descending else "down") if now else ""
    aria = ("descending" if wanted.sort.descending else "ascending") if now else "none"
    return {"name": name, "by": by, "aria": aria, "address": LIST + query(wanted.chosen, sort=by, way=turned)}


def _places(wanted: Narrowing, page: RecoveryPage, cursor: str) -> dict[str, str]:
    def at(place: str | None) -> str:
        return LIST + query(wanted.chosen, cursor=place) if place else ""

    first = LIST + query(wanted.chosen) if cursor and page.previous_cursor else ""
    return {"newer": at(page.previous_cursor), "older": at(page.next_cursor), "first": first}
