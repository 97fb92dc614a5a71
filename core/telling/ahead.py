"""What comes next in a recovery, by itself and by people, as far as it is planned now."""

from collections.abc import Iterator
from datetime import datetime

from core.base import Value
from core.events import State
from core.messages.due import key
from core.messages.plan import Message
from core.retry import machine
from core.retry.recovery import Recovery
from core.telling.words import CAUSES, MESSAGES, plain


class Ahead(Value):
    """Something that will happen, when nobody does anything about it."""

    what: str
    at: datetime | None = None
    """None: as soon as possible, or whenever somebody acts."""
    detail: str = ""
    ends: bool = False
    """Whether the recovery is over then."""


def ahead(recovery: Recovery, now: datetime) -> tuple[Ahead, ...]:
    """The next steps in their order: those without a moment first, then by moment."""
    if recovery.stage.final:
        return tuple(_messages(recovery, now))
    steps = [*_about_money(recovery, now), *_messages(recovery, now), *_end(recovery)]
    return tuple(sorted(steps, key=lambda one: (one.at is not None, one.at or now)))


def _about_money(recovery: Recovery, now: datetime) -> Iterator[Ahead]:
    match machine.next_step(recovery.having(messages=None), now):
        case machine.Read():
            yield Ahead(what="The provider is asked why the payment failed")
        case machine.Decide():
            yield Ahead(what="It is decided what to do about the failure")
        case machine.Charge():
            yield Ahead(what="The provider is asked to charge", detail=_attempt(recovery))
        case machine.Settle():
            yield Ahead(what=f"The answer to attempt {recovery.attempt} is awaited", detail=_SETTLING)
        case machine.Close():
            yield Ahead(what="The recovery is closed", ends=True)
        case machine.Wait():
            yield from _waiting(recovery)


_SETTLING = "Nothing else is charged until it is known."


def _waiting(recovery: Recovery) -> Iterator[Ahead]:
    if recovery.paused:
        yield Ahead(what="Nothing happens until somebody resumes it", detail="It is paused.")
    elif recovery.standing_back:
        yield Ahead(what="The provider is asked again", at=recovery.standing_back.look_at, detail=_WHY_BACK)
        return
    elif recovery.stage is State.AWAITING_CUSTOMER:
        what = "Nothing is tried by itself any more" if recovery.used_up else "The customer has to act"
        yield Ahead(what=what, detail="A new payment method is tried at once, and a payment counts.")
    elif recovery.stage is State.IN_REVIEW:
        yield Ahead(what="A person has to approve or reject it", detail=_held(recovery))
    if recovery.next_attempt_at:
        yield Ahead(what="The provider is asked to charge", at=recovery.next_attempt_at, detail=_attempt(recovery))


_WHY_BACK = "Until then nothing is charged, and nobody is written to."


def _held(recovery: Recovery) -> str:
    if recovery.in_flight:
        return "Look up at the provider whether the last charge succeeded."
    return CAUSES[recovery.cause][1] if recovery.cause and not recovery.fraud_hold else "It is suspected of fraud."


def _attempt(recovery: Recovery) -> str:
    allowed = recovery.attempts_allowed
    if recovery.trigger or allowed is None:
        return f"Attempt {recovery.attempt + 1}"
    return f"Retry {recovery.attempts_used + 1} of {allowed}"


def _messages(recovery: Recovery, now: datetime) -> Iterator[Ahead]:
    """Messages of the plan that are still to go out."""
    if recovery.stage.final:
        if not over(recovery, now):
            yield Ahead(what="The customer is told how it ended")
        return
    if recovery.messages is None or recovery.paused:
        return
    for message in recovery.messages.messages:
        channels = [one for one in message.channels if key(message.step, one) not in recovery.told]
        if channels and message.at > now:
            yield _letter(message, channels)


def _letter(message: Message, channels: list[str]) -> Ahead:
    by = " and ".join(map(plain, channels))
    said = MESSAGES.get(message.kind, plain(message.kind))
    return Ahead(what=f"The customer is told: {said}", at=message.at, detail=f"By {by}")


def _end(recovery: Recovery) -> Iterator[Ahead]:
    """What ends it, when nothing else has until then."""
    if recovery.paused or recovery.ending or _clock_stands(recovery):
        return
    if recovery.until:
        yield Ahead(what=_deadline(recovery), at=recovery.until, ends=True)
    elif recovery.window_ends_at:
        yield Ahead(what="Time for retries is over; it is given up", at=recovery.window_ends_at, ends=True)


def _clock_stands(recovery: Recovery) -> bool:
    """Window and deadline move for as long as money is on its way: nobody knows yet where to."""
    return bool(recovery.standing_back and recovery.standing_back.stops_clock)


def _deadline(recovery: Recovery) -> str:
    if recovery.used_up and recovery.stage is State.AWAITING_CUSTOMER:
        return "The window is over; it is given up"
    return _DEADLINES.get(recovery.stage, "It ends")


_DEADLINES = {
    State.AWAITING_CUSTOMER: "The customer's time is over; it is given up",
    State.IN_REVIEW: "The time for a review is over; it ends",
}


def over(recovery: Recovery, now: datetime) -> bool:
    """Whether nothing more will happen by itself, not even a last message."""
    return isinstance(machine.next_step(recovery, now), machine.Done)
