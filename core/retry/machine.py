"""The law of a recovery: which state may follow which, and what to do next.

`apply` folds one record of the log into the state, `next_step` says what the state calls for. Both are pure: the
workflow, the simulator and the rebuild of the read model drive the same two functions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from core import money
from core.base import Value
from core.events import WHOLE_AMOUNTS, Event, EventType, Record, State, Trigger, modern
from core.messages.due import Open, next_message
from core.messages.plan import Message
from core.retry.command_identity import is_row_of, with_command
from core.retry.folds import FOLDS
from core.retry.recovery import COLLECTION_PAUSED, PAYMENT_UNDER_WAY, PROVIDER_REFUSED, WRITTEN_OFF, Recovery, StandBack

LATE_BY: Final = timedelta(hours=1)
"""How late a charge may be for its window: a worker that was down must not cost an attempt."""


class Read(Value):
    """Ask the provider about a failure that it announced."""


class Decide(Value):
    """Classify the failure and plan."""


class Charge(Value):
    """Charge now."""

    trigger: Trigger
    method_id: str | None = None


class Settle(Value):
    """Find out what became of the charge in flight."""


class Wait(Value):
    """Nothing to do before `until` (None: before somebody says something)."""

    until: datetime | None
    why: str


class Notify(Value):
    """Tell the customer something over one channel. Nothing waits for it: `until` is when the next charge is due."""

    message: Message
    channel: str
    until: datetime | None
    why: str


class Close(Value):
    """The recovery is over; write it down."""

    state: State
    reason: str
    look: bool = False
    """Whether the provider is asked once more first: money may have come, or be on its way, that nobody told of."""


class Done(Value):
    """It is written down."""


Step = Read | Decide | Charge | Settle | Wait | Notify | Close | Done


def next_step(recovery: Recovery, now: datetime) -> Step:
    """What to do at this moment: about the money first, and where that can wait, about the customer."""
    step = _about_money(recovery, now)
    if recovery.messages is None or not isinstance(step, Wait | Done) or _silenced(recovery):
        return step
    until, why = (step.until, step.why) if isinstance(step, Wait) else (None, "it is over")
    match next_message(recovery, now):
        case Open(message, channel):
            return Notify(message=message, channel=channel, until=until, why=why)
        case datetime() as at if until is None or at < until:
            return Wait(until=at, why="next message to the customer")
    return step


def _silenced(recovery: Recovery) -> bool:
    """Nobody is reminded of what they are paying just now."""
    return bool(recovery.paused or recovery.standing_back) and not recovery.stage.final


def _about_money(recovery: Recovery, now: datetime) -> Step:
    """The order of these lines is the product."""
    if recovery.stage.final:
        return Done()
    if recovery.in_flight and recovery.stage is not State.IN_REVIEW:
        return Settle()
    if recovery.ending:
        return Close(state=recovery.ending.state, reason=recovery.ending.reason)
    if recovery.in_flight:
        return _in_review(recovery, now)  # nobody could find out; only a person or the provider can say
    if recovery.standing_back:
        return _standing_back(recovery, recovery.standing_back, now)
    if recovery.unread:
        return Read()
    if recovery.undecided:
        return Decide()
    if recovery.paused:
        return Wait(until=None, why="paused by an operator")
    return _ACTIVE[recovery.stage](recovery, now)


def _standing_back(recovery: Recovery, back: StandBack, now: datetime) -> Step:
    """Look again when it is time. What doesn't stop the clock ends with the review or the window."""
    ends = back.since + LONGEST_STAND if back.stops_clock else recovery.until or recovery.window_ends_at
    ends = ends or back.since + LONGEST_STAND
    if now >= ends:
        reason = "review_overdue" if recovery.stage is State.IN_REVIEW else "window"
        if recovery.fraud_hold and recovery.stage is State.IN_REVIEW:
            return Close(state=State.BLOCKED, reason=reason)
        return Close(state=State.EXHAUSTED, reason=reason, look=not back.stops_clock)
    if now < back.look_at:
        return Wait(until=min(back.look_at, ends), why=_BACK.get(back.reason, back.reason))
    return Read()


LOOK_AGAIN: Final = timedelta(hours=1)
MOST_LOOKS: Final = 24
"""Before a recovery is given up, a provider that gives no answer is asked again for a day: money may be on its way."""
LONGEST_STAND: Final = timedelta(days=90)
"""No debit takes longer; a state that the provider never corrects must not keep a recovery open for ever."""
_BACK: Final[Mapping[str, str]] = {
    PAYMENT_UNDER_WAY: "a payment of this invoice is on its way",
    WRITTEN_OFF: "the invoice is written off: only a payment counts",
    COLLECTION_PAUSED: "the merchant has paused the collection of this subscription",
    PROVIDER_REFUSED: "the provider refuses to be asked with this key: an operator must mend that",
}


def _given_up(recovery: Recovery, reason: str) -> Close:
    """Exhausted, after one more look where the recovery lives by the rules that know of it."""
    return Close(state=State.EXHAUSTED, reason=reason, look=recovery.rules > 1)


def _in_review(recovery: Recovery, now: datetime) -> Step:
    if recovery.until and now >= recovery.until:
        if recovery.fraud_hold:
            return Close(state=State.BLOCKED, reason="review_overdue")
        return _given_up(recovery, "review_overdue")
    return Wait(until=recovery.until, why="an operator must review it")


def _chargeable(recovery: Recovery, now: datetime) -> Step:
    if recovery.trigger:
        return Charge(trigger=recovery.trigger, method_id=recovery.method_id)
    if recovery.stage is State.AWAITING_CUSTOMER:
        return _awaiting(recovery, now)
    if recovery.next_attempt_at is None:
        return Decide()
    if now < recovery.next_attempt_at:
        return Wait(until=recovery.next_attempt_at, why="next charge")
    if recovery.window_ends_at and now > recovery.window_ends_at + LATE_BY:
        return _given_up(recovery, "window")
    return Charge(trigger=Trigger.SCHEDULED)


def _awaiting(recovery: Recovery, now: datetime) -> Step:
    if recovery.until and now >= recovery.until:
        return _given_up(recovery, recovery.used_up or "customer_deadline")
    return Wait(until=recovery.until, why="the customer must act")


_ACTIVE: Final[Mapping[State, Callable[[Recovery, datetime], Step]]] = {
    State.IN_REVIEW: _in_review,
    State.WAITING: _chargeable,
    State.AWAITING_CUSTOMER: _chargeable,
    State.RECEIVED: _chargeable,
    State.CLASSIFIED: _chargeable,
    State.SEGMENTED: _chargeable,
    State.CHARGING: _chargeable,
}

FAILURES: Final = frozenset({EventType.PAYMENT_FAILED, EventType.CHARGE_DECLINED, EventType.CHARGE_RECONCILED})
"""Rows after which the provider has something else to say about the failure than before."""


def written_as(events: Sequence[Event], records: Sequence[Record]) -> bool:
    """Whether these records begin with these events; else rows of a charge stand there, which we didn't know of.

    Told by their types and the commands they are of: a workflow task that is lost behind its commit (those of updates
    often are) is done again at a later time, and finds its own rows with the earlier one.
    """
    return len(records) >= len(events) and all(map(is_row_of, events, records))


SETTLE_WAITS: Final = tuple(timedelta(seconds=s) for s in (2, 5, 15, 60, 300, 900, 3600))


def settle_wait(tries: int) -> timedelta:
    """How long to wait before asking again about a charge without a definite answer."""
    return SETTLE_WAITS[min(tries, len(SETTLE_WAITS) - 1)]


def apply(recovery: Recovery, record: Record) -> Recovery:
    """The recovery after one more record. Records come in their sequence; data is as this service wrote it."""
    record = modern(record, recovery.provider)
    recovery = with_command(recovery, record)
    if record.data.get("refused"):
        return recovery.having(sequence=record.sequence)
    change = FOLDS.get(record.type)
    return (change(recovery, record) if change else recovery).having(sequence=record.sequence)


def place(recovery: Recovery, event: Event) -> tuple[Recovery, Record]:
    """The next record of the log for this event, and the recovery with it folded in."""
    data = _decided_by(recovery) | dict(event.data.stored) | _units(recovery, event)
    draft = Record(**dict(event) | {"data": data}, sequence=recovery.sequence + 1, to_state=recovery.state)
    after = apply(recovery, draft)
    before = recovery.state if recovery.sequence else None
    return after, draft.model_copy(update={"from_state": before, "to_state": after.state})


def _decided_by(recovery: Recovery) -> dict[str, str]:
    """Every row names the policy and the arm that its recovery is run by, from the first decision on."""
    known = {"policy_version": recovery.policy_version, "experiment": recovery.experiment, "arm": recovery.arm}
    return {name: value for name, value in known.items() if value is not None}


def _units(recovery: Recovery, event: Event) -> dict[str, str]:
    counted = event.type in WHOLE_AMOUNTS and event.data.get("amount") is not None
    return money.units(recovery.provider, event.data.get("currency") or "") if counted else {}


def place_all(recovery: Recovery, events: Iterable[Event], now: datetime) -> tuple[Recovery, tuple[Record, ...]]:
    """All these events as records, with the closing one behind them where they end the recovery."""
    records: list[Record] = []
    for event in events:
        recovery, record = place(recovery, event)
        records.append(record)
    step = next_step(recovery, now)
    if isinstance(step, Close) and records and not step.look:
        recovery, record = place(recovery, closing(step, now))
        records.append(record)
    return recovery, tuple(records)


def closing(step: Close, now: datetime) -> Event:
    """The event that ends a recovery."""
    return Event(
        type=EventType.RECOVERY_CLOSED,
        occurred_at=now,
        data={"reason": step.reason, "state": step.state.value},
    )


def fold(recovery: Recovery, records: Iterable[Record]) -> Recovery:
    """The recovery after all these records."""
    for record in records:
        recovery = apply(recovery, record)
    return recovery
