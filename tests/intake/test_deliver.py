"""Every order in which an event can meet its recovery, and what becomes of it."""

import asyncio

import pytest

from core.errors import EngineUnavailable, ProviderUnavailable, RunClosed
from core.ids import recovery_id
from core.payments import EventKind, ProviderEvent
from db.repositories import event_log
from db.session import Database
from intake.deliver import OF_BOTH, OF_CUSTOMER, OF_INVOICE, SHIPPED, Delivery, Status, deliver, without_effect
from tests.intake.fakes import (
    AWAY,
    NOW,
    PROVIDER_AWAY,
    FakeGateway,
    FakeRecoveries,
    arrived,
    canceled,
    failure,
    paid,
    rows_of,
    stored,
    unique,
    word,
)

WORLDS = ("nothing", "arrived", "starting", "open", "lost", "ended", "ended and forgotten")
"""What is known of the event's invoice: nothing; its failure waits in the inbox; its workflow runs and has written
nothing; it runs; its run was lost; it has ended; it has ended and Temporal has forgotten it."""


async def world(name: str, db: Database, recoveries: FakeRecoveries) -> ProviderEvent:
    """Builds it; the failure of the invoice in it."""
    event = failure(unique("in"), customer_id=unique("cus"), subscription_id=unique("sub"))
    rid = recovery_id("stripe", event.invoice_id or "")
    if name in {"arrived", "starting"}:
        await arrived(db, event)
    if name in {"open", "lost", "ended", "ended and forgotten"}:
        await stored(db, event, *([canceled()] if "ended" in name else []))
    if name in {"starting", "open"}:
        recoveries.running.add(rid)
    if name == "ended":
        recoveries.completed.add(rid)
    return event


YES, NO = Status.ACCEPTED, Status.IGNORED
TABLE: dict[EventKind, tuple[Status, ...]] = {
    # in the order of WORLDS
    EventKind.PAYMENT_FAILED: (YES, YES, YES, YES, YES, NO, NO),
    EventKind.ACTION_REQUIRED: (YES, YES, YES, YES, YES, NO, NO),
    EventKind.PROVIDER_STOPPED: (YES, YES, YES, YES, YES, NO, NO),
    EventKind.INVOICE_PAID: (NO, YES, YES, YES, YES, NO, NO),
    EventKind.INVOICE_VOIDED: (NO, YES, YES, YES, YES, NO, NO),
    EventKind.INVOICE_UNCOLLECTIBLE: (NO, YES, YES, YES, YES, NO, NO),
    EventKind.WAKE: (NO, YES, YES, YES, YES, NO, NO),
    EventKind.PAYMENT_REFUNDED: (NO, YES, YES, YES, YES, NO, NO),
    EventKind.PAYMENT_REVERSED: (NO, YES, YES, YES, YES, NO, NO),
    EventKind.PAYMENT_RESTORED: (NO, YES, YES, YES, YES, NO, NO),
    EventKind.DISPUTE_INQUIRY: (NO, YES, YES, YES, YES, NO, NO),
    EventKind.DISPUTE_OPENED: (NO, YES, YES, YES, YES, NO, NO),
    EventKind.FRAUD_WARNING: (NO, YES, YES, YES, YES, NO, NO),
}
BY_CUSTOMER = (
    EventKind.METHOD_UPDATED,
    EventKind.SUBSCRIPTION_ENDED,
    EventKind.CUSTOMER_DELETED,
    EventKind.DISPUTE_OPENED,
    EventKind.FRAUD_WARNING,
)
CASES = [(kind, place, answers[n]) for kind, answers in TABLE.items() for n, place in enumerate(WORLDS)]


@pytest.mark.parametrize(("kind", "place", "expected"), CASES)
async def test_an_event_that_names_its_invoice(
    kind: EventKind, place: str, expected: Status, database: Database, recoveries: FakeRecoveries
) -> None:
    about = await world(place, database, recoveries)
    event = word(kind, invoice_id=about.invoice_id, provider_attempt=2)
    verdict = await deliver(event, database, recoveries, NOW)
    assert verdict.status is expected, verdict
    _is_told(recoveries, about, event) if expected is YES else _is_explained(verdict)


@pytest.mark.parametrize("kind", BY_CUSTOMER)
@pytest.mark.parametrize(("place", "expected"), list(zip(WORLDS, (NO, YES, YES, YES, YES, NO, NO), strict=True)))
async def test_an_event_that_names_its_customer(
    kind: EventKind, place: str, expected: Status, database: Database, recoveries: FakeRecoveries
) -> None:
    about = await world(place, database, recoveries)
    known = {"customer_id": about.customer_id, "subscription_id": about.subscription_id, "method_id": "pm_2"}
    event = word(kind, **known)
    verdict = await deliver(event, database, recoveries, NOW)
    assert verdict.status is expected, verdict
    _is_told(recoveries, about, event) if expected is YES else _is_explained(verdict)


def _is_told(recoveries: FakeRecoveries, about: ProviderEvent, event: ProviderEvent) -> None:
    rid = recovery_id("stripe", about.invoice_id or "")
    heard = [e.event_id for name, e in recoveries.told if name == rid] + [e.event_id for e in recoveries.begun]
    assert heard.count(event.event_id) == 1


def _is_explained(verdict: Delivery) -> None:
    assert verdict.reason


def test_every_kind_has_a_place() -> None:
    """A new kind must not be ignored because nobody thought of it."""
    idle = {EventKind.RETRY_SCHEDULED, EventKind.OTHER}
    assert OF_INVOICE | OF_CUSTOMER | OF_BOTH | idle == set(EventKind)
    assert set(TABLE) | set(BY_CUSTOMER) | idle == set(EventKind)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (word(EventKind.OTHER, detail="live event for a test key", invoice_id="in_x"), "live event for a test key"),
        (word(EventKind.OTHER), "test.other has no effect on recoveries"),
        (word(EventKind.RETRY_SCHEDULED, invoice_id="in_x"), "the provider's own schedule"),
        (word(EventKind.PAYMENT_FAILED, customer_id="cus_x"), "it names neither invoice nor payment"),
        (word(EventKind.METHOD_UPDATED), "it names neither invoice nor payment nor customer"),
        (word(EventKind.SUBSCRIPTION_ENDED), "it names neither invoice nor payment nor customer"),
    ],
)
def test_an_event_without_effect_says_why(event: ProviderEvent, reason: str) -> None:
    verdict = without_effect(event, SHIPPED, NOW)
    assert verdict
    assert verdict.status is Status.IGNORED
    assert (verdict.reason or "").startswith(reason)


async def test_a_run_that_was_lost_is_resumed_before_it_is_told(database: Database, recoveries: FakeRecoveries) -> None:
    about = await world("lost", database, recoveries)
    await deliver(word(EventKind.INVOICE_PAID, invoice_id=about.invoice_id), database, recoveries, NOW)
    assert recoveries.resumed == [recovery_id("stripe", about.invoice_id or "")]
    assert not recoveries.begun


async def test_a_failure_that_still_waits_starts_first(database: Database, recoveries: FakeRecoveries) -> None:
    """The order of two events that were kept while Temporal was away is the order in which they came."""
    about = await world("arrived", database, recoveries)
    await deliver(word(EventKind.INVOICE_PAID, invoice_id=about.invoice_id), database, recoveries, NOW)
    assert [event.event_id for event in recoveries.begun] == [about.event_id]
    assert [event.kind for _, event in recoveries.told] == [EventKind.INVOICE_PAID]


@pytest.mark.parametrize("place", ["ended", "ended and forgotten"])
async def test_late_news_is_kept_once(place: str, database: Database, recoveries: FakeRecoveries) -> None:
    about = await world(place, database, recoveries)
    rid = recovery_id("stripe", about.invoice_id or "")
    event = word(EventKind.PAYMENT_FAILED, invoice_id=about.invoice_id, provider_attempt=2)
    verdicts = await asyncio.gather(*(deliver(event, database, recoveries, NOW) for _ in range(4)))
    assert {(v.status, v.recovery_id) for v in verdicts} == {(Status.IGNORED, rid)}
    # Whoever comes after the row was written finds nothing new in it; which of the four is first is nobody's choice.
    reasons = {verdict.reason for verdict in verdicts}
    assert "late: this recovery has ended canceled" in reasons
    assert reasons <= {f"{told}: this recovery has ended canceled" for told in ("late", "nothing new")}
    assert (await rows_of(database, rid)).count("event.late") == 1
    assert not recoveries.running


async def test_late_confirmation_is_no_news(database: Database, recoveries: FakeRecoveries) -> None:
    about = failure(unique("in"))
    rid = (await stored(database, about, paid())).recovery_id
    verdict = await deliver(word(EventKind.INVOICE_PAID, invoice_id=about.invoice_id), database, recoveries, NOW)
    assert verdict.reason == "nothing new: this recovery has ended recovered"
    assert "event.late" not in await rows_of(database, rid)


async def test_a_run_that_completes_while_it_is_begun(database: Database, recoveries: FakeRecoveries) -> None:
    """Between our look at the log and Temporal's answer the recovery may end."""
    about = await world("open", database, recoveries)
    rid = recovery_id("stripe", about.invoice_id or "")

    class Ending(FakeRecoveries):
        async def begin(self, event: ProviderEvent) -> None:
            await _end(database, rid)
            raise RunClosed(event.event_id)

    event = word(EventKind.PAYMENT_FAILED, invoice_id=about.invoice_id, provider_attempt=2)
    verdict = await deliver(event, database, Ending(), NOW)
    assert verdict.reason == "late: this recovery has ended canceled"


async def _end(db: Database, rid: str) -> None:
    async with db.begin() as session:
        recovery = await event_log.recovery(session, rid)
        assert recovery
        await event_log.append(session, recovery, [canceled()], NOW)


async def test_a_completed_run_without_an_end_in_its_log_is_not_swallowed(
    database: Database, recoveries: FakeRecoveries
) -> None:
    about = await world("lost", database, recoveries)
    recoveries.completed.add(recovery_id("stripe", about.invoice_id or ""))
    verdict = await deliver(word(EventKind.INVOICE_PAID, invoice_id=about.invoice_id), database, recoveries, NOW)
    assert verdict.status is Status.DEFERRED
    assert verdict.reason == "its run has completed in Temporal, but its log has no end"


async def test_another_subscription_of_the_customer_is_left_alone(
    database: Database, recoveries: FakeRecoveries
) -> None:
    about = await world("open", database, recoveries)
    event = word(EventKind.SUBSCRIPTION_ENDED, customer_id=about.customer_id, subscription_id="sub_other")
    verdict = await deliver(event, database, recoveries, NOW)
    assert verdict.status is Status.IGNORED
    assert not recoveries.told


@pytest.mark.parametrize(("subscription", "told"), [("sub_mine", 1), ("sub_other", 0)])
async def test_a_subscription_whose_collection_goes_on_wakes_its_own(
    database: Database, recoveries: FakeRecoveries, subscription: str, told: int
) -> None:
    """It names no invoice; without it a recovery that waits for that would look hours later."""
    about = failure(unique("in"), customer_id=unique("cus"), subscription_id="sub_mine")
    recoveries.running.add((await stored(database, about)).recovery_id)
    event = word(EventKind.WAKE, customer_id=about.customer_id, subscription_id=subscription)
    await deliver(event, database, recoveries, NOW)
    assert len(recoveries.told) == told


async def test_a_dispute_halts_everything_of_the_customer(database: Database, recoveries: FakeRecoveries) -> None:
    """Also what is about other invoices, and once each."""
    customer = unique("cus")
    invoices = [unique("in") for _ in range(3)]
    for invoice in invoices:
        recoveries.running.add((await stored(database, failure(invoice, customer_id=customer))).recovery_id)
    event = word(EventKind.DISPUTE_OPENED, invoice_id=invoices[1], customer_id=customer)
    verdict = await deliver(event, database, recoveries, NOW)
    assert verdict == Delivery(status=Status.ACCEPTED, recovery_id=recovery_id("stripe", invoices[1]))
    assert sorted(name for name, _ in recoveries.told) == sorted(recovery_id("stripe", i) for i in invoices)


async def test_a_dispute_about_a_closed_recovery_is_kept_and_halts_the_others(
    database: Database, recoveries: FakeRecoveries
) -> None:
    customer, won, other = unique("cus"), unique("in"), unique("in")
    closed = await stored(database, failure(won, customer_id=customer), paid())
    recoveries.running.add((await stored(database, failure(other, customer_id=customer))).recovery_id)
    event = word(EventKind.DISPUTE_OPENED, invoice_id=won, customer_id=customer)
    verdict = await deliver(event, database, recoveries, NOW)
    assert verdict.recovery_id == recovery_id("stripe", other)
    assert "event.late" in await rows_of(database, closed.recovery_id)


class TestPaymentsOnly:
    """Events that name neither invoice nor customer."""

    async def test_our_own_tables_know_our_own_charges(self, database: Database, recoveries: FakeRecoveries) -> None:
        charge, invoice = unique("ch"), unique("in")
        about = failure(invoice, failure={"charge_id": charge}, customer_id=unique("cus"))
        recoveries.running.add((await stored(database, about)).recovery_id)
        verdict = await deliver(word(EventKind.DISPUTE_OPENED, payment_id=charge), database, recoveries, NOW)
        assert verdict == Delivery(status=Status.ACCEPTED, recovery_id=recovery_id("stripe", invoice))

    async def test_the_charge_is_known_where_the_intent_is_not(
        self, database: Database, recoveries: FakeRecoveries
    ) -> None:
        """An event names both, and our log has what the invoice showed when it was charged."""
        charge, invoice = unique("ch"), unique("in")
        about = failure(invoice, failure={"charge_id": charge}, customer_id=unique("cus"))
        recoveries.running.add((await stored(database, about)).recovery_id)
        event = word(EventKind.DISPUTE_OPENED, payment_id=unique("pi"), charge_id=charge)
        verdict = await deliver(event, database, recoveries, NOW)
        assert verdict == Delivery(status=Status.ACCEPTED, recovery_id=recovery_id("stripe", invoice))

    async def test_the_relay_must_ask_the_provider(self, database: Database, recoveries: FakeRecoveries) -> None:
        event = word(EventKind.DISPUTE_OPENED, payment_id=unique("pi"))
        assert (await deliver(event, database, recoveries, NOW)).status is Status.DEFERRED
        about = await world("open", database, recoveries)
        gateway = FakeGateway(owner={"invoice_id": about.invoice_id, "customer_id": about.customer_id})
        verdict = await deliver(event, database, recoveries, NOW, gateway.resolve)
        assert verdict.status is Status.ACCEPTED
        assert len(recoveries.told) == 1

    async def test_a_customer_alone_is_enough(self, database: Database, recoveries: FakeRecoveries) -> None:
        about = await world("open", database, recoveries)
        gateway = FakeGateway(owner={"customer_id": about.customer_id})
        event = word(EventKind.FRAUD_WARNING, payment_id=unique("pi"))
        assert (await deliver(event, database, recoveries, NOW, gateway.resolve)).status is Status.ACCEPTED

    async def test_a_payment_nobody_knows(self, database: Database, recoveries: FakeRecoveries) -> None:
        event = word(EventKind.DISPUTE_OPENED, payment_id=unique("pi"))
        verdict = await deliver(event, database, recoveries, NOW, FakeGateway().resolve)
        assert verdict.status is Status.IGNORED
        assert verdict.reason == "the provider knows no invoice or customer for this payment"

    async def test_the_end_of_a_subscription_without_a_customer_is_asked_for(
        self, database: Database, recoveries: FakeRecoveries
    ) -> None:
        """As in the official sample of Braintree's client: its id, and nothing else."""
        about = await world("open", database, recoveries)
        event = word(EventKind.SUBSCRIPTION_ENDED, subscription_id="sub_1")
        assert (await deliver(event, database, recoveries, NOW)).status is Status.DEFERRED
        gateway = FakeGateway(owner={"invoice_id": about.invoice_id})
        verdict = await deliver(event, database, recoveries, NOW, gateway.resolve)
        assert verdict == Delivery(status=Status.ACCEPTED, recovery_id=recovery_id("stripe", about.invoice_id or ""))

    async def test_a_provider_that_is_away_raises(self, database: Database, recoveries: FakeRecoveries) -> None:
        event = word(EventKind.DISPUTE_OPENED, payment_id=unique("pi"))
        with pytest.raises(ProviderUnavailable):
            await deliver(event, database, recoveries, NOW, FakeGateway(failing=PROVIDER_AWAY).resolve)


@pytest.mark.parametrize("kind", [EventKind.PAYMENT_FAILED, EventKind.INVOICE_PAID])
async def test_temporal_away_raises_and_writes_nothing(
    kind: EventKind, database: Database, recoveries: FakeRecoveries
) -> None:
    about = await world("open", database, recoveries)
    recoveries.failing = AWAY
    with pytest.raises(EngineUnavailable):
        await deliver(word(kind, invoice_id=about.invoice_id), database, recoveries, NOW)
    assert await rows_of(database, recovery_id("stripe", about.invoice_id or "")) == ["payment.failed"]
