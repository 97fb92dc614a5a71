"""Reading over real HTTP: an invoice's state at Braintree, and the facts of a failure."""

from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias

import pytest

from core.errors import ProviderUnavailable
from core.payments import EventKind, InvoiceStatus, ProviderEvent
from providers.braintree.gateway import BraintreeGateway
from providers.braintree.methods import country_of
from sandbox.braintree.client import BraintreeSandboxClient
from sandbox.models import Card

Sandbox: TypeAlias = BraintreeSandboxClient
Gateway: TypeAlias = BraintreeGateway


def an_event(**fields: str) -> ProviderEvent:
    plain = {"provider": "braintree", "event_id": "e", "event_type": "dispute_opened"}
    defaults = {"kind": EventKind.DISPUTE_OPENED, "occurred_at": datetime.now(UTC)}
    return ProviderEvent.model_validate(plain | defaults | fields)


@pytest.mark.parametrize("subscription", [True, False])
async def test_an_unpaid_invoice_is_open_with_its_amount(box: Sandbox, gateway: Gateway, subscription: bool) -> None:
    failed_payment = await box.create_failed_payment(subscription=subscription, amount=4900, currency="EUR")
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.status, view.amount_due, view.currency) == (InvoiceStatus.OPEN, 4900, "EUR")
    assert (view.customer_id, view.subscription_id) == (failed_payment.customer, failed_payment.subscription)
    assert (view.latest_charge_id, view.latest_charge_status) == (failed_payment.transaction, "failed")
    assert not view.processing
    assert not view.disputed


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("subscription_charged_successfully", InvoiceStatus.PAID),
        ("subscription_canceled", InvoiceStatus.VOID),
        ("subscription_expired", InvoiceStatus.VOID),
        ("subscription_charged_unsuccessfully", InvoiceStatus.OPEN),
    ],
)
async def test_changes_at_braintree_change_the_invoice(
    box: Sandbox, gateway: Gateway, kind: str, status: InvoiceStatus
) -> None:
    failed_payment = await box.create_failed_payment()
    await box.report_event(failed_payment.invoice, kind)
    assert (await gateway.read_invoice(failed_payment.invoice)).status is status


async def test_a_period_that_is_past_is_closed(box: Sandbox, gateway: Gateway) -> None:
    now = await box.create_failed_payment(invoice_id="subpast-2026-11-01")
    assert (await gateway.read_invoice("subpast-2026-10-01")).status is InvoiceStatus.VOID, "its balance moved on"
    assert (await gateway.read_invoice(now.invoice)).status is InvoiceStatus.OPEN


async def test_a_dispute_shows(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment()
    await box.report_event(failed_payment.invoice, "dispute_opened")
    assert (await gateway.read_invoice(failed_payment.invoice)).disputed


async def test_braintrees_own_next_try_shows(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(upcoming_retry_date="2026-12-01")
    view = await gateway.read_invoice(failed_payment.invoice)
    assert view.next_provider_attempt == datetime(2026, 12, 2, tzinfo=UTC)


@pytest.mark.parametrize("name", ["nothing", "nosub-2026-11-01", "a/../b", "with blank"])
async def test_unknown_facts_are_listed_as_missing(gateway: Gateway, name: str) -> None:
    assert (await gateway.read_invoice(name)).status is InvoiceStatus.MISSING
    facts = await gateway.read_failure(name, None)
    assert (facts.invoice.status, facts.missing) == (InvoiceStatus.MISSING, ("invoice",))


@pytest.mark.parametrize("outcome", ["error:500", "error:401", "drop", "malformed", "error:429:3"])
async def test_outage_raises_unavailable(box: Sandbox, gateway: Gateway, outcome: str) -> None:
    failed_payment = await box.create_failed_payment()
    await box.add_fault(f"/braintree/merchants/*/subscriptions/{failed_payment.subscription}", outcome)
    with pytest.raises(ProviderUnavailable):
        await gateway.read_failure(failed_payment.invoice, None)


async def test_a_failure_is_read_with_codes_card_and_customer(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(
        decline_code="2010", network_code="N7", mac="01", card_type="MasterCard"
    )
    facts = await gateway.read_failure(failed_payment.invoice, None)
    assert (facts.failure.code, facts.failure.network_code, facts.failure.network_advice) == ("2010", "N7", "01")
    assert (facts.failure.method_id, facts.failure.charge_id) == (
        failed_payment.payment_method,
        failed_payment.transaction,
    )
    assert (facts.card.network, facts.card.last4, facts.card.funding) == ("mastercard", "1111", "credit")
    assert facts.customer
    assert facts.customer.customer_id == failed_payment.customer
    assert facts.missing == ()


async def test_transaction_named_by_the_event_is_read(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(decline_code="2010", created=1_790_000_000)
    await box.report_event(failed_payment.invoice, "subscription_charged_unsuccessfully", decline_code="2001")
    assert (await gateway.read_failure(failed_payment.invoice, None)).failure.code == "2001"
    event = an_event()
    event = event.model_copy(update={"failure": (await gateway.read_failure(failed_payment.invoice, None)).failure})
    old = event.failure.model_copy(update={"charge_id": failed_payment.transaction}) if event.failure else None
    facts = await gateway.read_failure(failed_payment.invoice, event.model_copy(update={"failure": old}))
    assert facts.failure.code == "2010"


async def test_a_card_is_known_by_its_number_not_by_its_token(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(fingerprint="same-number")
    again = await box.store_card(failed_payment.customer, Card(fingerprint="same-number"))
    default, named = (
        await gateway.read_card(failed_payment.invoice, None),
        await gateway.read_card(failed_payment.invoice, again),
    )
    assert default
    assert named
    assert default.fingerprint == named.fingerprint == "same-number"


async def test_no_card_is_better_than_an_error(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment()
    assert await gateway.read_card(failed_payment.invoice, "gone") is None
    assert await gateway.read_card("nothing", None) is None
    await box.add_fault(f"/braintree/merchants/*/subscriptions/{failed_payment.subscription}", "error:500")
    assert await gateway.read_card(failed_payment.invoice, None) is None


@pytest.mark.parametrize("subscription", [True, False])
async def test_dispute_is_resolved_by_its_transaction(box: Sandbox, gateway: Gateway, subscription: bool) -> None:
    failed_payment = await box.create_failed_payment(subscription=subscription)
    event = await gateway.resolve_event(an_event(payment_id=failed_payment.transaction))
    assert (event.invoice_id, event.customer_id) == (failed_payment.invoice, failed_payment.customer)
    unknown = an_event(payment_id="nowhere")
    assert await gateway.resolve_event(unknown) == unknown
    named = an_event(payment_id=failed_payment.transaction, invoice_id="other")
    assert await gateway.resolve_event(named) == named


async def test_subscription_supplies_what_its_notification_lacks(box: Sandbox, gateway: Gateway) -> None:
    """As in the official client's samples: no period, no status, and an unknown transaction."""
    failed_payment = await box.create_failed_payment()
    at = datetime.combine(date.fromisoformat(failed_payment.invoice[-10:]), time(), UTC)
    failed = an_event(payment_id="nowhere").model_copy(
        update={"subscription_id": failed_payment.subscription, "occurred_at": at + timedelta(days=3)}
    )
    assert (await gateway.resolve_event(failed)).invoice_id == failed_payment.invoice
    subscription_ended = failed.model_copy(update={"payment_id": None, "kind": EventKind.SUBSCRIPTION_ENDED})
    assert (await gateway.resolve_event(subscription_ended)).invoice_id == failed_payment.invoice
    before = failed.model_copy(update={"occurred_at": at - timedelta(days=3)})
    assert await gateway.resolve_event(before) == before, "of an earlier period"
    unknown = failed.model_copy(update={"subscription_id": "nowhere"})
    assert await gateway.resolve_event(unknown) == unknown


async def test_customers_country_is_not_taken_from_the_card(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(country="NZ")
    facts = await gateway.read_failure(failed_payment.invoice, None)
    assert facts.customer
    assert (facts.customer.country, facts.card.country) == ("NZ", "US")


@pytest.mark.parametrize(
    ("expected", "country"),
    [
        ("USA", "US"),
        ("DEU", "DE"),
        ("de", "DE"),
        ("Unknown", None),
        ("XQZ", None),
        ("", None),
        (None, None),
        ("U5A", None),
    ],
)
def test_countries_have_two_letter_codes(expected: str | None, country: str | None) -> None:
    assert country_of(expected) == country
