"""Delivers operator commands that were left as signals, until the log shows them: Temporal may lose a signal."""

from datetime import datetime
from typing import Final

import structlog

from core.errors import EngineUnavailable, NotFound, RunClosed
from core.notices import Notice, dead_letter_notice
from db.repositories import event_log, notices, operator_signals
from db.repositories.operator_signals import OperatorSignal
from db.session import Database
from intake.recovery_runs import RecoveryRuns

MOST_TRIES: Final = 900
"""Three days, as for a webhook."""
NEVER_RECORDED: Final = "its recovery never recorded it"


async def deliver_signals(db: Database, recoveries: RecoveryRuns, now: datetime, limit: int) -> int:
    """Looks after up to `limit` commands that are due; returns how many are done with.

    Ends early if Temporal can't be reached. Raises StoreUnavailable.
    """
    done = 0
    for _ in range(limit):
        async with db.begin() as session:
            signal = await operator_signals.claim_due(session, now)
        if signal is None:
            break
        try:
            done += await _deliver_signal(db, recoveries, signal, now)
        except EngineUnavailable:
            break
    return done


async def _deliver_signal(db: Database, recoveries: RecoveryRuns, signal: OperatorSignal, now: datetime) -> bool:
    """Whether the log shows the command, or its recovery has ended; else it is signalled again."""
    async with db.begin() as session:
        records = await event_log.load_records(session, signal.recovery_id)
        recorded = any(record.data.stored.get("request_id") == signal.request_id for record in records)
        if recorded or (records and records[-1].to_state.is_final):
            problem = None if recorded else "its recovery had ended"
            await operator_signals.conclude_signal(session, signal, now, problem)
            return True
        if signal.tries > MOST_TRIES:
            await operator_signals.conclude_signal(session, signal, now, NEVER_RECORDED)
            await notices.add_notices(session, [_lost_notice(signal, now)])
            return False
    await _send_again(recoveries, signal)
    return False


def _lost_notice(signal: OperatorSignal, now: datetime) -> Notice:
    name = f"command {signal.command.action.value} of {signal.command.actor}"
    known = {"provider": signal.provider, "invoice_id": signal.invoice_id}
    return dead_letter_notice(f"{name} {signal.request_id}", now, why=NEVER_RECORDED, **known)


async def _send_again(recoveries: RecoveryRuns, signal: OperatorSignal) -> None:
    """Signals the run, or a new one where it was lost; the request id keeps a command from acting twice."""
    try:
        await recoveries.ensure_running(signal.provider, signal.invoice_id)
        await recoveries.signal_command(signal.recovery_id, signal.command)
    except (NotFound, RunClosed):
        log = structlog.get_logger("relay")
        log.warning("a stored operator command finds no run", recovery_id=signal.recovery_id)
