"""Operator commands from the admin console: each button asks for a reason, and the result is shown on the page."""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request, Response

from api.admin.formatting import recovery_address
from api.admin.forms import GenuineForm, Tone, flash_message, redirect_to
from api.admin.sessions import Operator, Person
from api.deps import InvoiceId, Parts, PartsDep, ProviderName
from api.operator_commands import derive_request_id, submit_command
from api.problems import FORBIDDEN_CODE
from core.base import Value
from core.errors import CommandRefused, EngineUnavailable, RunClosed, TooManyRequests
from core.operators import Action, Command
from core.recovery.commands import check_command
from core.recovery.state import Recovery

router: Final = APIRouter(prefix="/recoveries/{provider}/{invoice_id}")
LONGEST_REASON: Final = 500


class CommandKind(StrEnum):
    """The command of a button."""

    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
    APPROVE = "approve"
    REJECT = "reject"
    CANCEL = "cancel"

    @property
    def action(self) -> Action:
        """The operator command's action."""
        return Action.REVIEW if self in {CommandKind.APPROVE, CommandKind.REJECT} else Action(self.value)

    @property
    def decision(self) -> str | None:
        """The decision of a review; None for other commands."""
        return self.value if self.action is Action.REVIEW else None

    @property
    def success_message(self) -> str:
        """The message for a command that had its effect."""
        return _SUCCESS_MESSAGES[self]


_SUCCESS_MESSAGES: Final = {
    CommandKind.RETRY: "The attempt has begun.",
    CommandKind.PAUSE: "Paused. Nothing is charged until somebody resumes it.",
    CommandKind.RESUME: "Resumed.",
    CommandKind.APPROVE: "Approved.",
    CommandKind.REJECT: "Rejected. The recovery has ended.",
    CommandKind.CANCEL: "Canceled. Nothing is charged any more.",
}


class CommandOffer(Value):
    """A button of the page, with its texts."""

    command: CommandKind
    name: str
    explanation: str
    confirm: str
    """Text of the button that sends the form."""
    primary: bool = False
    danger: bool = False


COMMAND_OFFERS: Final = (
    CommandOffer(
        command=CommandKind.APPROVE,
        name="Approve",
        confirm="Approve",
        primary=True,
        explanation="After a suspicion of fraud it waits for another payment method; anything else is tried once, now.",
    ),
    CommandOffer(
        command=CommandKind.REJECT,
        name="Reject",
        confirm="Reject it",
        danger=True,
        explanation="It ends as blocked; nothing is charged any more.",
    ),
    CommandOffer(
        command=CommandKind.RETRY,
        name="Retry now",
        confirm="Retry now",
        primary=True,
        explanation="Charges now, besides the plan. It uses none of the policy's retries, but the card network "
        "counts it.",
    ),
    CommandOffer(
        command=CommandKind.PAUSE,
        name="Pause",
        confirm="Pause it",
        explanation="Nothing is charged, and no message is sent, until somebody resumes it.",
    ),
    CommandOffer(
        command=CommandKind.RESUME,
        name="Resume",
        confirm="Resume it",
        primary=True,
        explanation="The plan continues; a charge that fell due during the pause is made now.",
    ),
    CommandOffer(
        command=CommandKind.CANCEL,
        name="Cancel",
        confirm="Cancel the recovery",
        danger=True,
        explanation="Ends the recovery for good. The result of a charge in progress is awaited first.",
    ),
)


def available_offers(recovery: Recovery) -> tuple[CommandOffer, ...]:
    """The buttons for commands that the recovery accepts now. Its workflow may still refuse one: it decides later."""
    return tuple(one for one in COMMAND_OFFERS if _is_available(recovery, one.command))


def _is_available(recovery: Recovery, command: CommandKind) -> bool:
    if command in _REQUIRES_PAUSED and recovery.paused is not _REQUIRES_PAUSED[command]:
        return False
    try:
        check_command(recovery, Command(action=command.action, decision=command.decision))
    except CommandRefused:
        return False
    return True


_REQUIRES_PAUSED: Final = {CommandKind.PAUSE: False, CommandKind.RESUME: True}
"""Whether the recovery must be paused for this button to be shown."""


@dataclass(frozen=True)
class CommandForm:
    """The fields of one form: recovery, command and reason. `once` makes sending it twice harmless."""

    provider: ProviderName
    invoice_id: InvoiceId
    command: CommandKind
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = ""
    once: Annotated[str, Form(max_length=100)] = ""


CommandFormDep = Annotated[CommandForm, Depends()]


@router.post("/{command}", dependencies=[GenuineForm])
async def submit_command_form(request: Request, parts: PartsDep, person: Operator, form: CommandFormDep) -> Response:
    """Submits the command and shows its result on the recovery's page. A form sent twice acts once, by `once`."""
    await submit_and_flash(request, parts, person, form)
    return redirect_to(recovery_address(form.provider, form.invoice_id))


async def submit_and_flash(
    request: Request, parts: Parts, person: Person, form: CommandForm, *, subject: str = ""
) -> None:
    """Submits the form's command and flashes the result behind `subject`; without a reason nothing is submitted.

    Raises NotFound, StoreUnavailable.
    """
    reason = form.reason.strip()
    if not reason:
        flash_message(request, "Please give a reason: it is kept in the log.", Tone.BAD)
        return
    found = await submit_from_console(
        parts, form.provider, form.invoice_id, person, form.command, reason, form.once or None
    )
    flash_message(request, f"{subject}{found.sentence}", RESULT_TONES[found.result])


class CommandResult(StrEnum):
    """Result of an operator command."""

    DONE = "done"
    STORED = "stored"
    """Left as a signal, since no worker answered in time."""
    WAITS = "waits"
    """It waits for a second person."""
    REFUSED = "refused"
    FAILED = "failed"
    """Temporal could not be reached; whether it took the command is not known."""


RESULT_TONES: Final = {
    CommandResult.DONE: Tone.GOOD,
    CommandResult.STORED: Tone.PLAIN,
    CommandResult.WAITS: Tone.PLAIN,
    CommandResult.REFUSED: Tone.BAD,
    CommandResult.FAILED: Tone.BAD,
}


class CommandOutcome(Value):
    """Result of an operator command, with a sentence for the page."""

    result: CommandResult
    sentence: str


async def submit_from_console(
    parts: Parts,
    provider: str,
    invoice_id: str,
    person: Person,
    command: CommandKind,
    reason: str,
    once: str | None = None,
) -> CommandOutcome:
    """Submits an operator command; refusals and an unreachable Temporal become an outcome.

    Raises NotFound, InvalidPolicy, StoreUnavailable.
    """
    name = derive_request_id(person.name, f"{command}\n{reason}\n{once}" if once else None)
    try:
        acted = await submit_command(
            parts, provider, invoice_id, person.name, command.action, reason, command.decision, name,
            may_be_second=not person.bootstrap,
        )  # fmt: skip
    except CommandRefused as refusal:
        waits = refusal.code == FORBIDDEN_CODE
        return CommandOutcome(result=CommandResult.WAITS if waits else CommandResult.REFUSED, sentence=str(refusal))
    except (RunClosed, TooManyRequests) as error:
        return CommandOutcome(result=CommandResult.REFUSED, sentence=str(error))
    except EngineUnavailable as error:
        return CommandOutcome(result=CommandResult.FAILED, sentence=str(error))
    return (
        CommandOutcome(result=CommandResult.DONE, sentence=command.success_message)
        if acted.is_handled
        else STORED_OUTCOME
    )


STORED_OUTCOME: Final = CommandOutcome(
    result=CommandResult.STORED,
    sentence="No worker answered in time. The command is stored and handled as soon as one does.",
)


def new_form_key() -> str:
    """A random key for one rendered form, so that sending it twice acts once."""
    return uuid.uuid4().hex
