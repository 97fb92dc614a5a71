"""A payment that is not ours to collect starts nothing, and nothing that is told of it later does."""

from typing import Any

from sandbox.adyen import items, payments
from sandbox.adyen.models import FailedPayment
from tests.api.house import ADYEN, ALL, House
from tests.intake.fakes import unique

KEY = ADYEN["ADYEN_HMAC_KEYS"]


async def told(house: House, payment: dict[str, Any], code: str, success: bool = True, **fields: Any) -> dict[str, Any]:
    item = items.item(payment, code, success, 1_780_000_000, **fields)
    body, headers = items.seal(items.body([item]), KEY, 0)
    answer = await house.client.post("/webhooks/adyen", content=body, headers=headers)
    found: dict[str, Any] = answer.json()
    return found


async def test_a_refused_checkout_and_all_that_follows_it(house: House) -> None:
    spec = FailedPayment(invoice_id=unique("order"), customer_id=unique("shopper"), shopper_interaction="Ecommerce")
    payment = payments.of_spec(spec)
    refused = await told(house, payment, "AUTHORISATION", False, reason="Expired Card")
    assert refused["status"] == "ignored"
    assert "shopper" in refused["reason"]
    for code in ("NOTIFICATION_OF_FRAUD", "RECURRING_CONTRACT", "AUTHORISATION"):
        later = await told(house, payment, code)
        assert later["status"] == "ignored", (code, later)
    assert (house.recoveries.begun, house.recoveries.told) == ([], [])
    answer = await house.client.get(f"/v1/recoveries/adyen/{payment['reference']}", headers=ALL)
    assert answer.status_code == 404


async def test_the_merchants_own_charge_is_taken(house: House) -> None:
    payment = payments.of_spec(FailedPayment(invoice_id=unique("order"), shopper_interaction="ContAuth"))
    refused = await told(house, payment, "AUTHORISATION", False, reason="Expired Card")
    assert refused["status"] == "accepted"
    assert [one.invoice_id for one in house.recoveries.begun] == [payment["reference"]]
