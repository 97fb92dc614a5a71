"""What operators can ask of a recovery over HTTP. Nothing is decided here: its workflow answers."""

from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from api.acting import act, request_name
from api.auth import Writer
from api.deps import InvoiceId, PartsDep, ProviderName
from api.problems import responses
from api.views import RecoveryView
from core.contracts import Action

router: Final = APIRouter(
    prefix="/v1/recoveries/{provider}/{invoice_id}",
    tags=["operations"],
    responses=responses(401, 403, 404, 409, 413, 422, 503)
    | {202: {"model": RecoveryView, "description": "no worker answered in 5 s; the request is stored as a signal"}},
)


class Decision(StrEnum):
    """The end of a review."""

    APPROVE = "approve"
    REJECT = "reject"


class Wish(BaseModel):
    """Why it is asked for; kept in the log with the name of the key."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Verdict(BaseModel):
    """How a review ends, and why."""

    model_config = ConfigDict(extra="forbid")
    decision: Decision
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""


RequestKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=200, description="the same wish sent twice acts once"),
]


class Asked:
    """Whom a request is about and who sent it: what all five routes need."""

    def __init__(
        self,
        provider: ProviderName,
        invoice_id: InvoiceId,
        caller: Writer,
        parts: PartsDep,
        response: Response,
        request_key: RequestKey = None,
    ) -> None:
        self.provider, self.invoice_id, self.caller = provider, invoice_id, caller
        self.parts, self.response = parts, response
        self.request_id = request_name(caller.name, request_key)

    async def do(self, action: Action, reason: str, decision: str | None = None) -> RecoveryView:
        """Put the wish to the recovery and show it as it is then."""
        acted = await act(
            self.parts, self.provider, self.invoice_id, self.caller.name, action, reason, decision, self.request_id,
            capped=not self.caller.bootstrap,
        )  # fmt: skip
        if not acted.heeded:
            self.response.status_code = 202
        return acted.recovery


AskedDep = Annotated[Asked, Depends(Asked)]


@router.post("/retry", responses=responses(429), summary="Charge now")
async def retry(wish: Wish, asked: AskedDep) -> RecoveryView:
    """Answers when the attempt has begun. Uses none of the policy's attempts; network limits apply all the same.

    Above an amount that the policy sets, two people have to ask for it within 24 hours: the first gets 403 with the
    code `second_approver`.
    """
    return await asked.do(Action.RETRY, wish.reason)


@router.post("/cancel", summary="End the recovery")
async def cancel(wish: Wish, asked: AskedDep) -> RecoveryView:
    """Nothing is charged any more. A charge under way is settled first."""
    return await asked.do(Action.CANCEL, wish.reason)


@router.post("/pause", summary="Charge nothing until resumed")
async def pause(wish: Wish, asked: AskedDep) -> RecoveryView:
    """A due time that passes meanwhile is not lost: the charge follows when it is resumed."""
    return await asked.do(Action.PAUSE, wish.reason)


@router.post("/resume", summary="Go on after a pause")
async def resume(wish: Wish, asked: AskedDep) -> RecoveryView:
    """The plan goes on where it stood."""
    return await asked.do(Action.RESUME, wish.reason)


@router.post("/review", summary="Approve or reject a recovery in review")
async def review(verdict: Verdict, asked: AskedDep) -> RecoveryView:
    """Rejected, it ends `blocked`. Approved after a suspicion of fraud, it waits for a new payment method.

    An approval above an amount that the policy sets takes two people, as a retry does.
    """
    return await asked.do(Action.REVIEW, verdict.reason, verdict.decision.value)
