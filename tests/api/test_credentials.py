"""The ledger of one card: what is used, what is left, and what forbids every further try."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from core.events import EventType
from db.repositories import event_log
from tests.api.house import ALL, House, now
from tests.db.stories import blank, event, failed


def path(fingerprint: str) -> str:
    return f"/v1/credentials/{quote(fingerprint, safe='')}"


async def decline(house: House, invoice: str, fingerprint: str, at: datetime, **failure: Any) -> None:
    """A recovery that the provider's own declined try opened."""
    card = {"fingerprint": fingerprint, "network": "mastercard"}
    told = {"code": "generic_decline", "network_code": "51"} | failure
    rows = [
        failed(at, event_id=f"evt_{invoice}"),
        event(EventType.FAILURE_CLASSIFIED, card=card, failure=told, network_fee={"amount": 50, "currency": "usd"}),
    ]
    async with house.db.begin() as session:
        await event_log.append(session, blank(invoice), rows, at)


async def test_used_and_left_add_up_over_invoices(house: House) -> None:
    start = now() - timedelta(hours=2)
    for number in range(3):
        await decline(house, f"in_cred_{number}", "fp_three", start + timedelta(minutes=number))
    found = (await house.client.get(path("fp_three"), headers=ALL)).json()
    day = next(rule for rule in found["rules"] if rule["name"] == "mastercard_24h")
    assert (day["allowed"], day["used"], day["left"]) == (10, 3, 7)
    assert (day["window_seconds"], day["frees_up_at"]) == (86400, None)
    assert (found["allowed"], found["never_again"], found["network"]) == (True, None, "mastercard")
    assert [one["invoice_id"] for one in found["attempts"]] == ["in_cred_2", "in_cred_1", "in_cred_0"]
    newest = found["attempts"][0]
    assert (newest["trigger"], newest["outcome"], newest["network_code"]) == ("provider", "declined", "51")
    assert (newest["amount"], newest["currency"]) == (500, "EUR")
    assert found["fees"] == [{"currency": "USD", "caused": 150, "avoided": 0}]


async def test_a_full_window_says_when_it_frees_up(house: House) -> None:
    start = now() - timedelta(hours=2)
    for number in range(10):
        await decline(house, f"in_full_{number}", "fp_full", start + timedelta(minutes=number))
    found = (await house.client.get(path("fp_full"), headers=ALL)).json()
    day = next(rule for rule in found["rules"] if rule["name"] == "mastercard_24h")
    assert (found["allowed"], day["used"], day["left"]) == (False, 10, 0)
    assert datetime.fromisoformat(day["frees_up_at"]) == start + timedelta(days=1)


async def test_an_answer_can_forbid_every_further_try(house: House) -> None:
    await decline(house, "in_never", "fp_never", now() - timedelta(days=3), network_advice="03")
    found = (await house.client.get(path("fp_never"), headers=ALL)).json()
    assert found["never_again"]
    assert not found["allowed"]


async def test_a_fingerprint_may_hold_anything(house: House) -> None:
    await decline(house, "in_odd", "fp/a b%2F+é", now() - timedelta(hours=1))
    answer = await house.client.get(path("fp/a b%2F+é"), headers=ALL)
    assert answer.status_code == 200
    assert answer.json()["fingerprint"] == "fp/a b%2F+é"


async def test_what_nobody_tried_is_unknown(house: House) -> None:
    await decline(house, "in_known", "fp_known", now() - timedelta(hours=1))
    for unknown in (path("fp_nobody"), f"{path('fp_known')}?provider=other", "/v1/credentials/a%00b"):
        answer = await house.client.get(unknown, headers=ALL)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await house.client.get(f"{path('fp_known')}?provider=stripe", headers=ALL)).status_code == 200


async def test_it_needs_a_key_that_may_read(house: House) -> None:
    assert (await house.client.get(path("fp_known"))).status_code == 401
    writer = await house.key("recoveries:write")
    assert (await house.client.get(path("fp_known"), headers=writer)).status_code == 403


async def test_it_is_described(house: House) -> None:
    described = (await house.client.get("/openapi.json")).json()["paths"]["/v1/credentials/{fingerprint}"]["get"]
    assert {"200", "401", "403", "404"} <= described["responses"].keys()
    assert {one["name"] for one in described["parameters"]} == {"fingerprint", "provider"}
