"""Messages to customers: a preview of every message, the campaigns, and the messages that were sent."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from api.admin import policy_description
from api.admin.formatting import to_label
from api.admin.pages import show_page
from api.admin.sessions import Viewer
from api.deps import Parts, PartsDep
from core.classification.taxonomy import Cause
from core.errors import InvalidInput, RecoveryError
from core.messages.kinds import MessageKind
from core.timeline.labels import MESSAGES
from db.repositories import messages
from notifications.channels import CustomerMessage
from notifications.composer import create_composer
from notifications.locales import LANGUAGES
from notifications.preview import EdgeCase, MessageExample, causes_for_kind, preview_message

router: Final = APIRouter(prefix="/messages")
PAGE_SIZE: Final = 25
MESSAGE_CONTENT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
"""Content-Security-Policy of a previewed message: it holds its own style and nothing else; the page frames it."""
LARGEST_AMOUNT: Final = 10**12
"""Limit of a previewed amount, in minor units."""
LANGUAGE_CHOICES: Final = (
    ("en", "English"),
    ("de", "German"),
    ("fr", "French"),
    ("es", "Spanish"),
    ("pt", "Portuguese"),
)
EDGE_CHOICES: Final = (
    (EdgeCase.NO_NAME, "Name not known"),
    (EdgeCase.NO_LINK, "No page to pay at"),
    (EdgeCase.NO_NUMBER, "No invoice number"),
    (EdgeCase.NO_DATES, "No dates known"),
)


@router.get("")
async def show_messages_page(request: Request, parts: PartsDep, _: Viewer, cursor: str = "") -> Response:
    """The preview of the chosen message, the campaigns, and the messages that were sent, newest first."""
    chosen, problem = _parse_example(request.query_params)
    message, broken = _preview_message(parts, chosen)
    policy = parts.policy()
    async with parts.database.begin() as session:
        sent = await messages.load_sent_messages(session, PAGE_SIZE, cursor or None)
    return show_page(
        request,
        "messages.html",
        chosen=chosen,
        fields=_example_fields(chosen),
        letter=message,
        problem=problem or broken,
        kinds=[(kind.value, MESSAGES[kind]) for kind in MessageKind],
        tongues=LANGUAGE_CHOICES,
        causes=[(one.value, to_label(one)) for one in causes_for_kind(chosen.kind)],
        edges=EDGE_CHOICES,
        campaigns=policy_description.describe_policy(policy).campaigns,
        sent=sent,
        first=bool(cursor),
    )


@router.get("/letter")
async def show_message_html(request: Request, parts: PartsDep, _: Viewer) -> HTMLResponse:
    """The HTML of a message by itself, as a mail client shows it; 422 if it can't be composed."""
    found, problem = _preview_message(parts, _parse_example(request.query_params)[0])
    headers = {"Content-Security-Policy": MESSAGE_CONTENT_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HTMLResponse(found.html if found else f"<p>{problem}</p>", 200 if found else 422, headers)


def _preview_message(parts: Parts, example: MessageExample) -> tuple[CustomerMessage | None, str]:
    """The message as the worker would compose it now, or the reason why it can't."""
    known = parts.settings
    try:
        composer = create_composer(known.mail_from, known.message_dir, known.customer_page_url)
        return preview_message(composer, example, parts.clock()), ""
    except RecoveryError as error:
        return None, f"This message can't be composed: {error}"


def _parse_example(asked: Mapping[str, Any]) -> tuple[MessageExample, str]:
    """The message to preview, and a sentence about an amount that could not be understood."""
    wanted = str(asked.get("kind"))
    kind = MessageKind(wanted) if wanted in set(MessageKind) else MessageKind.PAYMENT_FAILED
    fitting = {cause.value: cause for cause in causes_for_kind(kind)}
    language = asked.get("language") if asked.get("language") in LANGUAGES else LANGUAGES[0]
    try:
        amount, problem = _parse_amount(str(asked.get("amount") or "4900")), ""
    except InvalidInput as error:
        amount, problem = 4900, str(error)
    return MessageExample(
        kind=kind,
        language=str(language),
        cause=fitting.get(str(asked.get("cause")), next(iter(fitting.values()))),
        amount=amount,
        currency=_parse_currency(str(asked.get("currency") or "EUR")),
        edges=frozenset(edge for edge in EdgeCase if asked.get(edge.value)),
    ), problem


def _parse_amount(text: str) -> int:
    """An amount in minor units. Raises InvalidInput for text that is no whole number below LARGEST_AMOUNT."""
    plain = text.replace(",", "").strip()
    # The length first: int() refuses a text of thousands of digits.
    if len(plain) > 20 or not (plain.isascii() and plain.isdigit() and int(plain) < LARGEST_AMOUNT):
        raise InvalidInput("The amount is a whole number of minor units, for instance cents.")
    return int(plain)


def _parse_currency(text: str) -> str:
    known = text.strip().upper()
    return known if len(known) == 3 and known.isascii() and known.isalpha() else "EUR"


def _example_fields(example: MessageExample) -> dict[str, str]:
    """The previewed message as query parameters."""
    fields = {
        "kind": example.kind.value,
        "language": example.language,
        "cause": (example.cause or Cause.GENERIC).value,
        "amount": str(example.amount),
        "currency": example.currency,
    }
    return fields | {edge.value: "1" for edge in sorted(example.edges)}
