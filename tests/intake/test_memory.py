"""What the inbox holds of an invoice when its recovery opens, applied as the policy says."""

from collections.abc import Sequence
from typing import Any

import pytest

from activities.recording import Recording
from core.contracts import OpenInput
from core.events import EventType
from core.payments import EventKind, ProviderEvent
from core.policy.scope import SHIPPED_SCOPE, InvoiceScope, ScopeRules, UncollectibleHandling
from db.recovery_log import StoredRecoveryLog
from db.session import Database
from tests.intake.fakes import NOW, provider_event, store_in_inbox, unique_id


async def open_recovery(
    database: Database, failure: ProviderEvent, scope: InvoiceScope = SHIPPED_SCOPE
) -> Sequence[EventType]:
    """The types of the rows with which the recovery opens."""
    recording = Recording(StoredRecoveryLog(database), no_search_attributes, scope=scope)
    known = OpenInput(now=NOW, provider=failure.provider, invoice_id=failure.invoice_id or "", event=failure)
    opened = await recording.open_recovery(known)
    assert await recording.open_recovery(known) == opened, "a repeat finds what is there"
    return [record.type for record in opened.records]


async def no_search_attributes() -> tuple[str, ...]:
    return ()


CLOSED = [EventType.PAYMENT_FAILED, EventType.CLOSED_ELSEWHERE, EventType.RECOVERY_CLOSED]


@pytest.mark.parametrize(
    ("handling", "rows"),
    [(UncollectibleHandling.STOP, CLOSED), (UncollectibleHandling.WAIT, [EventType.PAYMENT_FAILED])],
)
async def test_write_off_before_the_opening_follows_the_policy(
    database: Database, handling: UncollectibleHandling, rows: list[EventType]
) -> None:
    """Where the provider's own automation writes off, the recovery must not open canceled."""
    invoice = unique_id("in")
    await store_in_inbox(database, provider_event(EventKind.INVOICE_UNCOLLECTIBLE, invoice_id=invoice))
    scope = InvoiceScope(lambda: ScopeRules(uncollectible=handling))
    assert await open_recovery(database, failure_event(invoice), scope) == rows


async def test_earlier_customer_events_are_found_for_an_invoice(database: Database) -> None:
    """The end of a subscription names no invoice, and may come before the failure of one."""
    invoice, customer = unique_id("in"), unique_id("cus")
    for whose in (customer, unique_id("cus")):
        ended = provider_event(
            EventKind.SUBSCRIPTION_ENDED, invoice_id=None, customer_id=whose, subscription_id="sub_1"
        )
        await store_in_inbox(database, ended)
    failure = failure_event(invoice, customer_id=customer, subscription_id="sub_1")
    assert await open_recovery(database, failure) == CLOSED


async def test_another_customers_events_change_nothing(database: Database) -> None:
    ended = provider_event(
        EventKind.SUBSCRIPTION_ENDED, invoice_id=None, customer_id=unique_id("cus"), subscription_id="sub_1"
    )
    await store_in_inbox(database, ended)
    failure = failure_event(unique_id("in"), customer_id=unique_id("cus"), subscription_id="sub_1")
    assert await open_recovery(database, failure) == [EventType.PAYMENT_FAILED]


def failure_event(invoice: str, **more: Any) -> ProviderEvent:
    """The failure that opens a recovery of 5.00 EUR."""
    basics = {"invoice_id": invoice, "provider_attempt": 1, "amount": 500, "currency": "EUR"}
    return provider_event(EventKind.PAYMENT_FAILED, **basics | more)
