"""The list of recoveries; filter, order and page are in its address."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from api.admin import list_query
from api.admin.formatting import STATE_LABELS, build_query, render_list_moment, to_label
from api.admin.list_query import SORT_ORDERS, ListQuery
from api.admin.pages import show_page
from api.admin.sessions import ROOT, Role, Viewer
from api.deps import Parts, PartsDep
from core.classification.taxonomy import Cause
from core.errors import InvalidInput
from db.queries import recovery_search
from db.queries.recovery_search import RecoveryPage

router: Final = APIRouter()
PAGE_SIZE: Final = 50
LIST_ADDRESS: Final = f"{ROOT}/recoveries"
SORTABLE_COLUMNS: Final = (
    ("Amount", "amount"),
    ("Next attempt", "next"),
    ("Opened", "opened"),
    ("Last change", "changed"),
)


@router.get("/recoveries")
async def show_recoveries_page(
    request: Request, parts: PartsDep, person: Viewer, cursor: Annotated[str, Query(max_length=2000)] = ""
) -> Response:
    """One page of matching recoveries, newest first by default."""
    wanted = list_query.parse_list_query(request.query_params, parts.clock())
    async with parts.database.begin() as session:
        wanted = await list_query.search_known_customer(session, wanted, parts.customer_ids.keys)
        count = await recovery_search.count_matches(session, wanted.filters)
        try:
            page = await recovery_search.search_recoveries(
                session, wanted.filters, wanted.sort, PAGE_SIZE, cursor or None
            )
        except InvalidInput:
            # A cursor of another order, or a shortened one: show the first page instead.
            page, cursor = await recovery_search.search_recoveries(session, wanted.filters, wanted.sort, PAGE_SIZE), ""
    return show_page(
        request,
        "recoveries.html",
        wanted=wanted,
        chosen=wanted.chosen,
        page=page,
        count=count,
        heads=[_sortable_column(wanted, name, by) for name, by in SORTABLE_COLUMNS],
        places=_page_links(wanted, page, cursor),
        when=render_list_moment,
        may_act=person.has_role(Role.OPERATOR),
        **_filter_choices(parts, wanted.chosen),
    )


def _filter_choices(parts: Parts, chosen: Mapping[str, str]) -> dict[str, Any]:
    return {
        "states": [(list_query.ALL_OPEN, "All open states"), *STATE_LABELS.items()],
        "causes": sorted(((cause.value, to_label(cause.value)) for cause in Cause), key=lambda one: one[1]),
        "withins": [(name, text) for name, (text, _) in list_query.ATTEMPT_WINDOWS.items()],
        "known": list_query.filter_options(parts.policy, parts.webhooks, chosen),
    }


def _sortable_column(wanted: ListQuery, name: str, by: str) -> dict[str, str]:
    """A sortable column's head: name, link to sort by it, and `aria-sort` for the present order."""
    now = wanted.sort.by is SORT_ORDERS[by]
    turned = ("up" if wanted.sort.descending else "down") if now else ""
    aria = ("descending" if wanted.sort.descending else "ascending") if now else "none"
    return {
        "name": name,
        "by": by,
        "aria": aria,
        "address": LIST_ADDRESS + build_query(wanted.chosen, sort=by, way=turned),
    }


def _page_links(wanted: ListQuery, page: RecoveryPage, cursor: str) -> dict[str, str]:
    def link_to(place: str | None) -> str:
        return LIST_ADDRESS + build_query(wanted.chosen, cursor=place) if place else ""

    first = LIST_ADDRESS + build_query(wanted.chosen) if cursor and page.previous_cursor else ""
    return {"newer": link_to(page.previous_cursor), "older": link_to(page.next_cursor), "first": first}
