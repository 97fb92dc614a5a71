"""The inbox: what providers sent, what became of it, and a stored one delivered once more."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response
from markupsafe import Markup

from api.admin.forms import Genuine, Tone, go, say
from api.admin.masking import Body, shown
from api.admin.pages import show
from api.admin.people import Operator, Viewer
from api.admin.wishes import LONGEST_REASON
from api.admin.words import webhook_address
from api.deps import EventId, PartsDep, ProviderName
from api.replaying import replay
from core.errors import CommandRefused, NotFound
from db.repositories import recoveries, webhooks
from db.repositories.inbox import WebhookOutcome
from db.repositories.webhooks import WebhookFilters
from intake.deliver import Delivery, DeliveryStatus

router: Final = APIRouter(prefix="/webhooks")
PAGE: Final = 50
UNDELIVERED: Final = "undelivered"
OUTCOMES: Final = (
    (WebhookOutcome.ACCEPTED.value, "Accepted"),
    (WebhookOutcome.IGNORED.value, "Ignored"),
    (UNDELIVERED, "Waiting to be delivered"),
)


@router.get("")
async def listed(
    request: Request,
    parts: PartsDep,
    _: Viewer,
    q: str = "",
    provider: str = "",
    outcome: str = "",
    event_type: str = "",
    cursor: str = "",
) -> Response:
    """Newest first, narrowed."""
    chosen = {"q": q.strip(), "provider": provider, "outcome": outcome, "event_type": event_type}
    async with parts.database.begin() as session:
        page = await webhooks.search_webhooks(session, _filters(chosen), PAGE, cursor or None)
        types, providers = await webhooks.list_event_types(session), await webhooks.list_providers(session)
    return show(
        request,
        "webhooks.html",
        page=page,
        chosen=chosen,
        filtered=any(chosen.values()),
        first=bool(cursor),
        outcomes=OUTCOMES,
        types=[(one, one) for one in types],
        providers=[(one, one.capitalize()) for one in providers],
    )


@router.get("/{provider}/{event_id}")
async def one(request: Request, parts: PartsDep, _: Viewer, provider: ProviderName, event_id: EventId) -> Response:
    """What is known of it, and its body without persons and secrets."""
    async with parts.database.begin() as session:
        row = await webhooks.load_webhook_row(session, provider, event_id)
        if row is None:
            raise NotFound("There is no such webhook.")
        concerned = await recoveries.load_recovery_row(session, row["recovery_id"]) if row["recovery_id"] else None
    return show(
        request,
        "webhook.html",
        row=row,
        concerned=concerned,
        size=len(row["body"]),
        body=shown(row["body"]) if row["body"] else None,
        marked=_marked,
        address=webhook_address(provider, event_id),
    )


@router.post("/{provider}/{event_id}/replay", dependencies=[Genuine])
async def again(
    request: Request,
    parts: PartsDep,
    person: Operator,
    provider: ProviderName,
    event_id: EventId,
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
) -> Response:
    """Delivered once more; what came of it is said on its page."""
    if not reason.strip():
        say(request, "Please give a reason: it is kept in the audit.", Tone.BAD)
        return go(webhook_address(provider, event_id))
    try:
        verdict = await replay(parts, provider, event_id, person.name, person.role.value, reason.strip())
    except CommandRefused as refusal:
        say(request, str(refusal), Tone.BAD)
    else:
        say(request, *_said(verdict))
    return go(webhook_address(provider, event_id))


def _filters(chosen: dict[str, str]) -> WebhookFilters:
    """What makes no sense in an address narrows to nothing that is stored, not to an error."""
    narrowed: dict[str, Any] = {name: chosen[name] or None for name in ("q", "provider", "event_type")}
    known = chosen["outcome"] in set(WebhookOutcome)
    return WebhookFilters(
        **narrowed,
        outcome=WebhookOutcome(chosen["outcome"]) if known else None,
        undelivered=chosen["outcome"] == UNDELIVERED,
    )


def _said(verdict: Delivery) -> tuple[str, Tone]:
    if verdict.status is DeliveryStatus.ACCEPTED:
        return "Delivered again: it reached its recovery.", Tone.GOOD
    if verdict.status is DeliveryStatus.IGNORED:
        return f"Delivered again, without effect: {verdict.reason}.", Tone.PLAIN
    return (
        f"It can't be delivered right now ({verdict.reason}). It waits in the queue again and is tried soon.",
        Tone.BAD,
    )


def _marked(body: Body) -> Markup:
    """What is hidden stands out."""
    return Markup(Markup.escape(body.text).replace("••••", Markup("<b>••••</b>")))
