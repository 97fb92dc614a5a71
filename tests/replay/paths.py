"""The paths through a recovery whose histories are kept: one function each, played once by `tests.replay.record`."""

from collections.abc import Awaitable, Callable, Mapping

from core.contracts import Action, Command
from core.payments import UNFIT_METHOD, ChargeResult, EventKind, InvoiceStatus, Outcome
from core.terms import CollectionMethod, CollectionTerms
from tests.support.builders import DAY, HOUR, a_failure_event, an_event
from tests.support.gateway import UNKNOWN, decline_result
from tests.workflows.conftest import RecoveryRun, RecoveryRuns

Path = Callable[[RecoveryRuns], Awaitable[RecoveryRun]]
ANN = {"actor": "ann", "reason": "test"}


async def soft_decline_recovered(campaigns: RecoveryRuns) -> RecoveryRun:
    """The reference story."""
    campaign = await campaigns("generic_decline")
    await campaign.begin_with_failure()
    return campaign


async def ladder_exhausted(campaigns: RecoveryRuns) -> RecoveryRun:
    """Every scheduled attempt declined."""
    campaign = await campaigns(script=[decline_result("insufficient_funds")] * 9)
    await campaign.begin_with_failure()
    return campaign


async def hard_decline_new_method(campaigns: RecoveryRuns) -> RecoveryRun:
    """A dead card, then another one."""
    campaign = await campaigns("lost_card")
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(DAY)
    await campaign.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_2"))
    return campaign


async def retry_now(campaigns: RecoveryRuns) -> RecoveryRun:
    """An operator charges out of turn, by update."""
    campaign = await campaigns(script=[decline_result("generic_decline")])
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    await campaign.submit_update("retry_now", Command(action=Action.RETRY, **ANN))
    return campaign


async def pause_resume_cancel(campaigns: RecoveryRuns) -> RecoveryRun:
    """The other operator words, by signal and update."""
    campaign = await campaigns()
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    await campaign.running_handle.signal("pause")
    await campaign.advance_clock(DAY)
    await campaign.running_handle.signal("retry_now")
    await campaign.advance_clock(HOUR)
    await campaign.submit_update("cancel", Command(action=Action.CANCEL, **ANN))
    return campaign


async def temporal_cancel(campaigns: RecoveryRuns) -> RecoveryRun:
    """Temporal's own cancel request."""
    campaign = await campaigns()
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    await campaign.running_handle.cancel()
    return campaign


async def fraud_reviewed(campaigns: RecoveryRuns) -> RecoveryRun:
    """Held, approved, and charged with another method."""
    campaign = await campaigns("fraudulent")
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(HOUR)
    await campaign.submit_update("review", Command(action=Action.REVIEW, decision="approve", **ANN))
    await campaign.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_2"))
    return campaign


async def unknown_reconciled(campaigns: RecoveryRuns) -> RecoveryRun:
    """A charge without an answer, settled by reading."""
    campaign = await campaigns(script=[UNKNOWN])
    campaign.gateway.reconciliations = [UNKNOWN, UNKNOWN, ChargeResult(outcome=Outcome.SUCCEEDED, charge_id="ch_1")]
    await campaign.begin_with_failure()
    return campaign


async def paid_elsewhere(campaigns: RecoveryRuns) -> RecoveryRun:
    """Paid while asleep, then a late failure."""
    campaign = await campaigns()
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(HOUR)
    await campaign.send_event(an_event(EventKind.INVOICE_PAID, occurred_at=now))
    return campaign


async def paid_before_it_began(campaigns: RecoveryRuns) -> RecoveryRun:
    """The failure comes after the payment."""
    campaign = await campaigns()
    campaign.gateway.set_status(InvoiceStatus.PAID)
    await campaign.begin_with_failure()
    return campaign


async def provider_retries(campaigns: RecoveryRuns) -> RecoveryRun:
    """The provider tries by itself; several events about it."""
    campaign = await campaigns("generic_decline")
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(HOUR)
    for event_id in ("evt_2a", "evt_2b"):
        await campaign.send_event(a_failure_event(occurred_at=now, event_id=event_id, provider_attempt=2))
    return campaign


async def provider_away(campaigns: RecoveryRuns) -> RecoveryRun:
    """Nobody answers for a while when the charge is due."""
    campaign = await campaigns()
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    campaign.gateway.away = 25
    return campaign


async def database_away(campaigns: RecoveryRuns) -> RecoveryRun:
    """The log can't be reached for a while: local activities fall back to normal ones."""
    campaign = await campaigns("generic_decline")
    campaign.log.failures = 5
    await campaign.begin_with_failure()
    return campaign


async def database_slow(campaigns: RecoveryRuns) -> RecoveryRun:
    """The log hangs: a local activity times out and a normal one takes over."""
    campaign = await campaigns("generic_decline")
    campaign.log.hangs = 1
    await campaign.begin_with_failure()
    return campaign


async def disputed(campaigns: RecoveryRuns) -> RecoveryRun:
    """A dispute ends the sleep."""
    campaign = await campaigns()
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(HOUR)
    await campaign.send_event(an_event(EventKind.DISPUTE_OPENED, occurred_at=now))
    return campaign


async def woken(campaigns: RecoveryRuns) -> RecoveryRun:
    """Something changed at the provider: the invoice is read, and goes on."""
    campaign = await campaigns()
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(HOUR)
    await campaign.send_event(an_event(EventKind.WAKE, occurred_at=now))
    return campaign


async def late_method(campaigns: RecoveryRuns) -> RecoveryRun:
    """All retries are used; a card given while the window is open is charged at once."""
    campaign = await campaigns(script=[decline_result("insufficient_funds")] * 4)
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(15 * DAY)
    await campaign.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_2"))
    return campaign


async def last_look(campaigns: RecoveryRuns) -> RecoveryRun:
    """At the end of the window a payment is found that no event told of."""
    campaign = await campaigns("lost_card")
    await campaign.begin_with_failure()
    await campaign.advance_clock(20 * DAY)
    campaign.gateway.set_status(InvoiceStatus.PAID)
    return campaign


async def money_on_its_way(campaigns: RecoveryRuns) -> RecoveryRun:
    """A payment of the customer's own takes days, and arrives."""
    campaign = await campaigns()
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    campaign.gateway.invoice = campaign.gateway.invoice.model_copy(update={"processing": True})
    await campaign.advance_clock(3 * DAY)
    campaign.gateway.set_status(InvoiceStatus.PAID)
    return campaign


async def money_that_failed(campaigns: RecoveryRuns) -> RecoveryRun:
    """A payment of the customer's own takes days, and fails: it is decided anew."""
    campaign = await campaigns()
    await campaign.begin_with_failure()
    campaign.gateway.invoice = campaign.gateway.invoice.model_copy(update={"processing": True})
    await campaign.advance_clock(3 * DAY)
    campaign.gateway.invoice = campaign.gateway.invoice.model_copy(update={"processing": False})
    return campaign


async def key_revoked_and_mended(campaigns: RecoveryRuns) -> RecoveryRun:
    """The provider refuses to be read, at the beginning and right before a charge."""
    campaign = await campaigns("generic_decline")
    campaign.gateway.refuses = 2
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    campaign.gateway.refuses = 1
    return campaign


async def out_of_scope(campaigns: RecoveryRuns) -> RecoveryRun:
    """The subscription is switched to invoices that are sent, and nobody tells."""
    campaign = await campaigns()
    await campaign.begin_with_failure()
    await campaign.advance_clock(HOUR)
    terms = CollectionTerms(collection_method=CollectionMethod.SENT)
    campaign.gateway.invoice = campaign.gateway.invoice.model_copy(update={"terms": terms})
    return campaign


async def unfit_method(campaigns: RecoveryRuns) -> RecoveryRun:
    """A new method can't be charged; the schedule goes on."""
    campaign = await campaigns(script=[ChargeResult(outcome=Outcome.NOT_CHARGED, reason=UNFIT_METHOD)])
    await campaign.begin_with_failure()
    now = await campaign.advance_clock(HOUR)
    await campaign.send_event(an_event(EventKind.METHOD_UPDATED, occurred_at=now, method_id="pm_2"))
    return campaign


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
    )
}
