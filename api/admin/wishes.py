"""What a person can ask of a recovery: each button asks for a reason, and its answer stands on the page."""

import uuid
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response

from api.acting import act, request_name
from api.admin.forms import Genuine, Tone, go, say
from api.admin.people import Operator
from api.admin.words import recovery_address
from api.deps import InvoiceId, Parts, PartsDep, ProviderName
from api.problems import FORBIDDEN
from core.base import Value
from core.contracts import Action, Command
from core.errors import CommandRefused, EngineUnavailable, RunClosed, TooManyRequests
from core.retry.reactions import check_command
from core.retry.recovery import Recovery

router: Final = APIRouter(prefix="/recoveries/{provider}/{invoice_id}")
LONGEST_REASON: Final = 500


class Wish(StrEnum):
    """One button."""

    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
    APPROVE = "approve"
    REJECT = "reject"
    CANCEL = "cancel"

    @property
    def action(self) -> Action:
        """What the recovery calls it."""
        return Action.REVIEW if self in {Wish.APPROVE, Wish.REJECT} else Action(self.value)

    @property
    def decision(self) -> str | None:
        """Of a review."""
        return self.value if self.action is Action.REVIEW else None

    @property
    def done(self) -> str:
        """What is said when it had its effect."""
        return _DONE[self]


_DONE: Final = {
    Wish.RETRY: "The try has begun.",
    Wish.PAUSE: "Paused. Nothing is charged until somebody resumes it.",
    Wish.RESUME: "Resumed.",
    Wish.APPROVE: "Approved.",
    Wish.REJECT: "Rejected. The recovery has ended.",
    Wish.CANCEL: "Canceled. Nothing is charged any more.",
}


class Offer(Value):
    """A button as it stands on the page."""

    wish: Wish
    name: str
    explanation: str
    confirm: str
    """On the button that sends it."""
    primary: bool = False
    danger: bool = False


OFFERS: Final = (
    Offer(
        wish=Wish.APPROVE,
        name="Approve",
        confirm="Approve",
        primary=True,
        explanation="After a suspicion of fraud it waits for another payment method; anything else is tried once, now.",
    ),
    Offer(
        wish=Wish.REJECT,
        name="Reject",
        confirm="Reject it",
        danger=True,
        explanation="It ends as blocked; nothing is charged any more.",
    ),
    Offer(
        wish=Wish.RETRY,
        name="Retry now",
        confirm="Retry now",
        primary=True,
        explanation="Charges now, besides the plan. It uses none of the policy's retries, but the card network "
        "counts it.",
    ),
    Offer(
        wish=Wish.PAUSE,
        name="Pause",
        confirm="Pause it",
        explanation="Nothing is charged, and no message is sent, until somebody resumes it.",
    ),
    Offer(
        wish=Wish.RESUME,
        name="Resume",
        confirm="Resume it",
        primary=True,
        explanation="The plan goes on where it stood.",
    ),
    Offer(
        wish=Wish.CANCEL,
        name="Cancel",
        confirm="Cancel the recovery",
        danger=True,
        explanation="Ends the recovery for good. A charge under way is settled first.",
    ),
)


def offers(recovery: Recovery) -> tuple[Offer, ...]:
    """The buttons that make sense now. The workflow may still refuse: it knows more, later."""
    return tuple(one for one in OFFERS if _fits(recovery, one.wish))


def _fits(recovery: Recovery, wish: Wish) -> bool:
    if wish in _TWINS and recovery.paused is not _TWINS[wish]:
        return False
    try:
        check_command(recovery, Command(action=wish.action, decision=wish.decision))
    except CommandRefused:
        return False
    return True


_TWINS: Final = {Wish.PAUSE: False, Wish.RESUME: True}
"""Whether it must be paused already."""


@router.post("/{wish}", dependencies=[Genuine])
async def wished(
    request: Request,
    parts: PartsDep,
    person: Operator,
    provider: ProviderName,
    invoice_id: InvoiceId,
    wish: Wish,
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
    once: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Done, refused with why, or left as a signal; said on the recovery's page. `once` makes a repeat harmless."""
    if reason.strip():
        found = await put(parts, provider, invoice_id, person.name, wish, reason.strip(), once or None)
        say(request, found.sentence, TONES[found.result])
    else:
        say(request, "Please give a reason: it is kept in the log.", Tone.BAD)
    return go(recovery_address(provider, invoice_id))


class Result(StrEnum):
    """What came of a wish."""

    DONE = "done"
    STORED = "stored"
    """Left as a signal: no worker answered in time."""
    WAITS = "waits"
    """For a second person."""
    REFUSED = "refused"
    FAILED = "failed"
    """Nobody could be asked; whether it was taken is not known."""


TONES: Final = {
    Result.DONE: Tone.GOOD,
    Result.STORED: Tone.PLAIN,
    Result.WAITS: Tone.PLAIN,
    Result.REFUSED: Tone.BAD,
    Result.FAILED: Tone.BAD,
}


class Put(Value):
    """What came of a wish, and what to say about it."""

    result: Result
    sentence: str


async def put(
    parts: Parts, provider: str, invoice_id: str, actor: str, wish: Wish, reason: str, once: str | None = None
) -> Put:
    """Put a wish to a recovery. Raises NotFound, StoreUnavailable."""
    name = request_name(actor, f"{wish}\n{reason}\n{once}" if once else None)
    try:
        acted = await act(parts, provider, invoice_id, actor, wish.action, reason, wish.decision, name)
    except CommandRefused as refusal:
        waits = refusal.code == FORBIDDEN
        return Put(result=Result.WAITS if waits else Result.REFUSED, sentence=str(refusal))
    except (RunClosed, TooManyRequests) as error:
        return Put(result=Result.REFUSED, sentence=str(error))
    except EngineUnavailable as error:
        return Put(result=Result.FAILED, sentence=str(error))
    return Put(result=Result.DONE, sentence=wish.done) if acted.heeded else STORED


STORED: Final = Put(
    result=Result.STORED, sentence="No worker answered in time. The wish is stored and followed as soon as one does."
)


def once() -> str:
    """A name for what one form sends."""
    return uuid.uuid4().hex
