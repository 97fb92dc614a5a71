"""What customers are told: every letter to look at, the campaigns that send them, and what went out."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from api.admin import policy_words
from api.admin.pages import show
from api.admin.people import Viewer
from api.admin.words import label
from api.deps import Parts, PartsDep
from core.classifier.taxonomy import Cause
from core.errors import InvalidInput, RecoveryError
from core.messages.kinds import MessageKind
from core.telling.words import MESSAGES
from db.repositories import messages
from notifications.channels import Letter
from notifications.letters import letters_of
from notifications.locales import LANGUAGES
from notifications.preview import Edge, Example, causes_of, preview

router: Final = APIRouter(prefix="/messages")
PAGE: Final = 25
LETTER_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
"""A letter brings its style along and nothing else; the page of messages shows it in a frame."""
LARGEST: Final = 10**12
"""Minor units; enough for any letter."""
TONGUES: Final = (("en", "English"), ("de", "German"), ("fr", "French"), ("es", "Spanish"), ("pt", "Portuguese"))
EDGES: Final = (
    (Edge.NO_NAME, "Name not known"),
    (Edge.NO_LINK, "No page to pay at"),
    (Edge.NO_DATES, "No dates known"),
)


@router.get("")
async def shown(request: Request, parts: PartsDep, _: Viewer, cursor: str = "") -> Response:
    """The letter that was chosen, the campaigns, and the messages that went out."""
    chosen, problem = _example(request.query_params)
    letter, broken = _letter(parts, chosen)
    policy = parts.policy()
    async with parts.database.begin() as session:
        sent = await messages.load_sent_messages(session, PAGE, cursor or None)
    return show(
        request,
        "messages.html",
        chosen=chosen,
        fields=_fields(chosen),
        letter=letter,
        problem=problem or broken,
        kinds=[(kind.value, MESSAGES[kind]) for kind in MessageKind],
        tongues=TONGUES,
        causes=[(one.value, label(one)) for one in causes_of(chosen.kind)],
        edges=EDGES,
        campaigns=policy_words.told(policy).campaigns,
        sent=sent,
        first=bool(cursor),
    )


@router.get("/letter")
async def letter(request: Request, parts: PartsDep, _: Viewer) -> HTMLResponse:
    """The HTML of a letter by itself, as a mail program shows it."""
    found, problem = _letter(parts, _example(request.query_params)[0])
    headers = {"Content-Security-Policy": LETTER_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HTMLResponse(found.html if found else f"<p>{problem}</p>", 200 if found else 422, headers)


def _letter(parts: Parts, example: Example) -> tuple[Letter | None, str]:
    """As the worker would write it now, or why it can't."""
    known = parts.settings
    try:
        letters = letters_of(known.mail_from, known.message_dir, known.customer_page_url)
        return preview(letters, example, parts.clock()), ""
    except RecoveryError as error:
        return None, f"This letter can't be written: {error}"


def _example(asked: Mapping[str, Any]) -> tuple[Example, str]:
    """What to show, and what of the wish could not be followed."""
    wanted = str(asked.get("kind"))
    kind = MessageKind(wanted) if wanted in set(MessageKind) else MessageKind.PAYMENT_FAILED
    fitting = {cause.value: cause for cause in causes_of(kind)}
    language = asked.get("language") if asked.get("language") in LANGUAGES else LANGUAGES[0]
    try:
        amount, problem = _amount(str(asked.get("amount") or "4900")), ""
    except InvalidInput as error:
        amount, problem = 4900, str(error)
    return Example(
        kind=kind,
        language=str(language),
        cause=fitting.get(str(asked.get("cause")), next(iter(fitting.values()))),
        amount=amount,
        currency=_currency(str(asked.get("currency") or "EUR")),
        edges=frozenset(edge for edge in Edge if asked.get(edge.value)),
    ), problem


def _amount(text: str) -> int:
    """Raises InvalidInput."""
    plain = text.replace(",", "").strip()
    if not (plain.isascii() and plain.isdigit() and int(plain) < LARGEST):
        raise InvalidInput("The amount is a whole number of minor units, for instance cents.")
    return int(plain)


def _currency(text: str) -> str:
    known = text.strip().upper()
    return known if len(known) == 3 and known.isascii() and known.isalpha() else "EUR"


def _fields(example: Example) -> dict[str, str]:
    """The same choice as an address has it."""
    told = {
        "kind": example.kind.value,
        "language": example.language,
        "cause": (example.cause or Cause.GENERIC).value,
        "amount": str(example.amount),
        "currency": example.currency,
    }
    return told | {edge.value: "1" for edge in sorted(example.edges)}
