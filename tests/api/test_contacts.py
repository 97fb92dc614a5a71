"""Webhooks with contact data: it is stored in its own table and nowhere else."""

import json
from typing import Any

import httpx
import pytest

from core.messages.recipients import Contact
from db.repositories import contacts, inbox
from sandbox.adyen.models import FailedPayment
from sandbox.adyen.payments import sample_adyen_webhook
from tests.api.harness import ADYEN, ApiHarness, app_now
from tests.intake.fakes import unique_id


async def send_refusal(
    harness: ApiHarness, customer: str, occurred_at: int = 1_780_000_000, **spec: Any
) -> tuple[str, httpx.Response]:
    """The invoice of a refused payment of this shopper, and the API's response to its webhook."""
    failed_payment = FailedPayment(customer_id=customer, **spec)
    invoice, body, headers = sample_adyen_webhook(failed_payment, ADYEN["ADYEN_HMAC_KEYS"], occurred_at)
    return invoice, await harness.client.post("/webhooks/adyen", content=body, headers=headers)


async def stored_contact(harness: ApiHarness, customer: str) -> Contact | None:
    async with harness.db.begin() as session:
        return await contacts.load_contact(session, "adyen", customer, "any")


async def test_contact_of_a_refused_payment_is_stored(harness: ApiHarness) -> None:
    customer = unique_id("shopper")
    _, answer = await send_refusal(harness, customer, email="kim@example.com", name="Kim", locale="de_DE")
    assert answer.status_code == 202
    assert await stored_contact(harness, customer) == Contact(email="kim@example.com", name="Kim", language="de_DE")


async def test_personal_data_is_neither_in_the_event_nor_in_logs(
    harness: ApiHarness, log_lines: list[dict[str, Any]]
) -> None:
    customer = unique_id("shopper")
    invoice, _ = await send_refusal(harness, customer, email="kim@example.com", name="Kim Secret")
    async with harness.db.begin() as session:
        (row,) = await inbox.webhooks_of_invoice(session, "adyen", invoice)
    for text in (row.model_dump_json(), json.dumps(log_lines, default=str), repr(harness.recoveries.started_events)):
        assert "kim" not in text.lower()


async def test_contact_fields_missing_in_a_later_webhook_are_kept(harness: ApiHarness) -> None:
    customer = unique_id("shopper")
    await send_refusal(harness, customer, email="kim@example.com", name="Kim", phone="+1")
    await send_refusal(harness, customer, email="new@example.com", name=None)
    await send_refusal(harness, customer, email=None, name=None)
    assert await stored_contact(harness, customer) == Contact(email="new@example.com", name="Kim", phone="+1")


async def test_repeated_old_webhook_does_not_overwrite_the_contact(harness: ApiHarness) -> None:
    customer = unique_id("shopper")
    failed_payment = FailedPayment(customer_id=customer, email="old@example.com")
    _, body, headers = sample_adyen_webhook(failed_payment, ADYEN["ADYEN_HMAC_KEYS"])
    for again in (False, True):
        answer = await harness.client.post("/webhooks/adyen", content=body, headers=headers)
        assert answer.json()["status"] == ("duplicate" if again else "accepted")
        if not again:
            await send_refusal(harness, customer, email="new@example.com")
    contact = await stored_contact(harness, customer)
    assert contact
    assert contact.email == "new@example.com"


async def test_erased_customer_stays_erased(harness: ApiHarness) -> None:
    customer = unique_id("shopper")
    await send_refusal(harness, customer)
    async with harness.db.begin() as session:
        await contacts.erase_contact(session, customer, app_now())
    await send_refusal(harness, customer)
    assert await stored_contact(harness, customer) is None
    async with harness.db.begin() as session:
        query = "SELECT email, name FROM contact WHERE customer_id = %s"
        assert (await session.exec_driver_sql(query, (customer,))).one() == (None, None)


async def test_characters_that_postgresql_cannot_store_do_not_lose_the_webhook(harness: ApiHarness) -> None:
    customer = unique_id("shopper")
    _, answer = await send_refusal(harness, customer, name="Kim\x00Dam")
    assert answer.status_code == 202
    contact = await stored_contact(harness, customer)
    assert contact
    assert contact.name == "Kim\N{REPLACEMENT CHARACTER}Dam"


async def test_failed_contact_extraction_does_not_lose_the_recovery(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_bug(_: bytes) -> None:
        raise ZeroDivisionError("kim@example.com")

    monkeypatch.setattr(harness.app.state.parts.webhooks["adyen"], "extract_contacts", raise_bug)
    customer = unique_id("shopper")
    invoice, answer = await send_refusal(harness, customer)
    assert (answer.status_code, answer.json()["recovery_id"]) == (202, f"recovery-adyen-{invoice}")
    assert await stored_contact(harness, customer) is None
