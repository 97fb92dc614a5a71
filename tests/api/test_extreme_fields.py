"""Webhooks with extreme numbers and times: stored, shown with a reason, and no failed payment is lost by them."""

import json
import re
import time
from typing import Any, Final

import pytest

from api.admin.sessions import Role
from sandbox.adyen import models as adyen_models
from sandbox.adyen.payments import sample_adyen_webhook
from sandbox.adyen.webhooks import sign_adyen_webhook
from sandbox.braintree.webhooks import sign_braintree_webhook
from sandbox.braintree.xml import dump_document
from tests.api.admin.conftest import console
from tests.api.admin.console import AdminBrowser
from tests.api.harness import ADYEN, BRAINTREE, ApiHarness, failed_event
from tests.intake.fakes import unique_id

__all__ = ["console"]

NUMBERS: Final = (-1, 0, 1.5, 1e300, 2**31, 2**63 - 1, 2**63, 10**400, -(10**400), 253_402_300_799, 32_503_679_999)
OTHERS: Final[tuple[Any, ...]] = (True, None, "", "x", "0x1f", "9" * 5000, "\ud800", [], {}, [[]])
TIMES: Final = (
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-12:00",
    "0000-00-00",
    "9" * 400,
    "",
)
ONLY_USEFUL: Final = {"next_payment_attempt", "due_date", "effective_at"}
"""Fields without which a failed payment is still one."""
BRAINTREE_PAIR: Final = f"{BRAINTREE['BRAINTREE_PUBLIC_KEY']}|{BRAINTREE['BRAINTREE_PRIVATE_KEY']}"


async def assert_stored_and_shown(console: AdminBrowser, provider: str, body: bytes, headers: Any) -> dict[str, Any]:
    """The receipt of a webhook, which is in the inbox and on its pages."""
    url = f"/webhooks/{provider}"
    answer = await console.harness.client.post(url, content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    await console.harness.wait_until_idle()
    receipt: dict[str, Any] = answer.json()
    assert receipt["status"] == "accepted" or receipt["reason"]
    assert (await console.harness.client.post(url, content=body, headers=headers)).json()["status"] == "duplicate"
    assert (await console.sign_in_as(Role.VIEWER).get_page("/webhooks")).status == 200
    return receipt


@pytest.mark.parametrize("clock", [None, "clock_1"])
@pytest.mark.parametrize("field", ["amount_due", "amount_remaining", "attempt_count", "currency", *sorted(ONLY_USEFUL)])
async def test_stripes_extreme_fields(harness: ApiHarness, field: str, clock: str | None) -> None:
    for value in NUMBERS + OTHERS:
        event = failed_event(unique_id("in_extreme"))
        event["data"]["object"] |= {field: value, "test_clock": clock}
        answer = await harness.send_event(event)
        assert answer.status_code == 202, (value, answer.text)
        assert answer.json()["status"] == "accepted" or answer.json()["reason"], value
        assert field not in ONLY_USEFUL or answer.json()["status"] == "accepted", (value, answer.text)
        assert (await harness.send_event(event)).json()["status"] == "duplicate", value


@pytest.mark.parametrize("currency", ["ugx", "mga", "isk", "jpy", "kwd", "zzz"])
async def test_stripes_largest_amount_in_each_kind_of_currency(harness: ApiHarness, currency: str) -> None:
    for amount in (2**63 - 1, 2**62, 1):
        event = failed_event(unique_id("in_extreme"))
        event["data"]["object"] |= {"currency": currency, "amount_due": amount, "amount_remaining": amount}
        assert (await harness.send_event(event)).status_code == 202


def adyen_webhook(**fields: Any) -> tuple[bytes, dict[str, str]]:
    """A refused payment at Adyen with these fields, signed."""
    _, body, _ = sample_adyen_webhook(adyen_models.FailedPayment(), ADYEN["ADYEN_HMAC_KEYS"])
    batch = json.loads(body)
    item = batch["notificationItems"][0]["NotificationRequestItem"]
    item |= {"pspReference": unique_id("PSP"), "merchantReference": unique_id("ref")} | fields
    return sign_adyen_webhook(json.dumps(batch).encode(), ADYEN["ADYEN_HMAC_KEYS"], 0)


@pytest.mark.parametrize("moment", TIMES)
async def test_adyens_extreme_times(console: AdminBrowser, moment: str) -> None:
    await assert_stored_and_shown(console, "adyen", *adyen_webhook(eventDate=moment))


@pytest.mark.parametrize("currency", ["IDR", "CLP", "ISK", "CVE", "EUR", "ZZZ"])
async def test_adyens_extreme_amounts(console: AdminBrowser, currency: str) -> None:
    for value in (0, 1, 2**63 - 1, 2**62):
        await assert_stored_and_shown(console, "adyen", *adyen_webhook(amount={"value": value, "currency": currency}))


def braintree_webhook(before: str, after: str) -> tuple[bytes, dict[str, str]]:
    """A failed transaction at Braintree with one text of its XML replaced, signed."""
    found = {
        "kind": "transaction_retried",
        "timestamp": "@",
        "subject": {"transaction": {"id": unique_id("tx"), "amount": "1.00"}},
    }
    xml = dump_document("notification", found)
    xml = re.sub("<timestamp[^>]*>@</timestamp>", '<timestamp type="datetime">2026-05-01T00:00:00Z</timestamp>', xml)
    assert before in xml
    return sign_braintree_webhook(xml.replace(before, after).encode(), BRAINTREE_PAIR, int(time.time()))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2026-05-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("2026-05-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        (">1.00<", ">1E+999999<"),
        (">1.00<", ">NaN<"),
        (">1.00<", "><"),
        ("</transaction>", '<x type="integer"></x></transaction>'),
        ("</transaction>", f'<x type="integer">{"9" * 5000}</x></transaction>'),
        ("</transaction>", '<x type="datetime">never</x></transaction>'),
    ],
    ids=["year 1", "year 9999", "exponent", "NaN", "no amount", "no integer", "long integer", "no time"],
)
async def test_braintrees_extreme_fields(console: AdminBrowser, before: str, after: str) -> None:
    await assert_stored_and_shown(console, "braintree", *braintree_webhook(before, after))
