"""Customers whose id names a person are found by it, and the search leaves no trace of it in the audit log."""

import json

from db.repositories import customer_identities
from db.session import Database
from tests.api.admin.conftest import console
from tests.api.admin.console import AdminBrowser
from tests.api.harness import ALL_SCOPES, ApiHarness, app_now
from tests.intake.fakes import failure_event, store_recovery, unique_id

__all__ = ["console"]


async def store_hashed_recovery(database: Database, address: str) -> tuple[str, str]:
    """A recovery of this customer; its invoice and the id that stands for the customer."""
    invoice = unique_id("in")
    async with database.begin() as session:
        known = await customer_identities.hide_customer_id(session, "stripe", address, (), app_now())
    await store_recovery(database, failure_event(invoice, customer_id=known))
    return invoice, known


async def test_lists_find_a_customer_by_the_id_that_names_them(harness: ApiHarness) -> None:
    address = f"{unique_id('jenny')}@example.com"
    invoice, known = await store_hashed_recovery(harness.db, address)
    for query in ({"customer_id": address}, {"q": address}, {"customer_id": known}):
        found = (await harness.client.get("/v1/recoveries", params=query, headers=ALL_SCOPES)).json()["items"]
        assert [(row["invoice_id"], row["customer_id"]) for row in found] == [(invoice, known)]
    nobody = {"customer_id": "nobody@example.com"}
    assert (await harness.client.get("/v1/recoveries", params=nobody, headers=ALL_SCOPES)).json()["items"] == []


async def test_console_and_export_find_them_and_keep_no_trace(harness: ApiHarness, console: AdminBrowser) -> None:
    address = f"{unique_id('kim')}@example.com"
    invoice, known = await store_hashed_recovery(harness.db, address)
    viewer = console.sign_in_as()
    assert invoice in (await viewer.get_page("/recoveries", q=address)).text
    assert invoice in (await viewer.get_page("/recoveries.csv", q=address)).text
    await viewer.get_page("/recoveries.csv", q="nobody@example.com")
    async with harness.db.begin() as session:
        rows = await session.exec_driver_sql("SELECT detail FROM operator_action WHERE action = 'exported'")
        noted = json.dumps([row[0] for row in rows])
    assert known in noted
    assert "example.com" not in noted
