"""What waits for a person: recoveries in review, the nearest deadline first, and wishes that take a second one."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response

from api.admin.forms import Genuine, Tone, go, say
from api.admin.pages import show
from api.admin.people import ROOT, Operator, Person, Viewer
from api.admin.wishes import LONGEST_REASON, OFFERS, TONES, Offer, Wish, once, put
from api.admin.words import label
from api.deps import InvoiceId, PartsDep, ProviderName
from core.base import Value
from core.contracts import Action
from core.telling.said import EventData
from core.telling.telling import to_sentence
from db.repositories import approvals, recoveries, reviews
from db.repositories.approvals import Approval
from db.session import Session

router: Final = APIRouter(prefix="/reviews")
FRAUD: Final = "fraud"
"""The reason of a decision that a suspicion led to."""
PAGE: Final = 25
MOST_WAITING: Final = 50
"""Wishes for a second person on one page; more of them are not usual."""
BUTTONS: Final = tuple(one for one in OFFERS if one.wish in {Wish.APPROVE, Wish.REJECT})


class Waiting(Value):
    """A wish that takes a second person, with its recovery."""

    approval: Approval
    recovery: dict[str, Any]
    offer: Offer
    """What the second person asks for."""
    own: bool
    """Whether whoever looks at it is the first one."""


class Why(Value):
    """What led to a review."""

    kind: str
    reasons: tuple[str, ...]
    score: int | None
    """Of suspicion, 0 to 100; None where nothing was suspicious."""


@router.get("")
async def listed(request: Request, parts: PartsDep, person: Viewer, cursor: str = "") -> Response:
    """The queue."""
    async with parts.database.begin() as session:
        page = await reviews.load_review_queue(session, PAGE, cursor or None)
        count = await reviews.count_reviews(session)
        second = await _second(
            session, person, await approvals.all_waiting_approvals(session, parts.clock(), MOST_WAITING)
        )
    return show(
        request,
        "reviews.html",
        page=page,
        count=count,
        why=[_why(one) for one in page.items],
        second=second,
        buttons=BUTTONS,
        once=once(),
        first=bool(cursor),
    )


@router.post("/{provider}/{invoice_id}/{wish}", dependencies=[Genuine])
async def decided(
    request: Request,
    parts: PartsDep,
    person: Operator,
    provider: ProviderName,
    invoice_id: InvoiceId,
    wish: Wish,
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
    once: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Done, refused with why, or left as a signal; said above the queue, where the next one waits."""
    if reason.strip():
        found = await put(parts, provider, invoice_id, person.name, wish, reason.strip(), once or None)
        say(request, f"{invoice_id}: {found.sentence}", TONES[found.result])
    else:
        say(request, "Please give a reason: it is kept in the log.", Tone.BAD)
    return go(f"{ROOT}/reviews")


async def _second(session: Session, person: Person, waiting: list[Approval]) -> list[Waiting]:
    found = [(one, await recoveries.load_recovery_row(session, one.recovery_id)) for one in waiting]
    return [
        Waiting(approval=one, recovery=row, offer=_offer(one), own=one.asked_by == person.name)
        for one, row in found
        if row
    ]


def _offer(one: Approval) -> Offer:
    wish = Wish(one.decision) if one.action == Action.REVIEW and one.decision else Wish(one.action)
    return next(offer for offer in OFFERS if offer.wish is wish)


def _why(row: dict[str, Any]) -> Why:
    decision, assessment = EventData(row["decision"]), EventData(row["assessment"])
    reason, suspicions = decision.read_text("reason"), assessment.read_texts("reasons")
    fraud = reason == FRAUD
    told = suspicions if fraud and suspicions else (decision.read_text("why") or "a person has to look at this",)
    return Why(
        kind="Suspicion of fraud" if fraud else _KINDS.get(reason, label(reason or "other")),
        reasons=tuple(map(to_sentence, told)),
        score=(assessment.read_number("score") or None) if fraud else None,
    )


_KINDS: Final = {"configuration": "Set-up has to be mended", "unknown": "Code that nobody knows"}
