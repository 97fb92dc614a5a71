"""Lists what comes next in a recovery, as far as it is planned now: charges, messages and the end."""

from collections.abc import Iterator
from datetime import datetime

from core.base import Value
from core.events import State
from core.messages.plans import Message
from core.recovery import machine
from core.recovery.messages import message_key
from core.recovery.state import Recovery
from core.recovery.unknown_charges import answer_deadline
from core.timeline.labels import CAUSES, MESSAGES, to_plain_words


class UpcomingStep(Value):
    """Something that will happen unless an event or a command changes it."""

    what: str
    at: datetime | None = None
    """When, in UTC; None: as soon as possible, or when somebody acts."""
    detail: str = ""
    ends: bool = False
    """Whether the recovery ends with it."""


def list_upcoming_steps(recovery: Recovery, now: datetime) -> tuple[UpcomingStep, ...]:
    """The next steps: those without a time first, then by time."""
    if recovery.stage.is_final:
        return tuple(_message_steps(recovery, now))
    steps = [*_charge_steps(recovery, now), *_message_steps(recovery, now), *_end_steps(recovery)]
    return tuple(sorted(steps, key=lambda one: (one.at is not None, one.at or now)))


def _charge_steps(recovery: Recovery, now: datetime) -> Iterator[UpcomingStep]:
    match machine.next_step(recovery.with_changes(messages=None), now):
        case machine.Read():
            yield UpcomingStep(what="The provider is asked why the payment failed")
        case machine.Decide():
            yield UpcomingStep(what="A decision about the failure is made")
        case machine.Charge():
            yield UpcomingStep(what="The provider is asked to charge", detail=_attempt_name(recovery))
        case machine.Reconcile():
            yield _reconcile_step(recovery)
        case machine.Close():
            yield UpcomingStep(what="The recovery is closed", ends=True)
        case machine.Wait():
            yield from _waiting_steps(recovery)


def _reconcile_step(recovery: Recovery) -> UpcomingStep:
    """The answer that is awaited; once an ending is set, with the time from which silence is the answer."""
    what = f"The answer to attempt {recovery.attempt} is awaited"
    if recovery.ending is None:
        return UpcomingStep(what=what, detail="Nothing else is charged until it is known.")
    deadline = answer_deadline(recovery)
    detail = _SILENCE if deadline else "It is not sent again; the recovery ends when it is known."
    return UpcomingStep(what=what, at=deadline, detail=detail, ends=True)


_SILENCE = "It is not sent again, only looked for; if the provider shows no trace of it by then, the recovery ends."


def _waiting_steps(recovery: Recovery) -> Iterator[UpcomingStep]:
    if recovery.paused:
        yield UpcomingStep(what="Nothing happens until it is resumed", detail="It is paused.")
    elif recovery.standing_back:
        yield UpcomingStep(what="The provider is asked again", at=recovery.standing_back.look_at, detail=_WHY_BACK)
        return
    elif recovery.stage is State.AWAITING_CUSTOMER:
        what = "No further retry is scheduled" if recovery.used_up else "The customer has to act"
        yield UpcomingStep(what=what, detail="A new payment method is charged at once, and a payment counts.")
    elif recovery.stage is State.IN_REVIEW:
        yield UpcomingStep(what="A person has to approve or reject it", detail=_review_detail(recovery))
    if recovery.next_attempt_at:
        yield UpcomingStep(
            what="The provider is asked to charge", at=recovery.next_attempt_at, detail=_attempt_name(recovery)
        )


_WHY_BACK = "Until then nothing is charged, and no message is sent."


def _review_detail(recovery: Recovery) -> str:
    if recovery.in_flight:
        return "Look up at the provider whether the last charge succeeded."
    return CAUSES[recovery.cause][1] if recovery.cause and not recovery.fraud_hold else "It is suspected of fraud."


def _attempt_name(recovery: Recovery) -> str:
    allowed = recovery.attempts_allowed
    if recovery.trigger or allowed is None:
        return f"Attempt {recovery.attempt + 1}"
    return f"Retry {recovery.attempts_used + 1} of {allowed}"


def _message_steps(recovery: Recovery, now: datetime) -> Iterator[UpcomingStep]:
    """Messages of the plan that are not sent yet."""
    if recovery.stage.is_final:
        if not is_finished(recovery, now):
            yield UpcomingStep(what="Message to the customer: how it ended")
        return
    if recovery.messages is None or recovery.paused:
        return
    for message in recovery.messages.messages:
        channels = [one for one in message.channels if message_key(message.step, one) not in recovery.told]
        if channels and message.at > now:
            yield _message_step(message, channels)


def _message_step(message: Message, channels: list[str]) -> UpcomingStep:
    by = " and ".join(map(to_plain_words, channels))
    words = MESSAGES.get(message.kind, to_plain_words(message.kind))
    return UpcomingStep(what=f"Message to the customer: {words}", at=message.at, detail=f"By {by}")


def _end_steps(recovery: Recovery) -> Iterator[UpcomingStep]:
    """The deadline that ends the recovery unless something else does before."""
    if recovery.paused or recovery.ending or _is_clock_stopped(recovery):
        return
    if recovery.until:
        yield UpcomingStep(what=_deadline_words(recovery), at=recovery.until, ends=True)
    elif recovery.window_ends_at:
        yield UpcomingStep(
            what="The window for retries ends, and so does the recovery", at=recovery.window_ends_at, ends=True
        )


def _is_clock_stopped(recovery: Recovery) -> bool:
    """Whether window and deadline are extended while a payment is under way, by a length not known yet."""
    return bool(recovery.standing_back and recovery.standing_back.stops_clock)


def _deadline_words(recovery: Recovery) -> str:
    if recovery.used_up and recovery.stage is State.AWAITING_CUSTOMER:
        return "The window for retries ends, and so does the recovery"
    return _DEADLINES.get(recovery.stage, "It ends")


_DEADLINES = {
    State.AWAITING_CUSTOMER: "The customer's deadline ends the recovery",
    State.IN_REVIEW: "The deadline of the review ends the recovery",
}


def is_finished(recovery: Recovery, now: datetime) -> bool:
    """Whether nothing more will happen, not even a last message."""
    return isinstance(machine.next_step(recovery, now), machine.Done)
