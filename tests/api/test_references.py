"""Merchants' invoice references in any script, from Adyen's webhook to the row, the URL and the list."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from core.ids import recovery_id
from db.repositories import inbox
from sandbox.adyen import payments, webhooks
from sandbox.adyen.models import FailedPayment
from tests.api.harness import ADYEN, ALL_SCOPES, ApiHarness
from tests.intake.fakes import unique_id

KEY = ADYEN["ADYEN_HMAC_KEYS"]
REFERENCES = [
    "Bestellung-Müller-{}",
    "trailing {} ",
    " leading {}",
    "inner  blanks {}",
    "order/{}?a=b#c%20",
    "注文-{}",
    "طلب-{}",
    "👩‍💻 {} 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "no\N{NO-BREAK SPACE}break {}",
    "\\\\slashes {}",
    "{}" + "x" * 60,
]


async def send_refusal(harness: ApiHarness, reference: Any, **fields: Any) -> Any:
    payment = payments.payment_from_spec(FailedPayment(invoice_id="unused"))
    item = webhooks.build_item(payment, "AUTHORISATION", False, 1_780_000_000, reason="Refused") | fields
    body, headers = webhooks.sign_adyen_webhook(
        webhooks.webhook_body([item | {"merchantReference": reference}]), KEY, 0
    )
    answer = await harness.client.post("/webhooks/adyen", content=body, headers=headers)
    await harness.wait_until_idle()
    return answer


@pytest.mark.parametrize("shape", REFERENCES)
async def test_invoice_reference_is_accepted_unchanged(shape: str, harness: ApiHarness) -> None:
    reference = shape.format(unique_id("r"))
    answer = await send_refusal(harness, reference)
    assert answer.json() == {
        "status": "accepted",
        "recovery_id": recovery_id("adyen", reference),
        "reason": None,
    }
    assert [event.invoice_id for event in harness.recoveries.started_events] == [reference]
    async with harness.db.begin() as session:
        (row,) = await inbox.webhooks_of_invoice(session, "adyen", reference)
    assert row.event
    assert row.event.invoice_id == reference


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("line\nbreak", "it holds control characters"),
        ("nul\x00", "it holds control characters"),
        ("reversed \u202e17", "it holds characters that change the direction of writing"),
        ("   ", "it is empty"),
        ("", "the payment has none"),
        (None, "the payment has none"),
        (17, "it is no text"),
        ("x" * 256, "it is longer than 255 characters or 900 bytes"),
        ("漢" * 255 + "字", "it is longer than 255 characters or 900 bytes"),
    ],
)
async def test_unusable_reference_is_ignored_with_a_reason(reference: Any, reason: str, harness: ApiHarness) -> None:
    answer = await send_refusal(harness, reference, pspReference=unique_id("PSP").upper().replace("_", ""))
    assert answer.json()["status"] == "ignored"
    assert answer.json()["reason"] == f"reference can't be taken: {reason}"


async def test_recovery_url_accepts_any_reference(harness: ApiHarness) -> None:
    """A stored recovery that has not started yet: never 404, however the reference is written."""
    reference = f"Bestellung Müller/{unique_id('r')} "
    await send_refusal(harness, reference)
    path = f"/v1/recoveries/adyen/{quote(reference, safe='')}"
    answer = await harness.client.get(path, headers=ALL_SCOPES)
    assert answer.status_code == 200
    assert json.loads(answer.content)["invoice_id"] == reference
