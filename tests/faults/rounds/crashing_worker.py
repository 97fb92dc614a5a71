"""`python -m tests.faults.rounds.crashing_worker`: the ordinary worker, which dies where a flag asks for it.

The product has no such points: the methods at which they lie are wrapped here, and behave as ever without a flag.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import worker
from activities.messaging import StoredOutbox
from core.events import EventType, Record
from core.ids import recovery_id
from core.payments import ChargeOrder, ChargeResult, Outcome, ProviderEvent
from core.recovery.state import Recovery
from db.recovery_log import StoredRecoveryLog
from db.repositories import event_log
from db.repositories.event_log import Turn
from db.repositories.messages import MessageName, MessageState
from providers.stripe.gateway import StripeGateway
from settings import read_environment
from tests.faults.rounds.crash_flags import CrashFlags, CrashPoint
from workflows.handles import TemporalRecoveryRuns

Victim = Callable[..., str | None]
"""From a call's result (if it is over) and its arguments: what it works on; None where another call is meant."""


def add_crash_points(flags: CrashFlags, replace: Callable[[object, str, object], None] = setattr) -> None:
    """Wraps the methods that the points lie behind, or before."""

    def crash_after(owner: object, name: str, point: CrashPoint, victim_of: Victim) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        async def call(*arguments: Any, **options: Any) -> Any:
            result = await original(*arguments, **options)
            if victim := victim_of(result, *arguments):
                flags.die_if_armed(point, victim)
            return result

        replace(owner, name, call)

    def crash_before(owner: object, name: str, point: CrashPoint, victim_of: Victim) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        async def call(*arguments: Any, **options: Any) -> Any:
            if victim := victim_of(*arguments):
                flags.die_if_armed(point, victim)
            return await original(*arguments, **options)

        replace(owner, name, call)

    crash_after(event_log, "write_rows", CrashPoint.BEFORE_REQUEST, _written_request)
    crash_after(StoredRecoveryLog, "reserve_attempt", CrashPoint.BEFORE_CALL, _requested_charge)
    crash_after(StripeGateway, "charge", CrashPoint.BEFORE_RESULT, _successful_charge)
    crash_before(StoredOutbox, "conclude_message", CrashPoint.IN_MESSAGE, _sent_message)
    crash_after(TemporalRecoveryRuns, "start_recovery", CrashPoint.IN_RELAY, _started_recovery)


def _requested_charge(records: Sequence[Record], _: object, before: Recovery, *__: object) -> str | None:
    is_request = records and records[-1].type is EventType.CHARGE_REQUESTED
    return before.recovery_id if is_request else None


def _written_request(records: Sequence[Record], session: object, turn: Turn, *__: object) -> str | None:
    return _requested_charge(records, session, turn.before)


def _successful_charge(result: ChargeResult, _: object, order: ChargeOrder) -> str | None:
    return recovery_id(order.provider, order.invoice_id) if result.outcome is Outcome.SUCCEEDED else None


def _sent_message(_: object, name: MessageName, state: MessageState, *__: object) -> str | None:
    return name.recovery_id if state is MessageState.SENT else None


def _started_recovery(_: None, __: object, event: ProviderEvent) -> str:
    return recovery_id(event.provider, event.invoice_id or "")


if __name__ == "__main__":
    add_crash_points(CrashFlags.in_environment(read_environment()))
    worker.main()
