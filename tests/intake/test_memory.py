"""What the inbox holds of an invoice when its recovery opens, as the policy takes it."""

from typing import Any

import pytest

from activities.recording import remembered_in
from activities.scope import Scope
from core.payments import EventKind, ProviderEvent
from core.retry.scope import ScopeRules, WrittenOff
from db.session import Database
from tests.intake.fakes import arrived, unique, word


@pytest.mark.parametrize(
    ("taken", "kind"),
    [(WrittenOff.STOP, EventKind.INVOICE_UNCOLLECTIBLE), (WrittenOff.WAIT, EventKind.WAKE)],
)
async def test_a_write_off_from_before_the_opening_counts_as_the_policy_says(
    database: Database, taken: WrittenOff, kind: EventKind
) -> None:
    """Where the provider's own automation writes off, the recovery must not open canceled."""
    invoice = unique("in")
    await arrived(database, word(EventKind.INVOICE_UNCOLLECTIBLE, invoice_id=invoice))
    remembered = remembered_in(database, Scope(lambda: ScopeRules(uncollectible=taken)))
    assert [event.kind for event in await remembered(failed(invoice))] == [kind]


async def test_what_concerns_the_whole_customer_is_remembered_too(database: Database) -> None:
    """The end of a subscription names no invoice, and may come before the failure of one."""
    invoice, customer = unique("in"), unique("cus")
    ended = word(EventKind.SUBSCRIPTION_ENDED, invoice_id=None, customer_id=customer, subscription_id="sub_1")
    other = word(EventKind.SUBSCRIPTION_ENDED, invoice_id=None, customer_id=unique("cus"), subscription_id="sub_1")
    for event in (ended, other):
        await arrived(database, event)
    assert await remembered_in(database)(failed(invoice, customer_id=customer)) == [ended]


def failed(invoice: str, **more: Any) -> ProviderEvent:
    """The failure that opens a recovery."""
    return word(EventKind.PAYMENT_FAILED, invoice_id=invoice, **more)
