"""What is read, committed and repeated around the call that moves money."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.charging import PROCESSING_RETRY_AFTER
from core.collection_terms import CollectionMethod, CollectionTerms, SubscriptionStatus
from core.contracts import ChargeInput, ReadInput
from core.errors import ProviderUnavailable
from core.events import EventType, State, Trigger
from core.payments import ChargeOrder, ChargeResult, EventKind, InvoiceStatus, InvoiceView, Outcome
from core.recovery.reactions import react_to_event
from tests.activities.conftest import ChargeHarness
from tests.support.builders import HOUR, an_event
from tests.support.gateway import UNKNOWN, decline_result, idempotency_keys

FOUND_CHARGE = ChargeResult(outcome=Outcome.SUCCEEDED, charge_id="ch_1")
HARD_DECLINE = decline_result("stolen_card")


class WorkerKilled(BaseException):
    """Raised where the worker's process dies."""


def kill_before_answer(harness: ChargeHarness) -> None:
    """Lets the provider execute the charge and kills the worker before the answer."""
    charge = harness.gateway.charge

    async def charge_then_die(order: ChargeOrder) -> ChargeResult:
        harness.gateway.charge = charge  # type: ignore[method-assign]
        await charge(order)
        raise WorkerKilled

    harness.gateway.charge = charge_then_die  # type: ignore[method-assign]


def rate_limit_next_call(harness: ChargeHarness, retry_after: timedelta | None = None) -> None:
    """Makes the provider reject the next call without executing it."""
    charge = harness.gateway.charge

    async def raise_rate_limit(order: ChargeOrder) -> ChargeResult:
        harness.gateway.charge = charge  # type: ignore[method-assign]
        raise ProviderUnavailable(f"429 for {order.idempotency_key}", retry_after=retry_after)

    harness.gateway.charge = raise_rate_limit  # type: ignore[method-assign]


# --- the main road -----------------------------------------------------------------------------------------


async def test_charge_is_requested_sent_and_recorded(harness: ChargeHarness) -> None:
    charged = await harness.run_charge()
    assert harness.written_types == ["charge.requested", "charge.succeeded", "recovery.closed"]
    assert [row.type.value for row in charged.records] == harness.written_types
    assert charged.facts is None


async def test_decline_is_a_result_with_all_fields_for_the_decision(harness: ChargeHarness) -> None:
    harness.gateway.script = [HARD_DECLINE]
    charged = await harness.run_charge()
    assert harness.written_types == ["charge.requested", "charge.declined"]
    assert charged.facts
    assert charged.facts.failure.code == "stolen_card"


async def test_charge_is_not_sent_before_its_request_is_committed(harness: ChargeHarness) -> None:
    harness.log.before = EventType.CHARGE_REQUESTED
    with pytest.raises(ConnectionError):
        await harness.run_charge()
    assert harness.gateway.orders == []
    await harness.run_charge()
    assert idempotency_keys(harness.gateway.orders) == ["pri-stripe-in_1-1"]


async def test_the_order_in_the_log_is_the_order_that_is_sent(harness: ChargeHarness) -> None:
    harness.gateway.script = [UNKNOWN]
    await harness.run_charge(Trigger.METHOD_CHANGE, "pm_2")
    assert harness.gateway.orders == [harness.recovery.in_flight]
    assert harness.gateway.orders[0].method_id == "pm_2"


# --- the worker dies ---------------------------------------------------------------------------------------


async def test_after_a_crash_behind_the_success_the_invoice_is_read_first(harness: ChargeHarness) -> None:
    kill_before_answer(harness)
    with pytest.raises(WorkerKilled):
        await harness.run_charge()
    harness.gateway.reconciliations = [FOUND_CHARGE]
    await harness.run_charge()
    assert harness.written_types == ["charge.requested", "charge.reconciled", "recovery.closed"]
    assert len(harness.gateway.orders) == harness.gateway.success_count == 1


async def test_after_a_crash_key_and_parameters_are_repeated_where_reading_does_not_answer(
    harness: ChargeHarness,
) -> None:
    kill_before_answer(harness)
    with pytest.raises(WorkerKilled):
        await harness.run_charge()
    harness.gateway.invoice = harness.gateway.invoice.model_copy(update={"amount_due": 1, "latest_charge_id": "ch_9"})
    await harness.run_charge()
    first, second = harness.gateway.orders
    assert first == second, "not the invoice as it is now"
    assert harness.written_types == ["charge.requested", "charge.succeeded", "recovery.closed"]
    assert harness.recovery.state is State.RECOVERED


@pytest.mark.parametrize("result", [EventType.CHARGE_SUCCEEDED, EventType.CHARGE_DECLINED])
async def test_after_a_crash_behind_the_result_the_written_rows_are_returned(
    harness: ChargeHarness, result: EventType
) -> None:
    harness.gateway.script = [HARD_DECLINE] if result is EventType.CHARGE_DECLINED else []
    harness.log.after = result
    with pytest.raises(ConnectionError):
        await harness.run_charge()
    types = harness.written_types
    charged = await harness.run_charge()
    assert [row.type.value for row in charged.records] == harness.written_types == types
    assert len(harness.gateway.orders) == 1
    if result is EventType.CHARGE_DECLINED:
        assert charged.facts, "or the old failure would be decided on again"
        assert charged.facts.failure.code == "stolen_card"


async def test_two_executions_at_once_send_one_order_to_a_provider_without_keys(harness: ChargeHarness) -> None:
    harness.gateway.idempotency = None
    read_invoice, charge, both = harness.gateway.read_invoice, harness.gateway.charge, asyncio.Barrier(2)

    async def read_slowly(invoice_id: str) -> InvoiceView:
        await both.wait()
        return await read_invoice(invoice_id)

    async def charge_slowly(order: ChargeOrder) -> ChargeResult:
        await asyncio.sleep(0.05)  # meanwhile the other one finds the request that this one committed
        return await charge(order)

    harness.gateway.read_invoice = read_slowly  # type: ignore[method-assign]
    harness.gateway.charge = charge_slowly  # type: ignore[method-assign]
    await asyncio.gather(harness.run_charge(), harness.run_charge())
    assert len(harness.gateway.orders) == 1
    assert harness.written_types.count("charge.requested") == 1


# --- unknown -----------------------------------------------------------------------------------------------


async def test_lost_answer_is_recorded_once_and_then_reconciled(harness: ChargeHarness) -> None:
    harness.gateway.script = [UNKNOWN]
    await harness.run_charge()
    assert (await harness.run_reconcile()).records == ()
    harness.gateway.reconciliations = [FOUND_CHARGE]
    await harness.run_reconcile()
    assert harness.written_types == ["charge.requested", "charge.unknown", "charge.reconciled", "recovery.closed"]


@pytest.mark.parametrize(
    ("age", "order_count"),
    [(23 * HOUR - timedelta(seconds=5), 2), (23 * HOUR + timedelta(seconds=1), 1), (30 * HOUR, 1)],
)
async def test_a_key_is_used_while_it_is_younger_than_23_hours(
    harness: ChargeHarness, age: timedelta, order_count: int
) -> None:
    harness.gateway.script = [UNKNOWN]
    await harness.run_charge()
    await harness.run_reconcile(age)
    assert len(harness.gateway.orders) == order_count
    assert len(set(idempotency_keys(harness.gateway.orders))) == 1


async def test_a_provider_without_keys_is_never_asked_twice(harness: ChargeHarness) -> None:
    harness.gateway.idempotency, harness.gateway.script = None, [UNKNOWN]
    await harness.run_charge()
    for _ in range(3):
        await harness.run_reconcile()
    assert len(harness.gateway.orders) == 1


async def test_a_provider_that_cannot_be_read_is_asked_again_with_its_key(harness: ChargeHarness) -> None:
    harness.gateway.can_read, harness.gateway.away, harness.gateway.script = False, 9, [UNKNOWN]
    await harness.run_charge()
    harness.gateway.answers["pri-stripe-in_1-1"] = FOUND_CHARGE
    await harness.run_reconcile()
    assert harness.gateway.away == 9, "never read"
    assert harness.written_types == ["charge.requested", "charge.unknown", "charge.reconciled", "recovery.closed"]


@pytest.mark.parametrize("kind", [EventKind.DISPUTE_OPENED, EventKind.INVOICE_UNCOLLECTIBLE, EventKind.INVOICE_PAID])
async def test_no_repeat_after_an_event_that_forbids_the_charge(harness: ChargeHarness, kind: EventKind) -> None:
    harness.gateway.script = [UNKNOWN]
    await harness.run_charge()
    harness.append_events(*react_to_event(harness.recovery, an_event(kind)))
    await harness.run_reconcile()
    assert len(harness.gateway.orders) == 1, "the repeat may be the one that charges"


BLOCKING_CHANGES = [
    {"processing": True},
    {"disputed": True},
    {"status": InvoiceStatus.UNCOLLECTIBLE},
    {"terms": CollectionTerms(collection_method=CollectionMethod.SENT)},
    {"terms": CollectionTerms(subscription_status=SubscriptionStatus.CANCELED)},
    {"terms": CollectionTerms(collection_paused=True)},
]


@pytest.mark.parametrize("view_changes", BLOCKING_CHANGES, ids=str)
async def test_no_repeat_after_a_fresh_read_that_forbids_the_charge(
    harness: ChargeHarness, view_changes: dict[str, Any]
) -> None:
    """No event reported it. The first call may never have arrived, so that the repeat would be a new charge."""
    harness.gateway.script = [UNKNOWN]
    await harness.run_charge()
    harness.gateway.invoice = harness.gateway.invoice.model_copy(update=view_changes)
    await harness.run_reconcile()
    assert len(harness.gateway.orders) == 1
    assert harness.recovery.in_flight, "reading goes on until it is resolved"


async def test_full_charge_is_not_repeated_after_a_partial_payment(harness: ChargeHarness) -> None:
    harness.gateway.can_read, harness.gateway.script = False, [UNKNOWN]
    await harness.run_charge()
    harness.append_events(
        *react_to_event(harness.recovery, an_event(EventKind.INVOICE_PAID, paid_amount=1900, currency="EUR"))
    )
    await harness.run_reconcile()
    assert len(harness.gateway.orders) == 1, "it would take 4900 where 3000 are open"


DAY, SOON = 24 * HOUR, timedelta(minutes=1)
HANDOVER_CASES = [
    # can read, keys, age of the order, whether a person must look
    (True, 23 * HOUR, 60 * DAY, False),
    (True, None, 23 * HOUR, False),
    (True, None, DAY + SOON, True),
    (False, 7 * DAY, 6 * DAY, False),
    (False, 7 * DAY, 7 * DAY + SOON, True),
    (False, None, DAY + SOON, True),
]


@pytest.mark.parametrize(("readable", "honoured", "age", "in_review"), HANDOVER_CASES)
async def test_unresolvable_charge_is_handed_to_review(
    harness: ChargeHarness, readable: bool, honoured: timedelta | None, age: timedelta, in_review: bool
) -> None:
    harness.gateway.can_read, harness.gateway.idempotency, harness.gateway.script = readable, honoured, [UNKNOWN]
    await harness.run_charge()
    order_count = len(harness.gateway.orders)
    await harness.run_reconcile(age)
    assert (harness.recovery.state is State.IN_REVIEW) is in_review
    assert len(harness.gateway.orders) == order_count + (not readable and not in_review), (
        "only a key that is honoured is repeated"
    )
    if in_review:
        assert harness.written_types == ["charge.requested", "charge.unknown", "retry.skipped"]
        assert harness.recovery.in_flight


@pytest.mark.parametrize("result", [decline_result("authentication_error"), ChargeResult(outcome=Outcome.NOT_CHARGED)])
async def test_refused_repeat_is_no_answer_to_the_first_charge(harness: ChargeHarness, result: ChargeResult) -> None:
    harness.gateway.can_read, harness.gateway.script = False, [UNKNOWN]
    await harness.run_charge()
    harness.gateway.answers["pri-stripe-in_1-1"] = result
    await harness.run_reconcile()
    assert harness.written_types == ["charge.requested", "charge.unknown"]
    harness.gateway.answers["pri-stripe-in_1-1"] = result.model_copy(update={"charge_id": "ch_1"})
    await harness.run_reconcile()
    assert harness.written_types[-1] == "charge.reconciled"


async def test_last_known_state_replaces_an_impossible_read(harness: ChargeHarness) -> None:
    event = an_event(EventKind.PAYMENT_FAILED, event_id="evt_2", provider_attempt=2, occurred_at=harness.now)
    harness.append_events(
        *react_to_event(harness.recovery, event.model_copy(update={"next_provider_attempt": harness.now + 48 * DAY}))
    )
    harness.gateway.can_read = False
    harness.scenario.recovery = harness.recovery
    harness.scenario.records = list(harness.log.rows[harness.recovery.recovery_id])
    await harness.run_charge()
    assert harness.written_types == ["retry.skipped"]
    assert harness.gateway.orders == []


# --- away --------------------------------------------------------------------------------------------------


async def test_unavailable_provider_is_called_again_after_its_retry_delay(harness: ChargeHarness) -> None:
    rate_limit_next_call(harness, retry_after=timedelta(seconds=40))
    with pytest.raises(ApplicationError) as excinfo:
        await harness.run_charge()
    assert excinfo.value.next_retry_delay == timedelta(seconds=40)
    assert excinfo.value.type == "ProviderUnavailable"
    assert not excinfo.value.non_retryable
    await harness.run_charge()
    assert harness.written_types == ["charge.requested", "charge.succeeded", "recovery.closed"]


async def test_failed_read_before_the_charge_costs_no_attempt(harness: ChargeHarness) -> None:
    harness.gateway.away = 1
    with pytest.raises(ApplicationError):
        await harness.run_charge()
    assert harness.written_types == []


async def test_without_idempotency_keys_a_call_that_was_not_executed_is_closed(harness: ChargeHarness) -> None:
    """It is never sent again and could never be found: it must not stay in flight."""
    harness.gateway.idempotency = None
    rate_limit_next_call(harness)
    await harness.run_charge()
    assert harness.written_types == ["charge.requested", "charge.reconciled"]
    assert harness.recovery.in_flight is None


async def test_unconfigured_provider_is_an_error_for_operators(harness: ChargeHarness) -> None:
    order = ChargeInput(
        now=harness.now, recovery=harness.recovery.with_changes(provider="elsewhere"), trigger=Trigger.SCHEDULED
    )
    with pytest.raises(ApplicationError, match="no API key"):
        await harness.run_activity(harness.charging.charge_invoice, order)


# --- before ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [InvoiceStatus.PAID, InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE])
async def test_closed_invoice_is_not_charged(harness: ChargeHarness, status: InvoiceStatus) -> None:
    harness.gateway.set_status(status)
    await harness.run_charge()
    assert harness.gateway.orders == []
    assert harness.written_types[-1] == "recovery.closed"


@pytest.mark.parametrize(
    ("trigger", "action"), [(Trigger.MANUAL, "refuse"), (Trigger.METHOD_CHANGE, "stand_back")], ids=str
)
async def test_payment_under_way_also_delays_an_unscheduled_charge(
    harness: ChargeHarness, trigger: Trigger, action: str
) -> None:
    """An operator is told so; a new method is charged when that payment is over."""
    harness.gateway.invoice = harness.gateway.invoice.model_copy(update={"processing": True})
    charged = await harness.run_charge(trigger)
    assert (harness.written_types, harness.gateway.orders) == (["retry.skipped"], [])
    assert charged.records[0].data["action"] == action


async def test_recoveries_under_old_rules_repeat_the_call_while_a_payment_is_under_way(harness: ChargeHarness) -> None:
    harness.scenario.recovery = harness.scenario.recovery.with_changes(rules=1)
    harness.gateway.invoice = harness.gateway.invoice.model_copy(update={"processing": True})
    with pytest.raises(ApplicationError) as excinfo:
        await harness.run_charge(Trigger.MANUAL)
    assert excinfo.value.next_retry_delay == PROCESSING_RETRY_AFTER
    assert (harness.written_types, harness.gateway.orders) == ([], [])


async def test_own_charge_under_way_is_reconciled_by_a_repeat_under_old_rules(harness: ChargeHarness) -> None:
    """The payment that is processing is the one that the execution before requested: nobody waits for it to end."""
    harness.scenario.recovery = harness.scenario.recovery.with_changes(rules=1)
    kill_before_answer(harness)
    with pytest.raises(WorkerKilled):
        await harness.run_charge(Trigger.MANUAL)
    harness.gateway.invoice = harness.gateway.invoice.model_copy(update={"processing": True})
    harness.gateway.reconciliations = [FOUND_CHARGE]
    await harness.run_charge(Trigger.MANUAL)
    assert harness.written_types == ["charge.requested", "charge.reconciled", "recovery.closed"]
    assert len(harness.gateway.orders) == 1


async def test_announced_facts_replace_a_read_of_an_unreadable_provider(harness: ChargeHarness) -> None:
    harness.gateway.can_read = False
    facts = await harness.run_activity(harness.charging.read_failure, ReadInput(recovery=harness.recovery))
    assert facts.invoice.amount_due == 4900
    assert facts.missing == ("no_invoices",), "nothing that could be had"
