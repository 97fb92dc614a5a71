"""A payment out of scope opens no recovery, and neither do its later events."""

from typing import Any

from db.repositories import inbox
from sandbox.adyen import payments, webhooks
from sandbox.adyen.models import FailedPayment
from tests.api.harness import ADYEN, ALL_SCOPES, ApiHarness
from tests.intake.fakes import unique_id

KEY = ADYEN["ADYEN_HMAC_KEYS"]


async def ingest_result(
    harness: ApiHarness, payment: dict[str, Any], code: str, success: bool = True, **fields: Any
) -> dict[str, Any]:
    item = webhooks.build_item(payment, code, success, 1_780_000_000, **fields)
    body, headers = webhooks.sign_adyen_webhook(webhooks.webhook_body([item]), KEY, 0)
    answer = await harness.client.post("/webhooks/adyen", content=body, headers=headers)
    await harness.wait_until_idle()
    result: dict[str, Any] = answer.json()
    return result


async def test_refused_checkout_and_its_later_events_are_ignored(harness: ApiHarness) -> None:
    spec = FailedPayment(
        invoice_id=unique_id("order"), customer_id=unique_id("shopper"), shopper_interaction="Ecommerce"
    )
    payment = payments.payment_from_spec(spec)
    refused = await ingest_result(harness, payment, "AUTHORISATION", False, reason="Expired Card")
    assert refused["status"] == "ignored"
    assert "shopper" in refused["reason"]
    for code in ("NOTIFICATION_OF_FRAUD", "RECURRING_CONTRACT", "AUTHORISATION"):
        await ingest_result(harness, payment, code)
    async with harness.db.begin() as session:
        rows = await inbox.webhooks_of_invoice(session, "adyen", payment["reference"])
    assert {row.outcome for row in rows} == {"ignored"}, rows
    assert (harness.recoveries.started_events, harness.recoveries.signalled_events) == ([], [])
    answer = await harness.client.get(f"/v1/recoveries/adyen/{payment['reference']}", headers=ALL_SCOPES)
    assert answer.status_code == 404


async def test_the_merchants_own_charge_is_taken(harness: ApiHarness) -> None:
    payment = payments.payment_from_spec(FailedPayment(invoice_id=unique_id("order"), shopper_interaction="ContAuth"))
    refused = await ingest_result(harness, payment, "AUTHORISATION", False, reason="Expired Card")
    assert refused["status"] == "accepted"
    assert [event.invoice_id for event in harness.recoveries.started_events] == [payment["reference"]]
