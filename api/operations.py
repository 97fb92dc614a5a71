"""What operators can ask of a recovery. Nothing is decided here: its workflow answers."""

import asyncio
import hashlib
import math
import uuid
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.exceptions import HTTPException

from api.auth import Caller, Writer
from api.begun import begins
from api.deps import InvoiceId, Parts, PartsDep, ProviderName
from api.problems import responses
from api.recoveries import current
from api.views import RecoveryView
from core.contracts import Action, Command, RecoveryStatus
from core.errors import EngineUnavailable, NotFound, Refused, RunClosed
from core.ids import recovery_id
from core.retry.recovery import Recovery
from db.repositories import operators
from intake.known import Known

PATIENCE: Final = timedelta(seconds=5)
"""How long a worker may take to answer before the wish is left as a signal."""
LEAVE_SIGNAL_WITHIN: Final = timedelta(seconds=5)
RETRIES_AN_HOUR: Final = 60
"""By one key. Each may be a charge that the networks count."""
HOUR: Final = timedelta(hours=1)

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
        self.request_id = _request_id(caller, request_key)

    async def do(self, action: Action, reason: str, decision: str | None = None) -> RecoveryView:
        """Put the wish to the recovery and show it as it is then."""
        wish = Command(
            action=action, actor=self.caller.name, reason=reason, decision=decision, request_id=self.request_id
        )
        if not await _heeded(self.parts, self.provider, self.invoice_id, wish):
            self.response.status_code = 202
        return await current(self.parts, self.provider, self.invoice_id)


def _request_id(caller: Caller, request_key: str | None) -> str:
    """A name for the wish, so that an update and the signal left after it act once; callers can't meet each other's."""
    if request_key is None:
        return uuid.uuid4().hex
    return hashlib.sha256(f"{caller.name}\n{request_key}".encode(errors="replace")).hexdigest()


AskedDep = Annotated[Asked, Depends(Asked)]


@router.post("/retry", responses=responses(429), summary="Charge now")
async def retry(wish: Wish, asked: AskedDep) -> RecoveryView:
    """Answers when the attempt has begun. Uses none of the policy's attempts; network limits apply all the same."""
    await _within_cap(asked)
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
    """Rejected, it ends `blocked`. Approved after a suspicion of fraud, it waits for a new payment method."""
    return await asked.do(Action.REVIEW, verdict.reason, verdict.decision.value)


async def _heeded(parts: Parts, provider: str, invoice_id: str, wish: Command) -> bool:
    """Whether the wish had its effect; False where it is only stored. Raises Refused, NotFound.

    A retry has its effect when the attempt has begun, which the log shows before the workflow can say so.
    """
    asking = parts.background.start(_ask(parts, provider, invoice_id, wish))
    if wish.action is Action.RETRY:
        begun = parts.background.start(begins(parts.database, recovery_id(provider, invoice_id)))
        await asyncio.wait({asking, begun}, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if not asking.done():
            return True
    return await asking is not None


async def _ask(parts: Parts, provider: str, invoice_id: str, wish: Command) -> RecoveryStatus | None:
    """Ask the recovery; where its run was lost, give it a new one and ask that. Raises Refused, NotFound."""
    try:
        async with asyncio.timeout((PATIENCE + LEAVE_SIGNAL_WITHIN).total_seconds()):
            return await _asked(parts, provider, invoice_id, wish)
    except TimeoutError:
        raise EngineUnavailable("Temporal does not answer in time; whether it took the request is not known.") from None


async def _asked(parts: Parts, provider: str, invoice_id: str, wish: Command) -> RecoveryStatus | None:
    name = recovery_id(provider, invoice_id)
    try:
        return await parts.recoveries.ask(name, wish, PATIENCE)
    except Refused as refusal:
        # The log knows of an end a moment before the workflow does.
        if refusal.code == "in_flight":
            _refuse_ended(await Known(parts.database).recovery(name))
        raise
    except NotFound:
        await _revive(parts, provider, invoice_id)
    try:
        return await parts.recoveries.ask(name, wish, PATIENCE)
    except NotFound:
        raise Refused("closed", "This recovery has ended.") from None


async def _revive(parts: Parts, provider: str, invoice_id: str) -> None:
    known = Known(parts.database)
    stored = await known.recovery(recovery_id(provider, invoice_id))
    _refuse_ended(stored)
    try:
        if stored:
            await parts.recoveries.resume(provider, invoice_id)
        elif opening := await known.opening(provider, invoice_id):
            await parts.recoveries.begin(opening)
        else:
            raise NotFound("There is no recovery of that name.")
    except RunClosed:
        raise Refused("closed", "This recovery has ended.") from None


def _refuse_ended(stored: Recovery | None) -> None:
    if stored and stored.stage.final:
        raise Refused("closed", f"This recovery has ended {stored.state.value}: {stored.close_reason}.")


async def _within_cap(asked: Asked) -> None:
    """Counted in the log, so that the cap holds over all API processes. Raises HTTPException 429."""
    if asked.caller.bootstrap:
        return
    now = asked.parts.clock()
    async with asked.parts.database.begin() as session:
        asked_for = await operators.retries_asked(session, asked.caller.name, now - HOUR)
    if asked_for.count >= RETRIES_AN_HOUR and asked_for.first_at:
        wait = max(1, math.ceil((asked_for.first_at + HOUR - now).total_seconds()))
        sentence = f"This key asked for {asked_for.count} retries within an hour; {RETRIES_AN_HOUR} are allowed."
        raise HTTPException(429, sentence, {"Retry-After": str(wait)})
