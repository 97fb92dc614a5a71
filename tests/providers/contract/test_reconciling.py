"""An unknown outcome is resolved by reading, by the same key or by webhook, never by a new key.

What a provider can is declared by its gateway (`idempotency`, `can_read`); each test says what follows from that.
"""

from datetime import timedelta

import pytest

from core.events import State
from core.notices import Audience, NoticeTopic, build_notices
from core.operators import Action, Command
from core.payments import EventKind, ProviderEvent
from core.recovery.machine import Charge, Read, next_step
from core.recovery.unknown_charges import MAX_SEND_DELAY
from providers.base import Gateway
from tests.providers.contract.harness import ChargeHarness, due_charge
from tests.providers.contract.subject import ProviderControl, Subject

DAY = timedelta(days=1)
LOST_ANSWERS = ["succeed_then_drop", "succeed_then_error:500", "malformed"]


def event_of_our_charge(harness: ChargeHarness, kind: EventKind) -> ProviderEvent:
    """The provider's event about the charge in flight, some time later."""
    order = harness.recovery.in_flight
    assert order
    return ProviderEvent(
        provider=harness.subject.name,
        event_id="evt_late",
        event_type="late",
        kind=kind,
        occurred_at=harness.now,
        invoice_id=order.invoice_id,
        payment_id="payment_late",
        idempotency_key=order.idempotency_key,
    )


@pytest.mark.parametrize("script", LOST_ANSWERS)
async def test_lost_success_is_reconciled(
    subject: Subject, books: ProviderControl, gateway: Gateway, script: str
) -> None:
    harness = await due_charge(subject, books, gateway, script)
    await harness.run_charge()
    assert harness.written_types == ["charge.requested", "charge.unknown"]
    await harness.run_reconcile()
    assert harness.written_types == ["charge.requested", "charge.unknown", "charge.reconciled", "recovery.closed"]
    assert harness.recovery.state is State.RECOVERED
    assert await harness.charged_amounts() == [harness.failed_payment.amount]
    assert len(await harness.idempotency_keys()) == (1 if gateway.can_read else 2), (
        "reading goes first, where there is any"
    )


async def test_charge_that_never_arrived_is_repeated_with_its_key_or_never(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    harness = await due_charge(subject, books, gateway, "drop")
    await harness.run_charge()
    await harness.run_reconcile()
    if gateway.idempotency is None:
        assert harness.written_types == ["charge.requested", "charge.unknown"]
        assert await harness.charged_amounts() == []
        return
    assert harness.recovery.state is State.RECOVERED
    assert await harness.idempotency_keys() == [harness.rows[2].data["idempotency_key"]] * 2
    assert await harness.charged_amounts() == [harness.failed_payment.amount]


async def test_without_keys_nothing_is_ever_sent_twice(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    if gateway.idempotency is not None:
        return
    harness = await due_charge(subject, books, gateway, "drop")
    await harness.run_charge()
    for _ in range(30):
        await harness.run_reconcile(timedelta(hours=1))
    assert len(await harness.idempotency_keys()) == 1
    assert harness.recovery.state is State.IN_REVIEW


async def test_after_the_keys_time_nothing_is_sent_again(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    if gateway.idempotency is None:
        return
    harness = await due_charge(subject, books, gateway, "drop")
    await harness.run_charge()
    await harness.run_reconcile(gateway.idempotency + timedelta(minutes=1))
    assert len(await harness.idempotency_keys()) == 1
    if not gateway.can_read:
        assert harness.written_types[-1] == "retry.skipped"
        assert harness.recovery.state is State.IN_REVIEW


@pytest.mark.parametrize("kind", [EventKind.INVOICE_PAID, EventKind.PAYMENT_FAILED])
async def test_webhook_about_a_charge_answers_it(
    subject: Subject, books: ProviderControl, gateway: Gateway, kind: EventKind
) -> None:
    harness = await due_charge(subject, books, gateway, "drop")
    await harness.run_charge()
    event = event_of_our_charge(harness, kind)
    harness.receive_event(event)
    harness.receive_event(event)
    assert harness.written_types[:3] == ["charge.requested", "charge.unknown", "charge.reconciled"]
    assert harness.written_types.count("charge.reconciled") == 1
    assert harness.rows[4].data["evidence"] == "webhook"
    assert harness.recovery.in_flight is None
    assert (harness.recovery.state is State.RECOVERED) == (kind is EventKind.INVOICE_PAID)


async def test_after_an_ending_nothing_is_sent_again(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    harness = await due_charge(subject, books, gateway, "drop")
    await harness.run_charge()
    harness.handle_command(Command(action=Action.CANCEL))
    await harness.run_reconcile()
    assert len(await harness.idempotency_keys()) == 1
    assert harness.written_types[-1] == "operator.cancel_requested", "it waits for a definite answer"
    await harness.run_reconcile(gateway.longest_request)
    last = "charge.reconciled" if gateway.can_read else "retry.skipped"
    assert harness.written_types[-2:] == [last, "recovery.closed"], "reads tell it, or the webhook is overdue"
    assert harness.recovery.state is State.CANCELED
    assert len(await harness.idempotency_keys()) == 1
    assert await harness.charged_amounts() == []


DOCUMENTED_LIMITS = {"stripe": 80, "braintree": 60, "adyen": 150}
"""The longest time of one request that the provider, or its official client, names; in seconds."""


async def test_longest_request_covers_what_is_documented_and_our_own_delay(subject: Subject, gateway: Gateway) -> None:
    documented = timedelta(seconds=DOCUMENTED_LIMITS[subject.name])
    assert gateway.longest_request >= documented + MAX_SEND_DELAY + timedelta(seconds=20)
    assert gateway.longest_request <= timedelta(minutes=5), "an operator waits for it"


async def test_success_that_is_found_after_an_ending_counts(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    harness = await due_charge(subject, books, gateway, "succeed_then_drop")
    await harness.run_charge()
    harness.handle_command(Command(action=Action.CANCEL))
    if gateway.can_read:
        await harness.run_reconcile()
    else:
        harness.receive_event(event_of_our_charge(harness, EventKind.INVOICE_PAID))
    assert harness.recovery.state is State.RECOVERED
    assert len(await harness.idempotency_keys()) == 1


async def test_success_that_comes_after_the_end_is_late_money(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    harness = await due_charge(subject, books, gateway, "drop")
    await harness.run_charge()
    harness.handle_command(Command(action=Action.CANCEL))
    event = event_of_our_charge(harness, EventKind.INVOICE_PAID)
    await harness.run_reconcile(gateway.longest_request + timedelta(seconds=1))
    before, count = harness.recovery, len(harness.rows)
    harness.receive_event(event)
    assert harness.written_types[-1] == "payment.late"
    assert (harness.recovery.state, harness.recovery.paid_late) == (State.CANCELED, harness.failed_payment.amount)
    (notice,) = build_notices(before, harness.rows[count:], frozenset({Audience.OPERATORS}))
    assert notice.topic == NoticeTopic.MONEY_BACK


async def test_unresolvable_charge_goes_to_review(subject: Subject, books: ProviderControl, gateway: Gateway) -> None:
    if gateway.can_read and gateway.idempotency is not None:
        return
    harness = await due_charge(subject, books, gateway, "drop", "succeed")
    await harness.run_charge()
    await harness.run_reconcile(8 * DAY)
    assert harness.recovery.state is State.IN_REVIEW
    assert harness.recovery.in_flight, "it may still turn out to have happened"
    harness.handle_command(Command(action=Action.REVIEW, decision="approve", actor="ann"))
    assert harness.written_types[-2:] == ["operator.reviewed", "charge.reconciled"]
    assert next_step(harness.recovery, harness.now) == Read()
    decided = harness.recovery.with_changes(unread=False, undecided=False)
    assert isinstance(next_step(decided, harness.now), Charge)


async def test_late_webhook_overrides_the_review(subject: Subject, books: ProviderControl, gateway: Gateway) -> None:
    if gateway.can_read and gateway.idempotency is not None:
        return
    harness = await due_charge(subject, books, gateway, "drop")
    await harness.run_charge()
    await harness.run_reconcile(8 * DAY)
    harness.receive_event(event_of_our_charge(harness, EventKind.INVOICE_PAID))
    assert harness.recovery.state is State.RECOVERED
