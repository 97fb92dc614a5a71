"""The webhook inbox: received webhooks, their outcomes, and the replay of a stored one."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response
from markupsafe import Markup

from api.admin.command_forms import LONGEST_REASON
from api.admin.formatting import webhook_address
from api.admin.forms import GenuineForm, Tone, flash_message, redirect_to
from api.admin.masking import MaskedBody, mask_body
from api.admin.pages import show_page
from api.admin.sessions import Operator, Viewer
from api.deps import EventId, PartsDep, ProviderName
from api.webhook_replay import replay_webhook
from core.errors import CommandRefused, NotFound
from db.queries import webhooks
from db.queries.webhooks import WebhookFilters
from db.repositories import recoveries
from db.repositories.inbox import WebhookOutcome
from intake.delivery import Delivery, DeliveryStatus

router: Final = APIRouter(prefix="/webhooks")
PAGE_SIZE: Final = 50
UNDELIVERED: Final = "undelivered"
OUTCOME_CHOICES: Final = (
    (WebhookOutcome.ACCEPTED.value, "Accepted"),
    (WebhookOutcome.IGNORED.value, "Ignored"),
    (UNDELIVERED, "Waiting to be delivered"),
)


@router.get("")
async def show_webhooks_page(
    request: Request,
    parts: PartsDep,
    _: Viewer,
    q: str = "",
    provider: str = "",
    outcome: str = "",
    event_type: str = "",
    cursor: str = "",
) -> Response:
    """Webhooks that match the filters, newest first. Raises InvalidInput for a foreign cursor."""
    chosen = {"q": q.strip(), "provider": provider, "outcome": outcome, "event_type": event_type}
    async with parts.database.begin() as session:
        page = await webhooks.search_webhooks(session, _parse_filters(chosen), PAGE_SIZE, cursor or None)
        types, providers = await webhooks.list_event_types(session), await webhooks.list_providers(session)
    return show_page(
        request,
        "webhooks.html",
        page=page,
        chosen=chosen,
        filtered=any(chosen.values()),
        first=bool(cursor),
        outcomes=OUTCOME_CHOICES,
        types=[(one, one) for one in types],
        providers=[(one, one.capitalize()) for one in providers],
    )


@router.get("/{provider}/{event_id}")
async def show_webhook_page(
    request: Request, parts: PartsDep, _: Viewer, provider: ProviderName, event_id: EventId
) -> Response:
    """The page of a webhook, with its body without personal data and secrets. Raises NotFound."""
    async with parts.database.begin() as session:
        row = await webhooks.load_webhook_row(session, provider, event_id)
        if row is None:
            raise NotFound("There is no such webhook.")
        concerned = await recoveries.load_recovery_row(session, row["recovery_id"]) if row["recovery_id"] else None
    return show_page(
        request,
        "webhook.html",
        row=row,
        concerned=concerned,
        size=len(row["body"]),
        body=await parts.parsers.run(mask_body, row["body"]) if row["body"] else None,
        marked=_mark_hidden,
        address=webhook_address(provider, event_id),
    )


@router.post("/{provider}/{event_id}/replay", dependencies=[GenuineForm])
async def submit_replay_form(
    request: Request,
    parts: PartsDep,
    person: Operator,
    provider: ProviderName,
    event_id: EventId,
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
) -> Response:
    """Replays a webhook and shows the result on its page. Raises NotFound, StoreUnavailable."""
    if not reason.strip():
        flash_message(request, "Please give a reason: it is kept in the audit.", Tone.BAD)
        return redirect_to(webhook_address(provider, event_id))
    try:
        delivery = await replay_webhook(parts, provider, event_id, person.name, person.role.value, reason.strip())
    except CommandRefused as refusal:
        flash_message(request, str(refusal), Tone.BAD)
    else:
        flash_message(request, *_describe_delivery(delivery))
    return redirect_to(webhook_address(provider, event_id))


def _parse_filters(chosen: dict[str, str]) -> WebhookFilters:
    """The filters of an address; an unknown outcome is ignored."""
    narrowed: dict[str, Any] = {name: chosen[name] or None for name in ("q", "provider", "event_type")}
    known = chosen["outcome"] in set(WebhookOutcome)
    return WebhookFilters(
        **narrowed,
        outcome=WebhookOutcome(chosen["outcome"]) if known else None,
        undelivered=chosen["outcome"] == UNDELIVERED,
    )


def _describe_delivery(delivery: Delivery) -> tuple[str, Tone]:
    if delivery.status is DeliveryStatus.ACCEPTED:
        return "Delivered again: it reached its recovery.", Tone.GOOD
    if delivery.status is DeliveryStatus.IGNORED:
        return f"Delivered again, without effect: {delivery.reason}.", Tone.PLAIN
    return (
        f"It can't be delivered right now ({delivery.reason}). It waits in the queue again and is tried soon.",
        Tone.BAD,
    )


def _mark_hidden(body: MaskedBody) -> Markup:
    """The body as markup, with masks emphasised."""
    return Markup(Markup.escape(body.text).replace("••••", Markup("<b>••••</b>")))
