"""Money law 5: an unknown outcome is found out by reading, by the same key again or by a webhook, never by a new one.

What a provider can is declared by its gateway (`idempotency`, `can_read`); each test says what follows from that.
"""

from datetime import timedelta

import pytest

from core.contracts import Action, Command
from core.events import State
from core.payments import EventKind, ProviderEvent
from core.retry.machine import Charge, Read, next_step
from providers.base import Gateway
from tests.providers.contract.bench import ChargeHarness, due_charge
from tests.providers.contract.subject import ProviderControl, Subject

DAY = timedelta(days=1)
LOST_ANSWERS = ["succeed_then_drop", "succeed_then_error:500", "malformed"]


def event_of_our_charge(bench: ChargeHarness, kind: EventKind) -> ProviderEvent:
    """The provider's own word about the charge in flight, some time later."""
    order = bench.recovery.in_flight
    assert order
    return ProviderEvent(
        provider=bench.subject.name,
        event_id="evt_late",
        event_type="late",
        kind=kind,
        occurred_at=bench.now,
        invoice_id=order.invoice_id,
        payment_id="payment_late",
        idempotency_key=order.idempotency_key,
    )


@pytest.mark.parametrize("script", LOST_ANSWERS)
async def test_a_success_whose_answer_was_lost_is_found_out(
    subject: Subject, books: ProviderControl, gateway: Gateway, script: str
) -> None:
    bench = await due_charge(subject, books, gateway, script)
    await bench.run_charge()
    assert bench.written_types == ["charge.requested", "charge.unknown"]
    await bench.run_reconcile()
    assert bench.written_types == ["charge.requested", "charge.unknown", "charge.reconciled", "recovery.closed"]
    assert bench.recovery.state is State.RECOVERED
    assert await bench.charged_amounts() == [bench.failed_payment.amount]
    assert len(await bench.idempotency_keys()) == (1 if gateway.can_read else 2), (
        "reading goes first, where there is any"
    )


async def test_what_never_arrived_is_sent_again_under_its_key_or_never(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    bench = await due_charge(subject, books, gateway, "drop")
    await bench.run_charge()
    await bench.run_reconcile()
    if gateway.idempotency is None:
        assert bench.written_types == ["charge.requested", "charge.unknown"]
        assert await bench.charged_amounts() == []
        return
    assert bench.recovery.state is State.RECOVERED
    assert await bench.idempotency_keys() == [bench.rows[2].data["idempotency_key"]] * 2
    assert await bench.charged_amounts() == [bench.failed_payment.amount]


async def test_without_keys_nothing_is_ever_sent_twice(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    if gateway.idempotency is not None:
        return
    bench = await due_charge(subject, books, gateway, "drop")
    await bench.run_charge()
    for _ in range(30):
        await bench.run_reconcile(timedelta(hours=1))
    assert len(await bench.idempotency_keys()) == 1
    assert bench.recovery.state is State.IN_REVIEW


async def test_after_the_keys_time_nothing_is_sent_again(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    if gateway.idempotency is None:
        return
    bench = await due_charge(subject, books, gateway, "drop")
    await bench.run_charge()
    await bench.run_reconcile(gateway.idempotency + timedelta(minutes=1))
    assert len(await bench.idempotency_keys()) == 1
    if not gateway.can_read:
        assert bench.written_types[-1] == "retry.skipped"
        assert bench.recovery.state is State.IN_REVIEW


@pytest.mark.parametrize("kind", [EventKind.INVOICE_PAID, EventKind.PAYMENT_FAILED])
async def test_the_providers_own_word_about_a_charge_answers_it(
    subject: Subject, books: ProviderControl, gateway: Gateway, kind: EventKind
) -> None:
    bench = await due_charge(subject, books, gateway, "drop")
    await bench.run_charge()
    word = event_of_our_charge(bench, kind)
    bench.receive_event(word)
    bench.receive_event(word)
    assert bench.written_types[:3] == ["charge.requested", "charge.unknown", "charge.reconciled"]
    assert bench.written_types.count("charge.reconciled") == 1
    assert bench.rows[4].data["evidence"] == "webhook"
    assert bench.recovery.in_flight is None
    assert (bench.recovery.state is State.RECOVERED) == (kind is EventKind.INVOICE_PAID)


async def test_after_an_ending_nothing_is_sent_again(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    bench = await due_charge(subject, books, gateway, "drop")
    await bench.run_charge()
    bench.handle_command(Command(action=Action.CANCEL))
    await bench.run_reconcile()
    assert len(await bench.idempotency_keys()) == 1
    assert bench.written_types[-1] == "operator.cancel_requested", "it waits for a definite answer"
    if not (gateway.can_read and gateway.idempotency is not None):
        await bench.run_reconcile(8 * DAY)
        assert bench.written_types[-2:] == ["retry.skipped", "recovery.closed"]
    assert await bench.charged_amounts() == []


async def test_what_nobody_can_find_out_a_person_decides(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    if gateway.can_read and gateway.idempotency is not None:
        return
    bench = await due_charge(subject, books, gateway, "drop", "succeed")
    await bench.run_charge()
    await bench.run_reconcile(8 * DAY)
    assert bench.recovery.state is State.IN_REVIEW
    assert bench.recovery.in_flight, "it may still turn out to have happened"
    bench.handle_command(Command(action=Action.REVIEW, decision="approve", actor="ann"))
    assert bench.written_types[-2:] == ["operator.reviewed", "charge.reconciled"]
    assert next_step(bench.recovery, bench.now) == Read()
    decided = bench.recovery.with_changes(unread=False, undecided=False)
    assert isinstance(next_step(decided, bench.now), Charge)


async def test_a_late_word_beats_the_review(subject: Subject, books: ProviderControl, gateway: Gateway) -> None:
    if gateway.can_read and gateway.idempotency is not None:
        return
    bench = await due_charge(subject, books, gateway, "drop")
    await bench.run_charge()
    await bench.run_reconcile(8 * DAY)
    bench.receive_event(event_of_our_charge(bench, EventKind.INVOICE_PAID))
    assert bench.recovery.state is State.RECOVERED
