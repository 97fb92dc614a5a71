"""Every order in which an event can meet its recovery, and the resulting delivery."""

import asyncio

import pytest

from core.errors import EngineUnavailable, ProviderUnavailable, RunClosed
from core.ids import recovery_id
from core.payments import EventKind, ProviderEvent
from db.repositories import event_log
from db.session import Database
from intake.delivery import (
    SHIPPED_SCOPE_RULES,
    Delivery,
    DeliveryStatus,
    deliver_event,
    ignore_without_effect,
)
from intake.targets import KINDS_WITH_EFFECT
from tests.intake.fakes import (
    NOW,
    PROVIDER_AWAY,
    TEMPORAL_AWAY,
    FakeGateway,
    FakeRecoveries,
    canceled_event,
    failure_event,
    log_types,
    paid_event,
    provider_event,
    store_in_inbox,
    store_recovery,
    unique_id,
)

SITUATIONS = ("nothing", "arrived", "starting", "open", "lost", "ended", "ended and forgotten")
"""What is known of the event's invoice: nothing; its failure waits in the inbox; its workflow runs and has written
nothing; it runs; its run was lost; it has ended; it has ended and Temporal has forgotten it."""


async def build_situation(name: str, db: Database, recoveries: FakeRecoveries) -> ProviderEvent:
    """Builds the situation. Returns the failure event of its invoice."""
    event = failure_event(unique_id("in"), customer_id=unique_id("cus"), subscription_id=unique_id("sub"))
    rid = recovery_id("stripe", event.invoice_id or "")
    if name in {"arrived", "starting"}:
        await store_in_inbox(db, event)
    if name in {"open", "lost", "ended", "ended and forgotten"}:
        await store_recovery(db, event, *([canceled_event()] if "ended" in name else []))
    if name in {"starting", "open"}:
        recoveries.running.add(rid)
    if name == "ended":
        recoveries.completed.add(rid)
    return event


ACCEPTED, IGNORED = DeliveryStatus.ACCEPTED, DeliveryStatus.IGNORED
EXPECTED_STATUS: dict[EventKind, tuple[DeliveryStatus, ...]] = {
    # in the order of WORLDS
    EventKind.PAYMENT_FAILED: (ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
    EventKind.ACTION_REQUIRED: (ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
    EventKind.PROVIDER_STOPPED: (ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
    EventKind.INVOICE_PAID: (IGNORED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
    EventKind.INVOICE_VOIDED: (IGNORED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
    EventKind.INVOICE_UNCOLLECTIBLE: (IGNORED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
    EventKind.WAKE: (IGNORED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
    EventKind.PAYMENT_REFUNDED: (IGNORED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
    EventKind.PAYMENT_REVERSED: (IGNORED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
    EventKind.PAYMENT_RESTORED: (IGNORED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
    EventKind.DISPUTE_INQUIRY: (IGNORED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
    EventKind.DISPUTE_OPENED: (IGNORED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
    EventKind.FRAUD_WARNING: (IGNORED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED),
}
BY_CUSTOMER = (
    EventKind.METHOD_UPDATED,
    EventKind.SUBSCRIPTION_ENDED,
    EventKind.CUSTOMER_DELETED,
    EventKind.DISPUTE_OPENED,
    EventKind.FRAUD_WARNING,
)
CASES = [
    (kind, situation, answers[n]) for kind, answers in EXPECTED_STATUS.items() for n, situation in enumerate(SITUATIONS)
]


@pytest.mark.parametrize(("kind", "situation", "expected"), CASES)
async def test_an_event_that_names_its_invoice(
    kind: EventKind, situation: str, expected: DeliveryStatus, database: Database, recoveries: FakeRecoveries
) -> None:
    about = await build_situation(situation, database, recoveries)
    event = provider_event(kind, invoice_id=about.invoice_id, provider_attempt=2)
    delivery = await deliver_event(event, database, recoveries, NOW)
    assert delivery.status is expected, delivery
    _assert_signalled(recoveries, about, event) if expected is ACCEPTED else _assert_reason_given(delivery)


@pytest.mark.parametrize("kind", BY_CUSTOMER)
@pytest.mark.parametrize(
    ("situation", "expected"),
    list(zip(SITUATIONS, (IGNORED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, IGNORED, IGNORED), strict=True)),
)
async def test_an_event_that_names_its_customer(
    kind: EventKind, situation: str, expected: DeliveryStatus, database: Database, recoveries: FakeRecoveries
) -> None:
    about = await build_situation(situation, database, recoveries)
    event_fields = {"customer_id": about.customer_id, "subscription_id": about.subscription_id, "method_id": "pm_2"}
    event = provider_event(kind, **event_fields)
    delivery = await deliver_event(event, database, recoveries, NOW)
    assert delivery.status is expected, delivery
    _assert_signalled(recoveries, about, event) if expected is ACCEPTED else _assert_reason_given(delivery)


def _assert_signalled(recoveries: FakeRecoveries, about: ProviderEvent, event: ProviderEvent) -> None:
    rid = recovery_id("stripe", about.invoice_id or "")
    event_ids = [e.event_id for name, e in recoveries.signalled_events if name == rid] + [
        e.event_id for e in recoveries.started_events
    ]
    assert event_ids.count(event.event_id) == 1


def _assert_reason_given(delivery: Delivery) -> None:
    assert delivery.reason


def test_every_event_kind_has_an_expected_status() -> None:
    """A new kind must be added to one of the tables."""
    idle = {EventKind.RETRY_SCHEDULED, EventKind.OTHER}
    assert KINDS_WITH_EFFECT | idle == set(EventKind)
    assert set(EXPECTED_STATUS) | set(BY_CUSTOMER) | idle == set(EventKind)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (
            provider_event(EventKind.OTHER, detail="live event for a test key", invoice_id="in_x"),
            "live event for a test key",
        ),
        (provider_event(EventKind.OTHER), "test.other has no effect on recoveries"),
        (provider_event(EventKind.RETRY_SCHEDULED, invoice_id="in_x"), "the provider's own schedule"),
        (provider_event(EventKind.PAYMENT_FAILED, customer_id="cus_x"), "it names neither invoice nor payment"),
        (provider_event(EventKind.METHOD_UPDATED), "it names neither invoice nor payment nor customer"),
        (provider_event(EventKind.SUBSCRIPTION_ENDED), "it names neither invoice nor payment nor customer"),
    ],
)
def test_event_without_effect_is_ignored_with_a_reason(event: ProviderEvent, reason: str) -> None:
    delivery = ignore_without_effect(event, SHIPPED_SCOPE_RULES, NOW)
    assert delivery
    assert delivery.status is DeliveryStatus.IGNORED
    assert (delivery.reason or "").startswith(reason)


async def test_lost_run_is_restarted_before_it_is_signalled(database: Database, recoveries: FakeRecoveries) -> None:
    about = await build_situation("lost", database, recoveries)
    await deliver_event(provider_event(EventKind.INVOICE_PAID, invoice_id=about.invoice_id), database, recoveries, NOW)
    assert recoveries.ensured_runs == [recovery_id("stripe", about.invoice_id or "")]
    assert not recoveries.started_events


async def test_waiting_failure_event_is_delivered_first(database: Database, recoveries: FakeRecoveries) -> None:
    """Two events stored while Temporal was unreachable are delivered in the order in which they arrived."""
    about = await build_situation("arrived", database, recoveries)
    await deliver_event(provider_event(EventKind.INVOICE_PAID, invoice_id=about.invoice_id), database, recoveries, NOW)
    assert [event.event_id for event in recoveries.started_events] == [about.event_id]
    assert [event.kind for _, event in recoveries.signalled_events] == [EventKind.INVOICE_PAID]


@pytest.mark.parametrize("situation", ["ended", "ended and forgotten"])
async def test_late_event_is_recorded_once(situation: str, database: Database, recoveries: FakeRecoveries) -> None:
    about = await build_situation(situation, database, recoveries)
    rid = recovery_id("stripe", about.invoice_id or "")
    event = provider_event(EventKind.PAYMENT_FAILED, invoice_id=about.invoice_id, provider_attempt=2)
    deliveries = await asyncio.gather(*(deliver_event(event, database, recoveries, NOW) for _ in range(4)))
    assert {(v.status, v.recovery_id) for v in deliveries} == {(DeliveryStatus.IGNORED, rid)}
    # Whoever comes after the row was written finds nothing new in it; which of the four is first is nobody's choice.
    reasons = {delivery.reason for delivery in deliveries}
    assert "late: this recovery has ended canceled" in reasons
    assert reasons <= {f"{prefix}: this recovery has ended canceled" for prefix in ("late", "nothing new")}
    assert (await log_types(database, rid)).count("event.late") == 1
    assert not recoveries.running


async def test_late_confirmation_is_not_recorded(database: Database, recoveries: FakeRecoveries) -> None:
    about = failure_event(unique_id("in"))
    rid = (await store_recovery(database, about, paid_event())).recovery_id
    delivery = await deliver_event(
        provider_event(EventKind.INVOICE_PAID, invoice_id=about.invoice_id), database, recoveries, NOW
    )
    assert delivery.reason == "nothing new: this recovery has ended recovered"
    assert "event.late" not in await log_types(database, rid)


async def test_run_that_completes_during_its_start_gets_a_late_event(
    database: Database, recoveries: FakeRecoveries
) -> None:
    """The recovery may end between reading the log and Temporal's answer."""
    about = await build_situation("open", database, recoveries)
    rid = recovery_id("stripe", about.invoice_id or "")

    class EndingRecoveries(FakeRecoveries):
        async def start_recovery(self, event: ProviderEvent) -> None:
            await _end_recovery(database, rid)
            raise RunClosed(event.event_id)

    event = provider_event(EventKind.PAYMENT_FAILED, invoice_id=about.invoice_id, provider_attempt=2)
    delivery = await deliver_event(event, database, EndingRecoveries(), NOW)
    assert delivery.reason == "late: this recovery has ended canceled"


async def _end_recovery(db: Database, rid: str) -> None:
    async with db.begin() as session:
        recovery = await event_log.load_recovery(session, rid)
        assert recovery
        await event_log.append_to_log(session, recovery, [canceled_event()], NOW)


async def test_completed_run_with_an_open_log_defers_the_event(database: Database, recoveries: FakeRecoveries) -> None:
    about = await build_situation("lost", database, recoveries)
    recoveries.completed.add(recovery_id("stripe", about.invoice_id or ""))
    delivery = await deliver_event(
        provider_event(EventKind.INVOICE_PAID, invoice_id=about.invoice_id), database, recoveries, NOW
    )
    assert delivery.status is DeliveryStatus.DEFERRED
    assert delivery.reason == "its run has completed in Temporal, but its log has no end"


async def test_end_of_another_subscription_is_ignored(database: Database, recoveries: FakeRecoveries) -> None:
    about = await build_situation("open", database, recoveries)
    event = provider_event(EventKind.SUBSCRIPTION_ENDED, customer_id=about.customer_id, subscription_id="sub_other")
    delivery = await deliver_event(event, database, recoveries, NOW)
    assert delivery.status is DeliveryStatus.IGNORED
    assert not recoveries.signalled_events


@pytest.mark.parametrize(("subscription", "event_count"), [("sub_mine", 1), ("sub_other", 0)])
async def test_resumed_collection_wakes_recoveries_of_its_subscription(
    database: Database, recoveries: FakeRecoveries, subscription: str, event_count: int
) -> None:
    """The event names no invoice; without it the waiting recovery would look only hours later."""
    about = failure_event(unique_id("in"), customer_id=unique_id("cus"), subscription_id="sub_mine")
    recoveries.running.add((await store_recovery(database, about)).recovery_id)
    event = provider_event(EventKind.WAKE, customer_id=about.customer_id, subscription_id=subscription)
    await deliver_event(event, database, recoveries, NOW)
    assert len(recoveries.signalled_events) == event_count


async def test_a_dispute_halts_everything_of_the_customer(database: Database, recoveries: FakeRecoveries) -> None:
    """Also recoveries of other invoices, once each."""
    customer = unique_id("cus")
    invoices = [unique_id("in") for _ in range(3)]
    for invoice in invoices:
        recoveries.running.add(
            (await store_recovery(database, failure_event(invoice, customer_id=customer))).recovery_id
        )
    event = provider_event(EventKind.DISPUTE_OPENED, invoice_id=invoices[1], customer_id=customer)
    delivery = await deliver_event(event, database, recoveries, NOW)
    assert delivery == Delivery(status=DeliveryStatus.ACCEPTED, recovery_id=recovery_id("stripe", invoices[1]))
    assert sorted(name for name, _ in recoveries.signalled_events) == sorted(recovery_id("stripe", i) for i in invoices)


async def test_a_dispute_about_a_closed_recovery_is_kept_and_halts_the_others(
    database: Database, recoveries: FakeRecoveries
) -> None:
    customer, paid, other = unique_id("cus"), unique_id("in"), unique_id("in")
    closed = await store_recovery(database, failure_event(paid, customer_id=customer), paid_event())
    recoveries.running.add((await store_recovery(database, failure_event(other, customer_id=customer))).recovery_id)
    event = provider_event(EventKind.DISPUTE_OPENED, invoice_id=paid, customer_id=customer)
    delivery = await deliver_event(event, database, recoveries, NOW)
    assert delivery.recovery_id == recovery_id("stripe", other)
    assert "event.late" in await log_types(database, closed.recovery_id)


class TestPaymentsOnly:
    """Events that name neither invoice nor customer."""

    async def test_our_own_charge_id_identifies_the_invoice(
        self, database: Database, recoveries: FakeRecoveries
    ) -> None:
        charge, invoice = unique_id("ch"), unique_id("in")
        about = failure_event(invoice, failure={"charge_id": charge}, customer_id=unique_id("cus"))
        recoveries.running.add((await store_recovery(database, about)).recovery_id)
        delivery = await deliver_event(
            provider_event(EventKind.DISPUTE_OPENED, payment_id=charge), database, recoveries, NOW
        )
        assert delivery == Delivery(status=DeliveryStatus.ACCEPTED, recovery_id=recovery_id("stripe", invoice))

    async def test_charge_id_identifies_the_invoice_where_the_intent_does_not(
        self, database: Database, recoveries: FakeRecoveries
    ) -> None:
        """The event names both; our log has only the id that the invoice showed at the charge."""
        charge, invoice = unique_id("ch"), unique_id("in")
        about = failure_event(invoice, failure={"charge_id": charge}, customer_id=unique_id("cus"))
        recoveries.running.add((await store_recovery(database, about)).recovery_id)
        event = provider_event(EventKind.DISPUTE_OPENED, payment_id=unique_id("pi"), charge_id=charge)
        delivery = await deliver_event(event, database, recoveries, NOW)
        assert delivery == Delivery(status=DeliveryStatus.ACCEPTED, recovery_id=recovery_id("stripe", invoice))

    async def test_unknown_payment_is_deferred_until_the_relay_asks_the_provider(
        self, database: Database, recoveries: FakeRecoveries
    ) -> None:
        event = provider_event(EventKind.DISPUTE_OPENED, payment_id=unique_id("pi"))
        assert (await deliver_event(event, database, recoveries, NOW)).status is DeliveryStatus.DEFERRED
        about = await build_situation("open", database, recoveries)
        gateway = FakeGateway(owner={"invoice_id": about.invoice_id, "customer_id": about.customer_id})
        delivery = await deliver_event(event, database, recoveries, NOW, gateway.resolve_event)
        assert delivery.status is DeliveryStatus.ACCEPTED
        assert len(recoveries.signalled_events) == 1

    async def test_customer_id_alone_identifies_recoveries(
        self, database: Database, recoveries: FakeRecoveries
    ) -> None:
        about = await build_situation("open", database, recoveries)
        gateway = FakeGateway(owner={"customer_id": about.customer_id})
        event = provider_event(EventKind.FRAUD_WARNING, payment_id=unique_id("pi"))
        assert (
            await deliver_event(event, database, recoveries, NOW, gateway.resolve_event)
        ).status is DeliveryStatus.ACCEPTED

    async def test_unknown_payment_is_ignored_with_a_reason(
        self, database: Database, recoveries: FakeRecoveries
    ) -> None:
        event = provider_event(EventKind.DISPUTE_OPENED, payment_id=unique_id("pi"))
        delivery = await deliver_event(event, database, recoveries, NOW, FakeGateway().resolve_event)
        assert delivery.status is DeliveryStatus.IGNORED
        assert delivery.reason == "the provider knows no invoice or customer for this payment"

    async def test_subscription_end_without_a_customer_is_resolved_by_the_provider(
        self, database: Database, recoveries: FakeRecoveries
    ) -> None:
        """As in the official sample of Braintree's client, which has only the subscription's id."""
        about = await build_situation("open", database, recoveries)
        event = provider_event(EventKind.SUBSCRIPTION_ENDED, subscription_id="sub_1")
        assert (await deliver_event(event, database, recoveries, NOW)).status is DeliveryStatus.DEFERRED
        gateway = FakeGateway(owner={"invoice_id": about.invoice_id})
        delivery = await deliver_event(event, database, recoveries, NOW, gateway.resolve_event)
        assert delivery == Delivery(
            status=DeliveryStatus.ACCEPTED, recovery_id=recovery_id("stripe", about.invoice_id or "")
        )

    async def test_a_provider_that_is_away_raises(self, database: Database, recoveries: FakeRecoveries) -> None:
        event = provider_event(EventKind.DISPUTE_OPENED, payment_id=unique_id("pi"))
        with pytest.raises(ProviderUnavailable):
            await deliver_event(event, database, recoveries, NOW, FakeGateway(error=PROVIDER_AWAY).resolve_event)


@pytest.mark.parametrize("kind", [EventKind.PAYMENT_FAILED, EventKind.INVOICE_PAID])
async def test_temporal_away_raises_and_writes_nothing(
    kind: EventKind, database: Database, recoveries: FakeRecoveries
) -> None:
    about = await build_situation("open", database, recoveries)
    recoveries.error = TEMPORAL_AWAY
    with pytest.raises(EngineUnavailable):
        await deliver_event(provider_event(kind, invoice_id=about.invoice_id), database, recoveries, NOW)
    assert await log_types(database, recovery_id("stripe", about.invoice_id or "")) == ["payment.failed"]
