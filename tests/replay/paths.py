"""The paths through a recovery whose histories are stored: one function each, run by `tests.replay.record`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from core.collection_terms import CollectionMethod, CollectionTerms
from core.operators import Action, Command
from core.payments import UNFIT_METHOD, ChargeResult, EventKind, InvoiceStatus, Outcome
from tests.support.builders import DAY, HOUR, a_failure_event, an_event
from tests.support.gateway import UNKNOWN, decline_result
from tests.workflows.conftest import RecoveryRun, RecoveryRuns
from tests.workflows.waiting_charge import waiting_charge

Path = Callable[[RecoveryRuns], Awaitable[RecoveryRun]]
ANN = {"actor": "ann", "reason": "test"}


async def soft_decline_recovered(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """The reference case."""
    recovery_run = await recovery_runs("generic_decline")
    await recovery_run.begin_with_failure()
    return recovery_run


async def ladder_exhausted(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """Every scheduled attempt is declined."""
    recovery_run = await recovery_runs(script=[decline_result("insufficient_funds")] * 9)
    await recovery_run.begin_with_failure()
    return recovery_run


async def hard_decline_new_method(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """A hard decline, then a successful charge of another card."""
    recovery_run = await recovery_runs("lost_card")
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(DAY)
    await recovery_run.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_2"))
    return recovery_run


async def retry_now(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """An operator's retry, by update."""
    recovery_run = await recovery_runs(script=[decline_result("generic_decline")])
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    await recovery_run.submit_update("retry_now", Command(action=Action.RETRY, **ANN))
    return recovery_run


async def pause_resume_cancel(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """Pause, resume and cancel, by signal and update."""
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    await recovery_run.running_handle.signal("pause")
    await recovery_run.advance_clock(DAY)
    await recovery_run.running_handle.signal("retry_now")
    await recovery_run.advance_clock(HOUR)
    await recovery_run.submit_update("cancel", Command(action=Action.CANCEL, **ANN))
    return recovery_run


async def temporal_cancel(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """Temporal's own cancel request."""
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    await recovery_run.running_handle.cancel()
    return recovery_run


async def fraud_reviewed(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """Held for fraud, approved, and charged with another method."""
    recovery_run = await recovery_runs("fraudulent")
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(HOUR)
    await recovery_run.submit_update("review", Command(action=Action.REVIEW, decision="approve", **ANN))
    await recovery_run.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_2"))
    return recovery_run


async def unknown_reconciled(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """A charge without an answer, reconciled by reading."""
    recovery_run = await recovery_runs(script=[UNKNOWN])
    recovery_run.gateway.reconciliations = [UNKNOWN, UNKNOWN, ChargeResult(outcome=Outcome.SUCCEEDED, charge_id="ch_1")]
    await recovery_run.begin_with_failure()
    return recovery_run


async def canceled_in_flight(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """An operator cancels while a charge is reconciled; hours later the provider shows its decline."""
    recovery_run = await recovery_runs(script=[UNKNOWN])
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(5 * HOUR)
    await recovery_run.submit_update("cancel", Command(action=Action.CANCEL, **ANN))
    await recovery_run.advance_clock(5 * HOUR)
    recovery_run.gateway.reconciliations = [decline_result("insufficient_funds")]
    return recovery_run


async def paid_elsewhere(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """Paid while waiting, then a late failure event."""
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(HOUR)
    await recovery_run.send_event(an_event(EventKind.INVOICE_PAID, occurred_at=now))
    return recovery_run


async def paid_before_it_began(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """The failure comes after the payment."""
    recovery_run = await recovery_runs()
    recovery_run.gateway.set_status(InvoiceStatus.PAID)
    await recovery_run.begin_with_failure()
    return recovery_run


async def provider_retries(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """The provider retries by itself and sends several events about it."""
    recovery_run = await recovery_runs("generic_decline")
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(HOUR)
    for event_id in ("evt_2a", "evt_2b"):
        await recovery_run.send_event(a_failure_event(occurred_at=now, event_id=event_id, provider_attempt=2))
    return recovery_run


async def provider_away(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """The provider is unreachable for a while when the charge is due."""
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    recovery_run.gateway.away = 25
    return recovery_run


async def database_away(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """The database is unreachable for a while: local activities fall back to normal ones."""
    recovery_run = await recovery_runs("generic_decline")
    recovery_run.log.failures = 5
    await recovery_run.begin_with_failure()
    return recovery_run


async def database_slow(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """The log hangs: a local activity times out and a normal one takes over."""
    recovery_run = await recovery_runs("generic_decline")
    recovery_run.log.hangs = 1
    await recovery_run.begin_with_failure()
    return recovery_run


async def disputed(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """A dispute ends the wait."""
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(HOUR)
    await recovery_run.send_event(an_event(EventKind.DISPUTE_OPENED, occurred_at=now))
    return recovery_run


async def woken(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """A wake event: the invoice is read, and the recovery continues."""
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(HOUR)
    await recovery_run.send_event(an_event(EventKind.WAKE, occurred_at=now))
    return recovery_run


async def late_method(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """All retries are used; a card added while the window is open is charged at once."""
    recovery_run = await recovery_runs(script=[decline_result("insufficient_funds")] * 4)
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(15 * DAY)
    await recovery_run.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_2"))
    return recovery_run


async def last_look(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """At the end of the window a payment is found that no event reported."""
    recovery_run = await recovery_runs("lost_card")
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(20 * DAY)
    recovery_run.gateway.set_status(InvoiceStatus.PAID)
    return recovery_run


async def money_on_its_way(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """A customer's payment is pending for days, and succeeds."""
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"processing": True})
    await recovery_run.advance_clock(3 * DAY)
    recovery_run.gateway.set_status(InvoiceStatus.PAID)
    return recovery_run


async def money_that_failed(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """A customer's payment is pending for days, and fails: the recovery decides again."""
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"processing": True})
    await recovery_run.advance_clock(3 * DAY)
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"processing": False})
    return recovery_run


async def key_revoked_and_mended(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """The API key is refused at the opening and right before a charge."""
    recovery_run = await recovery_runs("generic_decline")
    recovery_run.gateway.refuses = 2
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    recovery_run.gateway.refuses = 1
    return recovery_run


async def out_of_scope(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """The subscription is switched to sent invoices without an event."""
    recovery_run = await recovery_runs()
    await recovery_run.begin_with_failure()
    await recovery_run.advance_clock(HOUR)
    terms = CollectionTerms(collection_method=CollectionMethod.SENT)
    recovery_run.gateway.invoice = recovery_run.gateway.invoice.model_copy(update={"terms": terms})
    return recovery_run


async def unfit_method(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """A new method can't be charged; the schedule continues."""
    recovery_run = await recovery_runs(script=[ChargeResult(outcome=Outcome.NOT_CHARGED, reason=UNFIT_METHOD)])
    await recovery_run.begin_with_failure()
    now = await recovery_run.advance_clock(HOUR)
    await recovery_run.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_2"))
    return recovery_run


async def paused_while_queued(recovery_runs: RecoveryRuns) -> RecoveryRun:
    """A pause comes while a charge waits in its queue: before 0.3.0 it waited too, since then the charge isn't made."""
    recovery_run = await recovery_runs(script=[decline_result("generic_decline")])
    async with waiting_charge(recovery_run):
        await recovery_run.running_handle.signal("pause")
        await asyncio.sleep(2)
    await recovery_run.advance_clock(HOUR)
    await recovery_run.submit_update("cancel", Command(action=Action.CANCEL, **ANN))
    return recovery_run


PATHS: Mapping[str, Path] = {
    path.__name__: path
    for path in (
        soft_decline_recovered,
        ladder_exhausted,
        hard_decline_new_method,
        retry_now,
        pause_resume_cancel,
        temporal_cancel,
        fraud_reviewed,
        unknown_reconciled,
        canceled_in_flight,
        paid_elsewhere,
        paid_before_it_began,
        provider_retries,
        provider_away,
        database_away,
        database_slow,
        disputed,
        woken,
        late_method,
        last_look,
        money_on_its_way,
        money_that_failed,
        key_revoked_and_mended,
        out_of_scope,
        unfit_method,
        paused_while_queued,
    )
}
