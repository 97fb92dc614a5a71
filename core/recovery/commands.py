"""What the workflow does about an operator's command: each is answered once, whatever workflow task is lost."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from core.classification.taxonomy import Category
from core.errors import CommandRefused
from core.events import (
    Event,
    EventType,
    Record,
    ReviewDecision,
    SkipAction,
    State,
)
from core.events.decision_data import RetrySkipped
from core.operators import Action, Command
from core.payments import Outcome
from core.recovery.command_ids import is_command_recorded
from core.recovery.state import Recovery


class CommandResult(NamedTuple):
    """The rows to write for a command, often none, and why it is refused if it is."""

    events: tuple[Event, ...] = ()
    refusal: CommandRefused | None = None


def handle_command(recovery: Recovery, command: Command, now: datetime, *, awaited: bool) -> CommandResult:
    """The answer by what the log says now; nothing for a command that it knows.

    `awaited`: somebody hears of the refusal. Nobody hears that of a signal, so it becomes a row.
    """
    if is_command_recorded(recovery, command):
        return CommandResult()
    try:
        return CommandResult(accept_command(recovery, command, now))
    except CommandRefused as refusal:
        unheard = not awaited and not recovery.stage.is_final
        return CommandResult((command_event(command, now, refused=refusal.code),) if unheard else (), refusal)


def accept_command(recovery: Recovery, command: Command, now: datetime) -> tuple[Event, ...]:
    """The event of an operator command. Raises CommandRefused with the reason.

    Where things are so already only a signal has one, since nobody answers whoever sent it; not under older rules: what
    has run must replay.
    """
    check_command(recovery, command)
    idle = {Action.PAUSE: recovery.paused, Action.RESUME: not recovery.paused}
    if idle.get(command.action) and (command.signal is None or recovery.rules < 2):
        return ()
    return (command_event(command, now), *_reconcile_reviewed_charge(recovery, command, now))


def _reconcile_reviewed_charge(recovery: Recovery, command: Command, now: datetime) -> tuple[Event, ...]:
    """A charge that could not be reconciled: whoever approves says that it never happened."""
    if recovery.in_flight is None or command.action is not Action.REVIEW or command.decision != ReviewDecision.APPROVE:
        return ()
    data = {"outcome": Outcome.NOT_CHARGED.value, "evidence": "operator", "reason": "reviewed"}
    attempt = recovery.in_flight.attempt
    return (Event(type=EventType.CHARGE_RECONCILED, occurred_at=now, attempt=attempt, data=data),)


def command_event(command: Command, now: datetime, refused: str | None = None) -> Event:
    """The row of an operator command; with `refused`, of one that had no effect."""
    data = command.model_dump(mode="json", include=_COMMAND_FIELDS, exclude_none=True)
    return Event(
        type=_COMMAND_EVENT_TYPES[command.action],
        occurred_at=now,
        data=data | ({"refused": refused} if refused else {}),
    )


_COMMAND_FIELDS: Final = {"actor", "reason", "decision", "asked_by", "asked_reason", "request_id", "signal"}


_COMMAND_EVENT_TYPES: Final[Mapping[Action, EventType]] = {
    Action.RETRY: EventType.RETRY_REQUESTED,
    Action.CANCEL: EventType.CANCEL_REQUESTED,
    Action.PAUSE: EventType.PAUSED,
    Action.RESUME: EventType.RESUMED,
    Action.REVIEW: EventType.REVIEWED,
}


def check_command(recovery: Recovery, command: Command) -> None:
    """Return when the command can be followed now. Raises CommandRefused with one of the contract's codes."""
    if recovery.stage.is_final or recovery.ending:
        raise CommandRefused("closed", f"This recovery has ended: {recovery.close_reason or 'it is being closed'}.")
    if command.action is Action.RETRY:
        _check_retry(recovery)
    if command.action is Action.REVIEW and recovery.stage is not State.IN_REVIEW:
        raise CommandRefused("not_in_review", "There is nothing to review here.")
    if command.action is Action.REVIEW and command.decision not in set(ReviewDecision):
        raise CommandRefused("no_decision", "A review needs a decision: approve or reject.")


def find_refusal(records: Iterable[Record]) -> CommandRefused | None:
    """What these rows say to somebody who asked for a charge, where it was refused at the last moment."""
    said = (record.read(RetrySkipped) for record in records if record.type is EventType.RETRY_SKIPPED)
    refused = next((data for data in said if data.action is SkipAction.REFUSE), None)
    return CommandRefused(refused.reason, refused.why or "") if refused else None


def _check_retry(recovery: Recovery) -> None:
    if recovery.in_flight:
        raise CommandRefused("in_flight", "A charge is under way; its result is not known yet.")
    if recovery.standing_back and recovery.standing_back.stops_clock:
        raise CommandRefused("in_flight", "A payment of this invoice is on its way at the provider.")
    if recovery.paused:
        raise CommandRefused("paused", "This recovery is paused; resume it first.")
    if recovery.standing_back and recovery.stage is not State.IN_REVIEW:
        raise CommandRefused("paused", "Its collection rests: the merchant paused it, or wrote the invoice off.")
    if recovery.fraud_hold or recovery.stage is State.IN_REVIEW:
        raise CommandRefused("fraud_hold", "This recovery is held for review; approve it first.")
    if recovery.category is Category.HARD_DECLINE and not recovery.trigger:
        raise CommandRefused(
            "hard_decline", "The bank refused this card for good; only another payment method can help."
        )
