"""What the inbox holds of an invoice when its recovery opens, as the policy takes it."""

import pytest

from activities.recording import remembered_in
from activities.scope import Scope
from core.payments import EventKind
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
    assert [event.kind for event in await remembered("stripe", invoice)] == [kind]
