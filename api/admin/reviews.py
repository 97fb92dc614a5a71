"""The review queue: recoveries in review, the nearest deadline first, and commands that wait for a second person."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from api.admin.command_forms import (
    COMMAND_OFFERS,
    CommandFormDep,
    CommandKind,
    CommandOffer,
    new_form_key,
    submit_and_flash,
)
from api.admin.formatting import to_label
from api.admin.forms import GenuineForm, redirect_to
from api.admin.pages import show_page
from api.admin.sessions import ROOT, Operator, Person, Viewer
from api.deps import PartsDep
from core.base import Value
from core.events.decision_data import FraudAssessed, RetrySkipped
from core.operators import Action, is_same_person
from core.timeline.entries import to_sentence
from db.queries import reviews
from db.repositories import approvals, recoveries
from db.repositories.approvals import Approval
from db.session import Session

router: Final = APIRouter(prefix="/reviews")
FRAUD_REASON: Final = "fraud"
"""The reason of a decision that was made on suspicion of fraud."""
PAGE_SIZE: Final = 25
MOST_WAITING_APPROVALS: Final = 50
"""Commands on the page that wait for a second person; more are unusual."""
REVIEW_OFFERS: Final = tuple(one for one in COMMAND_OFFERS if one.command in {CommandKind.APPROVE, CommandKind.REJECT})


class WaitingApproval(Value):
    """An operator command that waits for a second person, with its recovery."""

    approval: Approval
    recovery: dict[str, Any]
    offer: CommandOffer
    """The button by which the second person submits the same command."""
    is_own: bool
    """Whether the person who views the page is the first one, who can't approve it."""


class ReviewReason(Value):
    """Why a recovery is in review."""

    kind: str
    reasons: tuple[str, ...]
    score: int | None
    """Fraud score, 0 to 100; None if the review is not about fraud."""


@router.get("")
async def show_reviews_page(request: Request, parts: PartsDep, person: Viewer, cursor: str = "") -> Response:
    """The review queue. Raises InvalidInput for a foreign cursor."""
    async with parts.database.begin() as session:
        page = await reviews.load_review_queue(session, PAGE_SIZE, cursor or None)
        count = await reviews.count_reviews(session)
        second = await _load_waiting_approvals(
            session, person, await approvals.all_waiting_approvals(session, parts.clock(), MOST_WAITING_APPROVALS)
        )
    return show_page(
        request,
        "reviews.html",
        page=page,
        count=count,
        why=[_review_reason(one) for one in page.items],
        second=second,
        buttons=REVIEW_OFFERS,
        once=new_form_key(),
        first=bool(cursor),
    )


@router.post("/{provider}/{invoice_id}/{command}", dependencies=[GenuineForm])
async def submit_review_form(request: Request, parts: PartsDep, person: Operator, form: CommandFormDep) -> Response:
    """Submits a decision or a second approval and shows its result above the queue."""
    await submit_and_flash(request, parts, person, form, subject=f"{form.invoice_id}: ")
    return redirect_to(f"{ROOT}/reviews")


async def _load_waiting_approvals(session: Session, person: Person, waiting: list[Approval]) -> list[WaitingApproval]:
    found = await recoveries.load_recovery_rows(session, [one.recovery_id for one in waiting]) if waiting else []
    rows = {row["recovery_id"]: row for row in found}
    return [
        WaitingApproval(
            approval=one,
            recovery=rows[one.recovery_id],
            offer=_offer_for(one),
            is_own=is_same_person(one.asked_by, person.name),
        )
        for one in waiting
        if one.recovery_id in rows
    ]


def _offer_for(one: Approval) -> CommandOffer:
    command = CommandKind(one.decision) if one.action == Action.REVIEW and one.decision else CommandKind(one.action)
    return next(offer for offer in COMMAND_OFFERS if offer.command is command)


def _review_reason(row: dict[str, Any]) -> ReviewReason:
    decision = row["decision"] if isinstance(row["decision"], RetrySkipped) else None
    if decision and decision.reason == FRAUD_REASON:
        return _fraud_reason(decision, row["assessment"] if isinstance(row["assessment"], FraudAssessed) else None)
    reason = decision.reason if decision else "other"
    return ReviewReason(
        kind=_KIND_LABELS.get(reason, to_label(reason)), reasons=(_decision_words(decision),), score=None
    )


def _fraud_reason(decision: RetrySkipped, assessment: FraudAssessed | None) -> ReviewReason:
    fraud_reasons = assessment.reasons if assessment else ()
    return ReviewReason(
        kind="Suspicion of fraud",
        reasons=tuple(map(to_sentence, fraud_reasons)) or (_decision_words(decision),),
        score=(assessment.score or None) if assessment else None,
    )


def _decision_words(decision: RetrySkipped | None) -> str:
    return to_sentence((decision.why if decision else None) or "a person has to look at this")


_KIND_LABELS: Final = {"configuration": "Configuration problem", "unknown": "Unknown decline code"}
