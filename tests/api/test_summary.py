"""The figures of the dashboard: per currency, by cause, segment and strategy, and arm against arm."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from core.events import EventType, stamp
from db.repositories import event_log
from tests.api.house import ALL, House
from tests.db.stories import NOW, blank, canceled, event, failed, part

AROUND = {"from": stamp(NOW - timedelta(days=1)), "to": stamp(NOW)}


async def recovery(house: House, invoice: str, arm: str, *, paid: bool | None, currency: str = "EUR") -> None:
    """One that was won, lost, or goes on."""
    at = NOW - timedelta(hours=1)
    end = {True: [event(EventType.PAID_ELSEWHERE)], False: [canceled()], None: []}[paid]
    rows = [
        failed(at, event_id=f"evt_{invoice}", currency=currency),
        event(EventType.FAILURE_CLASSIFIED),
        event(EventType.CUSTOMER_SEGMENTED, experiment="patience", arm=arm),
        event(EventType.RETRY_PLANNED),
        *end,
    ]
    async with house.db.begin() as session:
        await event_log.append(session, blank(invoice), rows, at)


async def test_the_sums_and_the_arms(house: House) -> None:
    for number, (arm, paid) in enumerate([("holdout", True), ("holdout", False), ("quick", True), ("quick", None)]):
        await recovery(house, f"in_sum_{number}", arm, paid=paid)
    await recovery(house, "in_sum_jpy", "quick", paid=False, currency="JPY")

    answer = (await house.client.get(f"/v1/summary?{urlencode(AROUND)}", headers=ALL)).json()
    assert answer["from"] < answer["to"]
    euro, yen = answer["currencies"]
    assert (euro["currency"], yen["currency"]) == ("EUR", "JPY")
    assert (euro["at_risk"], euro["recovered"], euro["lost"]) == (500, 1000, 500)
    assert (euro["open_count"], euro["recovered_count"], euro["lost_count"]) == (1, 2, 1)
    assert euro["recovery_rate"] == pytest.approx(2 / 3, abs=1e-5)
    assert yen["recovery_rate"] == 0
    for by in ("by_cause", "by_segment", "by_strategy"):
        assert sum(one["recovered"] for one in euro[by].values()) == 1000
    assert list(euro["by_cause"]) == ["GENERIC"]
    held, quick = euro["experiments"]
    assert (held["arm"], held["difference"]) == ("holdout", None)
    assert quick["recovery_rate"]["estimate"] == 1
    assert quick["difference"]["low"] < quick["difference"]["estimate"] == 0.5 < quick["difference"]["high"]


async def test_money_in_parts_late_and_back_stands_apart(house: House) -> None:
    """In a currency that no other test here uses."""
    at, paid = NOW - timedelta(hours=1), event(EventType.PAID_ELSEWHERE)
    behind = [event(EventType.PAYMENT_REFUNDED, amount=120), event(EventType.PAYMENT_LATE, amount=400)]
    ours = event(EventType.RETRY_SKIPPED, action="out_of_scope", reason="send_invoice")
    for number, (end, late) in enumerate([(paid, behind[0]), (canceled(), behind[1]), (ours, None), (None, None)]):
        invoice = f"in_parts_{number}"
        opening = failed(at, event_id=f"evt_{invoice}", currency="NOK", customer_id=f"cus_{invoice}")
        rows = [opening, event(EventType.CUSTOMER_SEGMENTED, experiment="parts", arm="only"), part(100, 400)]
        async with house.db.begin() as session:
            await event_log.append(session, blank(invoice), [*rows, *([end] if end else [])], at)
            if late:
                await event_log.append_late(session, "stripe", invoice, late, at)
    answer = (await house.client.get(f"/v1/summary?currency=NOK&{urlencode(AROUND)}", headers=ALL)).json()
    (crowns,) = answer["currencies"]
    sums = {name: crowns[name] for name in ("recovered", "at_risk", "lost", "paid_late", "returned", "net")}
    assert sums == {"recovered": 800, "at_risk": 400, "lost": 400, "paid_late": 400, "returned": 120, "net": 1080}
    assert (crowns["open_count"], crowns["recovered_count"], crowns["lost_count"]) == (1, 1, 1)
    assert crowns["recovery_rate"] == pytest.approx(800 / 1200, abs=1e-6)
    (arm,) = crowns["experiments"]
    assert (arm["recovered_amount"], arm["returned_amount"], arm["net_amount"]) == (800, 120, 1080)
    shown = (await house.client.get("/v1/recoveries/stripe/in_parts_1", headers=ALL)).json()
    assert (shown["amount"], shown["paid"], shown["paid_late"], shown["returned"]) == (400, 100, 400, 0)


async def test_it_is_narrowed_by_currency_and_time(house: House) -> None:
    only = (await house.client.get(f"/v1/summary?currency=jpy&{urlencode(AROUND)}", headers=ALL)).json()
    assert [one["currency"] for one in only["currencies"]] == ["JPY"]
    before = {"from": "2020-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z"}
    assert (await house.client.get(f"/v1/summary?{urlencode(before)}", headers=ALL)).json() == before | {
        "currencies": [],
        "network_fees": [],
    }


async def test_fees_of_the_networks_are_in_their_own_currency(house: House) -> None:
    at, card = NOW - timedelta(hours=2), {"fingerprint": "fp_sum", "network": "mastercard"}
    costing = event(EventType.FAILURE_CLASSIFIED, card=card, network_fee={"amount": 50, "currency": "usd"})
    held = {"action": "refuse", "trigger": "manual", "network": card | {"fee": {"amount": 30, "currency": "USD"}}}
    rows = [failed(at, event_id="evt_fee"), costing, event(EventType.RETRY_SKIPPED, **held)]
    async with house.db.begin() as session:
        await event_log.append(session, blank("in_fee"), rows, at)
    around = urlencode({"from": stamp(at - timedelta(minutes=1)), "to": stamp(NOW + timedelta(minutes=1))})
    answer = (await house.client.get(f"/v1/summary?{around}", headers=ALL)).json()
    assert answer["network_fees"] == [{"currency": "USD", "caused": 50, "avoided": 30}]


@pytest.mark.parametrize("query", ["currency=euros", "from=yesterday", "to=2026-01-01T00:00:00"])
async def test_nonsense_is_refused(house: House, query: str) -> None:
    assert (await house.client.get(f"/v1/summary?{query}", headers=ALL)).status_code == 422


async def test_it_needs_a_key(house: House) -> None:
    assert (await house.client.get("/v1/summary")).status_code == 401
