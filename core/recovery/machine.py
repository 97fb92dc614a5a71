"""The state machine of a recovery: which state may follow which, and what to do next.

`apply` folds one record of the log into the state, `next_step` says what the state calls for. Both are pure: the
workflow, the simulator and the rebuild of the read model drive the same two functions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from core import money
from core.base import Value
from core.events import Event, EventType, Record, State, Trigger, upgrade_record
from core.events.money_data import ChargeRequested, PaymentFailed
from core.messages.plans import Message
from core.recovery.command_ids import is_row_of, remember_command
from core.recovery.folds import FOLDS
from core.recovery.messages import DueMessage, next_message
from core.recovery.state import COLLECTION_PAUSED, PAYMENT_UNDER_WAY, PROVIDER_REFUSED, WRITTEN_OFF, Recovery, StandBack

LATE_CHARGE_TOLERANCE: Final = timedelta(hours=1)
"""How long after the window a charge is still made, so that a worker outage doesn't cost an attempt."""


class Read(Value):
    """Read invoice and failure at the provider."""


class Decide(Value):
    """Classify the failure and plan the next action."""


class Charge(Value):
    """Request a charge now; `method_id` None: the provider's default method."""

    trigger: Trigger
    method_id: str | None = None


class Reconcile(Value):
    """Reconcile the charge in flight before anything else."""


class Wait(Value):
    """Nothing to do before `until` (UTC; None: until an event or command arrives)."""

    until: datetime | None
    why: str


class Notify(Value):
    """Send a message to the customer over one channel. No charge waits for it: `until` is the next step's time."""

    message: Message
    channel: str
    until: datetime | None
    why: str


class Close(Value):
    """The recovery is over: write `recovery.closed`."""

    state: State
    reason: str
    read_first: bool = False
    """Whether a final read comes first: a payment may have arrived, or be processing, without an event."""


class Done(Value):
    """The recovery is closed in the log; no step is left."""


Step = Read | Decide | Charge | Reconcile | Wait | Notify | Close | Done


def next_step(recovery: Recovery, now: datetime) -> Step:
    """The next step at `now` (UTC): the one about the money, or a due message where that one only waits."""
    step = _next_money_step(recovery, now)
    if recovery.messages is None or not isinstance(step, Wait | Done) or _suppresses_messages(recovery):
        return step
    until, why = (step.until, step.why) if isinstance(step, Wait) else (None, "it is over")
    match next_message(recovery, now):
        case DueMessage(message, channel):
            return Notify(message=message, channel=channel, until=until, why=why)
        case datetime() as at if until is None or at < until:
            return Wait(until=at, why="next message to the customer")
    return step


def _suppresses_messages(recovery: Recovery) -> bool:
    """Whether messages wait: the recovery is open, and paused or suspended; a payment may be processing."""
    return bool(recovery.paused or recovery.standing_back) and not recovery.stage.is_final


def _next_money_step(recovery: Recovery, now: datetime) -> Step:
    """The next step without regard to messages."""
    # Order matters: reconcile before an ending, so that money in flight counts; then suspension, read and decision.
    if recovery.stage.is_final:
        return Done()
    if recovery.in_flight and recovery.stage is not State.IN_REVIEW:
        return Reconcile()
    if recovery.ending:
        return Close(state=recovery.ending.state, reason=recovery.ending.reason)
    if recovery.in_flight:
        return _review_step(recovery, now)  # can't be reconciled by itself: an operator or a webhook decides
    if recovery.standing_back:
        return _standing_back_step(recovery, recovery.standing_back, now)
    if recovery.unread:
        return Read()
    if recovery.undecided:
        return Decide()
    if recovery.paused:
        return Wait(until=None, why="paused by an operator")
    return _STEPS_BY_STATE[recovery.stage](recovery, now)


def _standing_back_step(recovery: Recovery, back: StandBack, now: datetime) -> Step:
    """Wait for the next read of a suspended recovery, read, or close it at its deadline."""
    ends = back.since + MAX_STAND_BACK if back.stops_clock else recovery.until or recovery.window_ends_at
    ends = ends or back.since + MAX_STAND_BACK
    if now >= ends:
        reason = "review_overdue" if recovery.stage is State.IN_REVIEW else "window"
        if recovery.fraud_hold and recovery.stage is State.IN_REVIEW:
            return Close(state=State.BLOCKED, reason=reason)
        return Close(state=State.EXHAUSTED, reason=reason, read_first=not back.stops_clock)
    if now < back.look_at:
        return Wait(until=min(back.look_at, ends), why=_STAND_BACK_REASONS.get(back.reason, back.reason))
    return Read()


FINAL_READ_INTERVAL: Final = timedelta(hours=1)
MAX_FINAL_READS: Final = 24
"""Final reads without an answer before a recovery closes all the same: a day, since a payment may be processing."""
MAX_STAND_BACK: Final = timedelta(days=90)
"""Longest suspension: no debit takes longer, and a stale state at the provider must not keep a recovery open."""
_STAND_BACK_REASONS: Final[Mapping[str, str]] = {
    PAYMENT_UNDER_WAY: "a payment of this invoice is on its way",
    WRITTEN_OFF: "the invoice is written off: only a payment counts",
    COLLECTION_PAUSED: "the merchant has paused the collection of this subscription",
    PROVIDER_REFUSED: "the provider refuses to be asked with this key: an operator must mend that",
}


def _close_exhausted(recovery: Recovery, reason: str) -> Close:
    """`Close` as EXHAUSTED, after a final read under rules 2 and later."""
    return Close(state=State.EXHAUSTED, reason=reason, read_first=recovery.rules > 1)


def _review_step(recovery: Recovery, now: datetime) -> Step:
    if recovery.until and now >= recovery.until:
        if recovery.fraud_hold:
            return Close(state=State.BLOCKED, reason="review_overdue")
        return _close_exhausted(recovery, "review_overdue")
    return Wait(until=recovery.until, why="an operator must review it")


def _charge_step(recovery: Recovery, now: datetime) -> Step:
    if recovery.trigger:
        return Charge(trigger=recovery.trigger, method_id=recovery.method_id)
    if recovery.stage is State.AWAITING_CUSTOMER:
        return _customer_step(recovery, now)
    if recovery.next_attempt_at is None:
        return Decide()
    if now < recovery.next_attempt_at:
        return Wait(until=recovery.next_attempt_at, why="next charge")
    if recovery.window_ends_at and now > recovery.window_ends_at + LATE_CHARGE_TOLERANCE:
        return _close_exhausted(recovery, "window")
    return Charge(trigger=Trigger.SCHEDULED)


def _customer_step(recovery: Recovery, now: datetime) -> Step:
    if recovery.until and now >= recovery.until:
        return _close_exhausted(recovery, recovery.used_up or "customer_deadline")
    return Wait(until=recovery.until, why="the customer must act")


_STEPS_BY_STATE: Final[Mapping[State, Callable[[Recovery, datetime], Step]]] = {
    State.IN_REVIEW: _review_step,
    State.WAITING: _charge_step,
    State.AWAITING_CUSTOMER: _charge_step,
    State.RECEIVED: _charge_step,
    State.CLASSIFIED: _charge_step,
    State.SEGMENTED: _charge_step,
    State.CHARGING: _charge_step,
}

FAILURE_EVENT_TYPES: Final = frozenset(
    {EventType.PAYMENT_FAILED, EventType.CHARGE_DECLINED, EventType.CHARGE_RECONCILED}
)
"""Rows that make facts read before them out of date."""


def begins_with_events(events: Sequence[Event], records: Sequence[Record]) -> bool:
    """Whether these records begin with these events; if not, an earlier execution had committed other rows.

    Compares types and command ids, not times: a workflow task that is lost after its commit is executed again later,
    and finds its own rows with the earlier time.
    """
    return len(records) >= len(events) and all(map(is_row_of, events, records))


RECONCILE_DELAYS: Final = tuple(timedelta(seconds=s) for s in (2, 5, 15, 60, 300, 900, 3600))


def reconcile_delay(tries: int) -> timedelta:
    """Wait before the next attempt to reconcile an unknown charge, after `tries` of them: 2 s growing to 1 h."""
    return RECONCILE_DELAYS[min(tries, len(RECONCILE_DELAYS) - 1)]


def apply(recovery: Recovery, record: Record) -> Recovery:
    """The recovery after one more record. Records must come in sequence; a refused command changes nothing."""
    record = upgrade_record(record, recovery.provider)
    recovery = remember_command(recovery, record)
    if record.is_refused:
        return recovery.with_changes(sequence=record.sequence)
    change = FOLDS.get(record.type)
    return (change(recovery, record) if change else recovery).with_changes(sequence=record.sequence)


def append_event(recovery: Recovery, event: Event) -> tuple[Recovery, Record]:
    """The recovery with this event folded in, and the event as the next record of the log."""
    data = _policy_fields(recovery) | dict(event.data.stored) | _amount_units(recovery, event)
    draft = Record(**dict(event) | {"data": data}, sequence=recovery.sequence + 1, to_state=recovery.state)
    after = apply(recovery, draft)
    before = recovery.state if recovery.sequence else None
    return after, draft.model_copy(update={"from_state": before, "to_state": after.state})


def _policy_fields(recovery: Recovery) -> dict[str, str]:
    """Policy version, experiment and arm for `data` of each row, from the first decision on."""
    known = {"policy_version": recovery.policy_version, "experiment": recovery.experiment, "arm": recovery.arm}
    return {name: value for name, value in known.items() if value is not None}


def _amount_units(recovery: Recovery, event: Event) -> dict[str, str]:
    data = event.data
    if not isinstance(data, PaymentFailed | ChargeRequested) or data.amount is None:
        return {}
    return money.units_field(recovery.provider, data.currency or "")


def append_events(recovery: Recovery, events: Iterable[Event], now: datetime) -> tuple[Recovery, tuple[Record, ...]]:
    """The recovery and the records of these events, with `recovery.closed` added where they end it without a read."""
    records: list[Record] = []
    for event in events:
        recovery, record = append_event(recovery, event)
        records.append(record)
    step = next_step(recovery, now)
    if isinstance(step, Close) and records and not step.read_first:
        recovery, record = append_event(recovery, closing_event(step, now))
        records.append(record)
    return recovery, tuple(records)


def closing_event(step: Close, now: datetime) -> Event:
    """`recovery.closed` with the step's state and reason."""
    return Event(
        type=EventType.RECOVERY_CLOSED,
        occurred_at=now,
        data={"reason": step.reason, "state": step.state.value},
    )


def fold_records(recovery: Recovery, records: Iterable[Record]) -> Recovery:
    """The recovery after these records, which must be in sequence."""
    for record in records:
        recovery = apply(recovery, record)
    return recovery
