"""Test clocks and billing cycles, through the official library."""

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from sandbox.stripe.client import StripeSandboxClient

START = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp())
DAY = 86_400


def price_item(amount: int) -> dict[str, Any]:
    recurring = {"interval": "month"}
    return {"price_data": {"currency": "usd", "product": "prod_1", "unit_amount": amount, "recurring": recurring}}


class BilledSubscription:
    """A customer on a test clock, with a card and a monthly subscription."""

    def __init__(self, api: stripe.StripeClient, clock: str, customer: str, card: str | None) -> None:
        self.api, self.clock, self.customer, self.card = api, clock, customer, card
        self.id = ""

    async def start_subscription(self, amount: int = 3000, **more: Any) -> stripe.Subscription:
        parameters: Any = {"customer": self.customer, "items": [price_item(amount)], **more}
        subscription = await self.api.v1.subscriptions.create_async(parameters)
        self.id = subscription.id
        return subscription

    async def advance_clock(self, *when: int) -> None:
        timestamp = int(datetime(*when, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]
        answer = await self.api.v1.test_helpers.test_clocks.advance_async(self.clock, {"frozen_time": timestamp})
        assert answer.status == "advancing"
        assert (await self.api.v1.test_helpers.test_clocks.retrieve_async(self.clock)).status == "ready"

    async def change_subscription(self, **fields: Any) -> stripe.Subscription:
        parameters: Any = fields
        return await self.api.v1.subscriptions.update_async(self.id, parameters)

    async def fetch_subscription(self) -> stripe.Subscription:
        return await self.api.v1.subscriptions.retrieve_async(self.id)

    async def fetch_latest_invoice(self) -> stripe.Invoice:
        return await self.api.v1.invoices.retrieve_async(str((await self.fetch_subscription()).latest_invoice))

    async def fetch_event_types(self) -> list[str]:
        """The types of the events of this customer's objects, in order."""
        events = (await self.api.v1.events.list_async({"limit": 100})).data
        own_events = [event for event in events if self.customer in str(event.data.object)]
        return [event.type for event in reversed(own_events)]


async def create_subscription(api: stripe.StripeClient, *, card: bool = True) -> BilledSubscription:
    clock = await api.v1.test_helpers.test_clocks.create_async({"frozen_time": START})
    customer = await api.v1.customers.create_async({"test_clock": clock.id})
    if not card:
        return BilledSubscription(api, clock.id, customer.id, None)
    method = await api.v1.payment_methods.create_async({"type": "card", "card": {"token": "tok_visa"}})
    await api.v1.payment_methods.attach_async(method.id, {"customer": customer.id})
    settings: Any = {"default_payment_method": method.id}
    await api.v1.customers.update_async(customer.id, {"invoice_settings": settings})
    return BilledSubscription(api, clock.id, customer.id, method.id)


async def test_a_month_is_billed_on_the_day_it_began(api: stripe.StripeClient) -> None:
    plan = await create_subscription(api)
    assert (await plan.start_subscription()).status == "active"
    first = await plan.fetch_latest_invoice()
    assert (first.status, first.billing_reason, first.test_clock) == ("paid", "subscription_create", plan.clock)
    await plan.advance_clock(2026, 2, 28, 12, 30)
    assert (await plan.fetch_latest_invoice()).status == "draft"
    await plan.advance_clock(2026, 2, 28, 14)
    second = await plan.fetch_latest_invoice()
    assert (second.status, second.amount_paid, second.billing_reason) == ("paid", 3000, "subscription_cycle")
    assert datetime.fromtimestamp(second.created, UTC) == datetime(2026, 2, 28, 12, tzinfo=UTC)


async def test_a_renewal_that_fails_leaves_the_subscription_past_due(
    box: StripeSandboxClient, api: stripe.StripeClient
) -> None:
    plan = await create_subscription(api)
    await plan.start_subscription()
    await box.script_renewals(plan.id, "decline:insufficient_funds")
    await plan.advance_clock(2026, 3, 1)
    open_ = await plan.fetch_latest_invoice()
    assert (open_.status, open_.attempt_count, open_.amount_remaining) == ("open", 1, 3000)
    assert (await plan.fetch_subscription()).status == "past_due"
    assert "invoice.payment_failed" in await plan.fetch_event_types()
    await api.v1.invoices.pay_async(str(open_.id))
    assert (await plan.fetch_subscription()).status == "active"


async def test_a_first_payment_that_fails_leaves_it_incomplete(api: stripe.StripeClient) -> None:
    plan = await create_subscription(api, card=False)
    assert (await plan.start_subscription()).status == "incomplete"
    open_ = await plan.fetch_latest_invoice()
    assert (open_.status, open_.billing_reason) == ("open", "subscription_create")
    with pytest.raises(stripe.InvalidRequestError, match="default_payment_method") as refused:
        await api.v1.invoices.pay_async(str(open_.id))
    assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")


async def test_an_upgrade_is_prorated_with_the_next_invoice(api: stripe.StripeClient) -> None:
    plan = await create_subscription(api)
    await plan.start_subscription(3000)
    await plan.advance_clock(2026, 2, 14, 12)
    await plan.change_subscription(items=[price_item(6000)])
    await plan.advance_clock(2026, 3, 1)
    lines = [line.amount for line in (await plan.fetch_latest_invoice()).lines.data]
    assert sorted(lines) == [-1500, 3000, 6000]
    assert (await plan.fetch_latest_invoice()).amount_paid == 7500


async def test_an_upgrade_can_be_invoiced_at_once(api: stripe.StripeClient) -> None:
    plan = await create_subscription(api)
    await plan.start_subscription(3000)
    await plan.advance_clock(2026, 2, 14, 12)
    await plan.change_subscription(items=[price_item(6000)], proration_behavior="always_invoice")
    invoice = await plan.fetch_latest_invoice()
    assert (invoice.billing_reason, invoice.amount_paid, invoice.status) == ("subscription_update", 1500, "paid")


async def test_a_subscription_ends_with_its_period(api: stripe.StripeClient) -> None:
    plan = await create_subscription(api)
    await plan.start_subscription()
    await plan.change_subscription(cancel_at_period_end=True)
    await plan.advance_clock(2026, 2, 27)
    assert (await plan.fetch_subscription()).status == "active"
    await plan.advance_clock(2026, 4, 15)
    assert (await plan.fetch_subscription()).status == "canceled"
    assert (await plan.fetch_latest_invoice()).billing_reason == "subscription_create"
    assert (await plan.fetch_event_types())[-1] == "customer.subscription.deleted"


@pytest.mark.parametrize(
    ("behavior", "status"), [("void", "void"), ("mark_uncollectible", "uncollectible"), ("keep_as_draft", "draft")]
)
async def test_a_paused_collection_charges_nothing(api: stripe.StripeClient, behavior: str, status: str) -> None:
    plan = await create_subscription(api)
    await plan.start_subscription()
    await plan.change_subscription(pause_collection={"behavior": behavior})
    await plan.advance_clock(2026, 3, 2)
    assert (await plan.fetch_latest_invoice()).status == status


async def test_an_invoice_that_is_sent_is_not_charged(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    plan = await create_subscription(api)
    await plan.start_subscription(collection_method="send_invoice", days_until_due=30)
    invoice = await plan.fetch_latest_invoice()
    assert (invoice.status, invoice.collection_method, await box.read_ledger(invoice.id)) == (
        "open",
        "send_invoice",
        [],
    )


async def test_a_clock_only_goes_forward(api: stripe.StripeClient) -> None:
    plan = await create_subscription(api)
    with pytest.raises(stripe.InvalidRequestError):
        await api.v1.test_helpers.test_clocks.advance_async(plan.clock, {"frozen_time": START - DAY})
