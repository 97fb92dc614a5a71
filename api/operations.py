"""Operator commands over HTTP. The recovery's workflow accepts or rejects them; nothing is decided here."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from api.auth import Writer
from api.deps import InvoiceId, PartsDep, ProviderName
from api.operator_commands import derive_request_id, submit_command
from api.problems import problem_responses
from api.views import RecoveryView
from core.events import ReviewDecision
from core.operators import Action

router: Final = APIRouter(
    prefix="/v1/recoveries/{provider}/{invoice_id}",
    tags=["operations"],
    responses=problem_responses(400, 401, 403, 404, 408, 409, 413, 422, 429, 503)
    | {202: {"model": RecoveryView, "description": "no worker answered in 5 s; the command is left as a signal"}},
)

NOT_BLANK: Final = r"\S"
"""Says in the description, too, that blanks alone are no reason."""


class CommandRequest(BaseModel):
    """The reason for a command; recorded in the log with the name of the API key."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=NOT_BLANK)]


class ReviewRequest(BaseModel):
    """The decision of a review, and its reason."""

    model_config = ConfigDict(extra="forbid")
    decision: ReviewDecision
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""


RequestKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=200, description="the same command sent twice acts once"),
]


class CommandContext:
    """The parameters that all five routes share: recovery, caller and idempotency key."""

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
        self.request_id = derive_request_id(caller.name, request_key)

    async def submit_command(self, action: Action, reason: str, decision: str | None = None) -> RecoveryView:
        """Submits the command and returns the recovery after it; 202 if no worker answered in time.

        Raises as `api.operator_commands.submit_command`.
        """
        acted = await submit_command(
            self.parts, self.provider, self.invoice_id, self.caller.name, action, reason, decision, self.request_id,
            capped=not self.caller.bootstrap, may_be_second=not self.caller.bootstrap,
        )  # fmt: skip
        if not acted.is_handled:
            self.response.status_code = 202
        return acted.recovery


CommandContextDep = Annotated[CommandContext, Depends(CommandContext)]


@router.post("/retry", summary="Charge now")
async def retry_recovery(command: CommandRequest, asked: CommandContextDep) -> RecoveryView:
    """Answers when the attempt has begun. It uses none of the policy's attempts; the card networks' limits apply.

    Above an amount that the policy sets, two people must submit it within 24 hours: the first gets 403 with the code
    `second_approver`.
    """
    return await asked.submit_command(Action.RETRY, command.reason)


@router.post("/cancel", summary="End the recovery")
async def cancel_recovery(command: CommandRequest, asked: CommandContextDep) -> RecoveryView:
    """Nothing is charged any more. The result of a charge in progress is awaited first."""
    return await asked.submit_command(Action.CANCEL, command.reason)


@router.post("/pause", summary="Charge nothing until resumed")
async def pause_recovery(command: CommandRequest, asked: CommandContextDep) -> RecoveryView:
    """A charge that falls due meanwhile is made when the recovery is resumed."""
    return await asked.submit_command(Action.PAUSE, command.reason)


@router.post("/resume", summary="Go on after a pause")
async def resume_recovery(command: CommandRequest, asked: CommandContextDep) -> RecoveryView:
    """The plan continues; a charge that fell due during the pause is made now."""
    return await asked.submit_command(Action.RESUME, command.reason)


@router.post("/review", summary="Approve or reject a recovery in review")
async def review_recovery(verdict: ReviewRequest, asked: CommandContextDep) -> RecoveryView:
    """If rejected, the recovery ends `blocked`. If approved after a suspicion of fraud, it waits for a new payment
    method.

    An approval above an amount that the policy sets takes two people, as a retry does.
    """
    return await asked.submit_command(Action.REVIEW, verdict.reason, verdict.decision.value)
