"""Routes that read recoveries and their logs."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from api.auth import Scope, require_scope
from api.deps import InvoiceId, Parts, PartsDep, ProviderName
from api.problems import problem_responses
from api.views import EventList, RecoveryPage, RecoveryView, to_announced_view, to_event_view, to_recovery_view
from core.classification.taxonomy import Category
from core.errors import NotFound
from core.events import State
from core.ids import recovery_id
from db.queries import recovery_rows, recovery_search
from db.queries.recovery_search import RecoveryFilters
from db.repositories import customer_identities, recoveries
from db.session import Session
from intake.recovery_store import RecoveryStore

router: Final = APIRouter(
    prefix="/v1/recoveries",
    tags=["recoveries"],
    dependencies=[Depends(require_scope(Scope.READ))],
    responses=problem_responses(401, 403, 422, 429, 503),
)
SEARCH: Final = (
    "beginning of an invoice or customer id; where none begins with it, the end; where none ends with it, any part: "
    "then a page may hold fewer recoveries than `limit`, even none, and `next_cursor` leads on"
)
Text = Annotated[str | None, Query(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]


@router.get("", summary="List recoveries")
async def list_recoveries(
    parts: PartsDep,
    state: State | None = None,
    provider: Text = None,
    category: Category | None = None,
    segment: Text = None,
    customer_id: Text = None,
    q: Annotated[Text, Query(description=SEARCH)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before")] = None,
) -> RecoveryPage:
    """Recoveries that match every filter given, newest first."""
    states = (state,) if state else ()
    filters = RecoveryFilters(
        states=states, provider=provider, category=category, segment=segment, customer_id=customer_id, q=q
    )
    async with parts.database.begin() as session:
        filters = await _search_by_known_id(parts, session, filters)
        page = await recovery_search.search_recoveries(session, filters, limit=limit, cursor=cursor)
    items = [to_recovery_view(parts.settings, row) for row in page.items]
    return RecoveryPage(items=items, next_cursor=page.next_cursor)


async def _search_by_known_id(parts: Parts, session: Session, filters: RecoveryFilters) -> RecoveryFilters:
    """The filters with the hashed id in the place of a customer's id that names a person."""
    given = filters.model_dump(include={"customer_id", "q"}, exclude_none=True)
    keys = parts.customer_ids.keys
    known = {name: await customer_identities.find_customer_id(session, text, keys) for name, text in given.items()}
    return filters.model_copy(update=known)


@router.get("/{provider}/{invoice_id}", responses=problem_responses(404), summary="One recovery")
async def get_recovery(provider: ProviderName, invoice_id: InvoiceId, parts: PartsDep) -> RecoveryView:
    """The recovery's present state. It exists from the moment its webhook was answered with 202."""
    return await load_recovery_view(parts, provider, invoice_id)


@router.get("/{provider}/{invoice_id}/events", responses=problem_responses(404), summary="The log of one recovery")
async def list_recovery_events(provider: ProviderName, invoice_id: InvoiceId, parts: PartsDep) -> EventList:
    """Every row of `event_log` in sequence order: what happened, and why. Empty before the first row is written."""
    async with parts.database.begin() as session:
        rows = await recovery_rows.load_rows(session, recovery_id(provider, invoice_id))
    if not rows:
        await load_recovery_view(parts, provider, invoice_id)
    return EventList(items=[to_event_view(row) for row in rows])


async def load_recovery_view(parts: Parts, provider: str, invoice_id: str) -> RecoveryView:
    """The recovery as of now; from the webhook inbox if it has no row yet. Raises NotFound, StoreUnavailable."""
    async with parts.database.begin() as session:
        row = await recoveries.load_recovery_row(session, recovery_id(provider, invoice_id))
    if row:
        return to_recovery_view(parts.settings, row)
    event = await RecoveryStore(parts.database).find_opening_failure(provider, invoice_id)
    if event is None:
        raise NotFound("There is no recovery of that name.")
    return to_announced_view(parts.settings, event)
