"""What the inbox holds of an invoice when its recovery opens, applied as the policy says."""

from typing import Any

import pytest

from activities.recording import stored_inbox_lookup
from core.payments import EventKind, ProviderEvent
from core.policy.scope import InvoiceScope, ScopeRules, UncollectibleHandling
from db.session import Database
from tests.intake.fakes import provider_event, store_in_inbox, unique_id


@pytest.mark.parametrize(
    ("handling", "kind"),
    [(UncollectibleHandling.STOP, EventKind.INVOICE_UNCOLLECTIBLE), (UncollectibleHandling.WAIT, EventKind.WAKE)],
)
async def test_write_off_before_the_opening_follows_the_policy(
    database: Database, handling: UncollectibleHandling, kind: EventKind
) -> None:
    """Where the provider's own automation writes off, the recovery must not open canceled."""
    invoice = unique_id("in")
    await store_in_inbox(database, provider_event(EventKind.INVOICE_UNCOLLECTIBLE, invoice_id=invoice))
    lookup = stored_inbox_lookup(database, InvoiceScope(lambda: ScopeRules(uncollectible=handling)))
    assert [event.kind for event in await lookup(failure_event(invoice))] == [kind]


async def test_earlier_customer_events_are_found_for_an_invoice(database: Database) -> None:
    """The end of a subscription names no invoice, and may come before the failure of one."""
    invoice, customer = unique_id("in"), unique_id("cus")
    subscription_ended = provider_event(
        EventKind.SUBSCRIPTION_ENDED, invoice_id=None, customer_id=customer, subscription_id="sub_1"
    )
    other = provider_event(
        EventKind.SUBSCRIPTION_ENDED, invoice_id=None, customer_id=unique_id("cus"), subscription_id="sub_1"
    )
    for event in (subscription_ended, other):
        await store_in_inbox(database, event)
    assert await stored_inbox_lookup(database)(failure_event(invoice, customer_id=customer)) == [subscription_ended]


def failure_event(invoice: str, **more: Any) -> ProviderEvent:
    """The failure that opens a recovery."""
    return provider_event(EventKind.PAYMENT_FAILED, invoice_id=invoice, **more)
