"""Once an ending is set, a charge in flight is only read: nothing is sent again, and silence becomes the answer."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from activities.charging import Charging
from core.contracts import ReconcileInput
from core.durations import TimeScale
from core.events import EventType, State, Trigger
from core.operators import Action, Command
from core.payments import ChargeOrder, ChargeResult, EventKind, InvoiceView, Outcome
from core.recovery.commands import accept_command
from core.recovery.reactions import react_to_event
from core.recovery.unknown_charges import MAX_SEND_DELAY, SHORTEST_WAIT
from tests.activities.conftest import ChargeHarness
from tests.support.builders import DAY, HOUR, an_event
from tests.support.gateway import UNKNOWN

SECOND = timedelta(seconds=1)
NO_TRACE = ChargeResult(outcome=Outcome.UNKNOWN, reason="not_settled", no_attempt=True)
UNDER_WAY = ChargeResult(outcome=Outcome.UNKNOWN, reason="processing")
PAID = ChargeResult(outcome=Outcome.SUCCEEDED, charge_id="ch_1")


def cancel(harness: ChargeHarness) -> None:
    """An operator cancels now."""
    harness.append_events(*accept_command(harness.recovery, Command(action=Action.CANCEL, actor="ann"), harness.now))


def hear_of(kind: EventKind) -> Callable[[ChargeHarness], None]:
    """The provider's event of this kind arrives now."""

    def receive(harness: ChargeHarness) -> None:
        event = an_event(kind, occurred_at=harness.now, subscription_id="sub_1")
        harness.append_events(*react_to_event(harness.recovery.with_changes(subscription_id="sub_1"), event))

    return receive


ENDINGS = [
    pytest.param(cancel, State.CANCELED, id="cancel"),
    pytest.param(hear_of(EventKind.SUBSCRIPTION_ENDED), State.CANCELED, id="subscription"),
    pytest.param(hear_of(EventKind.CUSTOMER_DELETED), State.CANCELED, id="customer"),
    pytest.param(hear_of(EventKind.INVOICE_UNCOLLECTIBLE), State.CANCELED, id="uncollectible"),
    pytest.param(hear_of(EventKind.DISPUTE_OPENED), State.BLOCKED, id="dispute"),
    pytest.param(hear_of(EventKind.FRAUD_WARNING), State.BLOCKED, id="fraud"),
    pytest.param(hear_of(EventKind.INVOICE_PAID), State.RECOVERED, id="paid"),
]


async def lost_charge(harness: ChargeHarness) -> None:
    """A charge whose answer was lost, at a provider that shows no trace of it."""
    harness.gateway.script = [UNKNOWN]
    harness.gateway.reconciliations = [NO_TRACE] * 9
    await harness.run_charge()


@pytest.mark.parametrize(("end", "state"), ENDINGS)
async def test_silence_is_the_answer_after_the_longest_time_of_a_request(
    harness: ChargeHarness, end: Callable[[ChargeHarness], None], state: State
) -> None:
    await lost_charge(harness)
    end(harness)
    await harness.run_reconcile(harness.gateway.longest_request - SECOND)
    assert (harness.recovery.state, len(harness.gateway.orders)) == (State.CHARGING, 1)
    await harness.run_reconcile(2 * SECOND)
    assert (harness.recovery.state, len(harness.gateway.orders)) == (state, 1)
    row = next(row for row in harness.log.rows[harness.recovery.recovery_id] if row.type is EventType.CHARGE_RECONCILED)
    assert {key: row.data[key] for key in ("outcome", "reason", "evidence")} == {
        "outcome": "not_charged",
        "reason": "no_attempt",
        "evidence": "read",
    }


async def test_without_an_ending_silence_is_no_answer(harness: ChargeHarness) -> None:
    harness.gateway.idempotency = None
    await lost_charge(harness)
    await harness.run_reconcile(HOUR)
    assert harness.recovery.in_flight
    assert harness.written_types == ["charge.requested", "charge.unknown"]


@pytest.mark.parametrize("honoured", [23 * HOUR, None])
@pytest.mark.parametrize("result", [UNKNOWN, UNDER_WAY])
async def test_a_read_that_does_not_show_silence_decides_nothing(
    harness: ChargeHarness, honoured: timedelta | None, result: ChargeResult
) -> None:
    harness.gateway.idempotency = honoured
    await lost_charge(harness)
    cancel(harness)
    harness.gateway.reconciliations = [result] * 3
    for _ in range(3):
        await harness.run_reconcile(HOUR)
    assert (harness.recovery.state, len(harness.gateway.orders)) == (State.CHARGING, 1)


async def test_success_found_after_a_cancel_counts(harness: ChargeHarness) -> None:
    await lost_charge(harness)
    cancel(harness)
    harness.gateway.reconciliations = [NO_TRACE, PAID]
    await harness.run_reconcile()
    await harness.run_reconcile(HOUR)
    assert (harness.recovery.state, len(harness.gateway.orders)) == (State.RECOVERED, 1)


async def test_the_wait_counts_from_the_last_time_that_the_charge_was_sent(harness: ChargeHarness) -> None:
    """A void that arrives late says a time before the last repeat."""
    await lost_charge(harness)
    happened = harness.now
    harness.now += HOUR
    harness.append_events(
        *react_to_event(harness.recovery, an_event(EventKind.INVOICE_UNCOLLECTIBLE, occurred_at=happened))
    )
    repeated_at = harness.now
    states = []
    for wait in (SECOND, harness.gateway.longest_request + SECOND):
        await reconcile_at(harness, repeated_at + wait, last_sent_by=repeated_at)
        states.append(harness.recovery.state)
    assert states == [State.CHARGING, State.CANCELED]


async def reconcile_at(harness: ChargeHarness, now: datetime, last_sent_by: datetime | None = None) -> None:
    """Reconciles at this time, in a run that knows when the charge was sent last."""
    harness.now = now
    order = ReconcileInput(now=now, recovery=harness.recovery, last_sent_by=last_sent_by)
    await harness.run_activity(harness.charging.reconcile_charge, order)


async def test_a_read_begun_too_early_decides_nothing_however_long_it_takes(harness: ChargeHarness) -> None:
    await lost_charge(harness)
    cancel(harness)
    deadline = harness.now + harness.gateway.longest_request
    reconcile = harness.gateway.reconcile

    async def read_slowly(_: ChargeOrder) -> ChargeResult:
        result = await reconcile(_)
        harness.now = deadline + SECOND
        return result

    harness.gateway.reconcile = read_slowly  # type: ignore[method-assign]
    await reconcile_at(harness, deadline - SECOND)
    assert harness.recovery.state is State.CHARGING


async def test_orders_of_older_releases_wait_as_long(harness: ChargeHarness) -> None:
    await lost_charge(harness)
    rows = harness.log.rows[harness.recovery.recovery_id]
    at = next(index for index, row in enumerate(rows) if row.type is EventType.CHARGE_REQUESTED)
    stored = {key: value for key, value in rows[at].data.stored.items() if key != "request_seconds"}
    rows[at] = rows[at].holding(EventType.CHARGE_REQUESTED, stored)
    cancel(harness)
    await harness.run_reconcile(harness.gateway.longest_request - SECOND)
    assert harness.written_types[-1] == "operator.cancel_requested"
    await harness.run_reconcile(2 * SECOND)
    assert harness.recovery.state is State.CANCELED


# --- a provider that can't be read -------------------------------------------------------------------------


@pytest.mark.parametrize("honoured", [7 * DAY, None])
async def test_an_overdue_webhook_ends_it_with_a_word_to_operators(
    harness: ChargeHarness, honoured: timedelta | None
) -> None:
    harness.gateway.can_read, harness.gateway.idempotency = False, honoured
    await lost_charge(harness)
    cancel(harness)
    await harness.run_reconcile(harness.gateway.longest_request - SECOND)
    assert harness.recovery.state is State.CHARGING
    await harness.run_reconcile(2 * SECOND)
    assert harness.written_types[-2:] == ["retry.skipped", "recovery.closed"]
    assert (harness.recovery.state, len(harness.gateway.orders)) == (State.CANCELED, 1)


async def test_its_webhook_decides_before_that(harness: ChargeHarness) -> None:
    harness.gateway.can_read = False
    await lost_charge(harness)
    cancel(harness)
    event = an_event(EventKind.INVOICE_PAID, occurred_at=harness.now, idempotency_key="pri-stripe-in_1-1")
    harness.append_events(*react_to_event(harness.recovery, event))
    assert harness.recovery.state is State.RECOVERED


# --- executions that were stopped --------------------------------------------------------------------------


async def test_execution_that_slept_over_a_cancel_sends_no_repeat(harness: ChargeHarness) -> None:
    await lost_charge(harness)
    harness.gateway.reconciliations = [UNKNOWN]
    read_invoice = harness.gateway.read_invoice

    async def read_while_canceled(invoice_id: str) -> InvoiceView:
        cancel(harness)
        return await read_invoice(invoice_id)

    harness.gateway.read_invoice = read_while_canceled  # type: ignore[method-assign]
    report = await harness.run_reconcile()
    assert [row.type.value for row in report.records] == ["operator.cancel_requested"]
    assert (harness.recovery.state, len(harness.gateway.orders)) == (State.CHARGING, 1)


@pytest.mark.parametrize(("honoured", "written"), [(23 * HOUR, []), (None, ["charge.reconciled"])])
async def test_execution_that_slept_after_its_request_sends_nothing(
    harness: ChargeHarness, monkeypatch: pytest.MonkeyPatch, honoured: timedelta | None, written: list[str]
) -> None:
    """Another may have found no trace of it and ended the recovery by now."""
    harness.gateway.idempotency = honoured
    slept = {"seconds": 0.0}
    monkeypatch.setattr("activities.charging.time.monotonic", lambda: slept["seconds"])
    reserve = harness.log.reserve_attempt

    async def reserve_and_sleep(*given: object) -> object:
        rows = await reserve(*given)  # type: ignore[arg-type]
        slept["seconds"] += (MAX_SEND_DELAY + SECOND).total_seconds()
        return rows

    harness.log.reserve_attempt = reserve_and_sleep  # type: ignore[assignment,method-assign]
    if honoured:
        with pytest.raises(Exception, match="too long ago"):
            await harness.run_charge()
    else:
        await harness.run_charge()
    assert harness.gateway.orders == []
    assert harness.written_types == ["charge.requested", *written]


async def test_slow_read_before_the_request_is_no_sleep(
    harness: ChargeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = {"seconds": 0.0}
    monkeypatch.setattr("activities.charging.time.monotonic", lambda: slept["seconds"])

    async def read_slowly(_: str, __: str | None) -> None:
        slept["seconds"] += (2 * MAX_SEND_DELAY).total_seconds()

    harness.gateway.read_card = read_slowly  # type: ignore[assignment,method-assign]
    await harness.run_charge(Trigger.METHOD_CHANGE, "pm_2")
    assert len(harness.gateway.orders) == 1


# --- shortened ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("factor", "seconds"), [(1, 120), (2, 60), (3600, SHORTEST_WAIT.total_seconds())])
async def test_time_scale_shortens_the_wait_to_ten_seconds_at_least(
    harness: ChargeHarness, factor: int, seconds: float
) -> None:
    harness.charging = Charging({"stripe": harness.gateway}, harness.log, time_scale=TimeScale(factor=factor))
    await lost_charge(harness)
    assert harness.recovery.request_seconds == seconds
    cancel(harness)
    await harness.run_reconcile(timedelta(seconds=seconds) + SECOND)
    assert harness.recovery.state is State.CANCELED
