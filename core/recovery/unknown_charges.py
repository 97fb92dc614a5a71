"""How long an unknown charge is reconciled, what may be sent meanwhile, and when silence becomes the answer. Pure.

Once an ending is set (an operator's cancel, a dispute, a void …), the charge is never sent again, not with its own key
either: the repeat may be the one that charges. Reads alone decide then, or the provider's webhook.
"""

from datetime import datetime, timedelta
from typing import Final

from core.base import Value
from core.durations import TimeScale
from core.payments import ChargeResult, Outcome
from core.recovery.state import Recovery

NO_ATTEMPT: Final = "no_attempt"
"""The reason of a NOT_CHARGED result: after the recovery was ended, the provider shows no attempt in time."""
UNKNOWN_CHARGE_DEADLINE: Final = timedelta(hours=24)
"""Age at which an unknown charge that can be neither repeated nor found goes to manual review."""
MAX_SEND_DELAY: Final = timedelta(seconds=10)
"""Time after the commit of a request was begun from which the execution that committed it no longer sends it.

That execution was stopped in between: another one may have reconciled the charge by now, and the recovery be over.
"""
SHORTEST_WAIT: Final = timedelta(seconds=10)
"""A time scale shortens the longest time of a request to this at least: tests and demos call over a real network."""
READ_DELAYS: Final = tuple(timedelta(seconds=s) for s in (5, 15, 30, 60))


class ProviderAbilities(Value):
    """What a gateway declares of its provider; see `providers.base.Gateway`."""

    idempotency: timedelta | None
    can_read: bool
    longest_request: timedelta


def scaled_request(longest: timedelta, time_scale: TimeScale) -> timedelta:
    """The longest time of a request as this installation waits for it."""
    return max(time_scale.shorten(longest), min(longest, SHORTEST_WAIT))


def answer_deadline(recovery: Recovery, last_sent_by: datetime | None = None) -> datetime | None:
    """Time (UTC) from which a read that shows no attempt is the answer.

    None while no ending is set, and for an order of an older release, which doesn't know its provider's longest time.
    `last_sent_by`: the time by which the charge was sent for the last time, if it is later than the ending's row says.
    """
    order, ending = recovery.in_flight, recovery.ending
    if order is None or ending is None or recovery.request_seconds is None:
        return None
    known = (order.requested_at, ending.since, last_sent_by)
    return max(at for at in known if at) + timedelta(seconds=recovery.request_seconds)


def ended_read_delay(recovery: Recovery, tries: int, now: datetime, last_sent_by: datetime | None) -> timedelta:
    """Wait before the next read of an ended recovery's charge, after `tries` of them: 5 s growing to a minute.

    Never past the deadline, so that the read which may be the answer comes at once.
    """
    delay, deadline = READ_DELAYS[min(tries, len(READ_DELAYS) - 1)], answer_deadline(recovery, last_sent_by)
    return min(delay, deadline - now) if deadline and deadline > now else delay


def is_answer_due(
    recovery: Recovery, provider: ProviderAbilities, now: datetime, last_sent_by: datetime | None
) -> bool:
    """Whether an ending is set and the provider can't be working on the charge in flight any more."""
    seconds = recovery.request_seconds or round(provider.longest_request.total_seconds())
    deadline = answer_deadline(recovery.with_changes(request_seconds=seconds), last_sent_by)
    return deadline is not None and now >= deadline


def silence_result(result: ChargeResult, *, due: bool) -> ChargeResult:
    """NOT_CHARGED if a read that was begun when the answer was due shows no attempt; else the result itself."""
    silent = due and result.outcome is Outcome.UNKNOWN and result.no_attempt
    return ChargeResult(outcome=Outcome.NOT_CHARGED, reason=NO_ATTEMPT) if silent else result


def can_repeat(recovery: Recovery, provider: ProviderAbilities, now: datetime) -> bool:
    """Whether the order in flight may be sent again: its key is honoured, no ending is set, no part was paid since."""
    order, honoured = recovery.in_flight, provider.idempotency
    if order is None or recovery.ending or order.amount > recovery.amount:
        return False
    return honoured is not None and now - order.requested_at < honoured


def is_given_up(recovery: Recovery, provider: ProviderAbilities, now: datetime, *, due: bool) -> bool:
    """Whether nothing will reconcile the charge by itself any more: neither a repeat nor a read.

    It then needs a manual review or, if an ending is set, the recovery ends and operators hear of it. A provider that
    can't be read has sent its webhook once the answer is `due`.
    """
    if recovery.in_flight is None or (provider.can_read and provider.idempotency is not None):
        return False
    if due and not provider.can_read:
        return True
    aged = now - recovery.in_flight.requested_at >= UNKNOWN_CHARGE_DEADLINE
    return aged and not can_repeat(recovery, provider, now)
