"""Three billing months on a Stripe test clock, as docs/scenarios.md expects them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from sandbox.stripe.client import StripeSandboxClient
from tests.sandbox.harness import stripe_client
from tests.support.service import Recovery, RunningService

STARTED_ON = (2026, 1, 15, 12)
VELOCITY_DECLINE = "decline:card_velocity_exceeded"
"""Cools down for a day: long enough for the customer to cancel before the first retry."""


class Subscriber:
    """A customer with a card and a plan of 30.00 a month, on a test clock."""

    def __init__(
        self, api: stripe.StripeClient, box: StripeSandboxClient, clock: str, customer: str, plan: str
    ) -> None:
        self.api, self.box, self.clock, self.customer, self.plan = api, box, clock, customer, plan

    async def advance_clock(self, *when: int) -> None:
        """Moves the clock to this time and waits for every webhook up to then."""
        await self.api.v1.test_helpers.test_clocks.advance_async(self.clock, {"frozen_time": _to_timestamp(*when)})
        await self.box.wait_until_idle()

    async def change_subscription(self, **fields: Any) -> None:
        """Changes the subscription."""
        parameters: Any = fields
        await self.api.v1.subscriptions.update_async(self.plan, parameters)
        await self.box.wait_until_idle()

    async def newest_invoice(self) -> stripe.Invoice:
        """The newest invoice of the subscription."""
        plan = await self.api.v1.subscriptions.retrieve_async(self.plan)
        return await self.api.v1.invoices.retrieve_async(str(plan.latest_invoice))


@pytest.fixture
async def api(service: RunningService) -> AsyncIterator[stripe.StripeClient]:
    """Stripe's official library at the sandbox."""
    async with stripe_client(service.endpoints.sandbox, key=service.stack.environment["STRIPE_API_KEY"]) as client:
        yield client


@pytest.fixture
async def subscriber(service: RunningService, api: stripe.StripeClient) -> Subscriber:
    """A subscriber whose first month is paid."""
    clock = await api.v1.test_helpers.test_clocks.create_async({"frozen_time": _to_timestamp(*STARTED_ON)})
    customer = await api.v1.customers.create_async({"test_clock": clock.id})
    card = await api.v1.payment_methods.create_async({"type": "card", "card": {"token": "tok_visa"}})
    await api.v1.payment_methods.attach_async(card.id, {"customer": customer.id})
    settings: Any = {"default_payment_method": card.id}
    await api.v1.customers.update_async(customer.id, {"invoice_settings": settings})
    parameters: Any = {"customer": customer.id, "items": [_invoice_item(3000)]}
    plan = await api.v1.subscriptions.create_async(parameters)
    await service.sandbox.wait_until_idle()
    return Subscriber(api, service.sandbox, clock.id, customer.id, plan.id)


async def test_three_billing_months(service: RunningService, subscriber: Subscriber) -> None:
    await _check_paid_renewal(service, subscriber)
    first = await _check_failed_renewal(service, subscriber)
    second = await _check_failed_upgrade(service, subscriber)
    assert await _recoveries_of(service, subscriber) == {first.invoice, second.invoice}
    assert [charge.amount for charge in await first.fetch_charges()] == [3000]
    assert await second.fetch_charges() == []


async def _check_paid_renewal(service: RunningService, subscriber: Subscriber) -> None:
    await subscriber.advance_clock(2026, 2, 15, 14)
    assert (await subscriber.newest_invoice()).status == "paid"
    assert await _recoveries_of(service, subscriber) == set()


async def _check_failed_renewal(service: RunningService, subscriber: Subscriber) -> Recovery:
    await service.sandbox.script_renewals(subscriber.plan, "decline:insufficient_funds")
    await subscriber.advance_clock(2026, 3, 15, 14)
    recovery = service.recovery_of(str((await subscriber.newest_invoice()).id))
    await service.sandbox.set_script(recovery.invoice, "decline:insufficient_funds")
    (planned, *_) = await recovery.wait_for_event("retry.planned")
    assert 3 * 3600 <= planned["data"]["delay_seconds"] <= 3.3 * 3600
    await recovery.wait_for_event("charge.declined")
    (_, again, *_) = await recovery.wait_for_event("retry.planned", count=2)
    assert again["data"]["delay_seconds"] >= 24 * 3600
    await service.sandbox.add_card(subscriber.customer)
    view = await recovery.wait_for_state("recovered")
    assert view["close_reason"] == "charged"
    requested = await recovery.fetch_events("charge.requested")
    assert [row["data"]["trigger"] for row in requested] == ["scheduled", "payment_method_change"]
    changed = await recovery.fetch_only_event("payment_method.updated")
    assert requested[-1]["data"]["method_id"] == changed["data"]["method_id"]
    return recovery


async def _check_failed_upgrade(service: RunningService, subscriber: Subscriber) -> Recovery:
    await subscriber.advance_clock(2026, 3, 30, 12)
    await service.sandbox.script_renewals(subscriber.plan, VELOCITY_DECLINE)
    await subscriber.change_subscription(items=[_invoice_item(9000)], proration_behavior="always_invoice")
    invoice = await subscriber.newest_invoice()
    recovery = service.recovery_of(str(invoice.id))
    await recovery.wait_for_event("retry.planned")
    assert (await recovery.fetch_view())["amount"] == invoice.amount_remaining != 9000
    await subscriber.change_subscription(cancel_at_period_end=True)
    assert (await recovery.fetch_view())["state"] == "waiting", "what is owed for the running period stays owed"
    await subscriber.advance_clock(2026, 4, 15, 14)
    assert (await recovery.wait_for_unpaid_end("canceled"))["close_reason"] == "subscription_ended"
    assert await recovery.fetch_pay_calls() == []
    return recovery


async def _recoveries_of(service: RunningService, subscriber: Subscriber) -> set[str]:
    response = await service.api.get("/v1/recoveries", params={"customer_id": subscriber.customer})
    return {item["invoice_id"] for item in response.json()["items"]}


def _to_timestamp(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


def _invoice_item(amount: int) -> dict[str, Any]:
    price = {"currency": "usd", "product": "prod_1", "unit_amount": amount, "recurring": {"interval": "month"}}
    return {"price_data": price}
