"""The figures of the dashboard: per currency, by cause, segment and strategy, and by experiment arm."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from core.events import EventType, format_timestamp
from db.repositories import event_log
from tests.api.harness import ALL_SCOPES, ApiHarness
from tests.db.recovery_events import NOW, blank_recovery, canceled_event, event_of, failed_event, part_payment

LAST_DAY = {"from": format_timestamp(NOW - timedelta(days=1)), "to": format_timestamp(NOW)}


async def add_recovery(
    harness: ApiHarness, invoice: str, arm: str, *, paid: bool | None, currency: str = "EUR"
) -> None:
    """Stores a recovery that was recovered, lost, or is open."""
    at = NOW - timedelta(hours=1)
    end = {True: [event_of(EventType.PAID_ELSEWHERE)], False: [canceled_event()], None: []}[paid]
    rows = [
        failed_event(at, event_id=f"evt_{invoice}", currency=currency),
        event_of(EventType.FAILURE_CLASSIFIED),
        event_of(EventType.CUSTOMER_SEGMENTED, experiment="patience", arm=arm),
        event_of(EventType.RETRY_PLANNED),
        *end,
    ]
    async with harness.db.begin() as session:
        await event_log.append_to_log(session, blank_recovery(invoice), rows, at)


async def test_summary_sums_and_experiment_arms(harness: ApiHarness) -> None:
    for number, (arm, paid) in enumerate([("holdout", True), ("holdout", False), ("quick", True), ("quick", None)]):
        await add_recovery(harness, f"in_sum_{number}", arm, paid=paid)
    await add_recovery(harness, "in_sum_jpy", "quick", paid=False, currency="JPY")

    answer = (await harness.client.get(f"/v1/summary?{urlencode(LAST_DAY)}", headers=ALL_SCOPES)).json()
    assert answer["from"] < answer["to"]
    euro, yen = answer["currencies"]
    assert (euro["currency"], yen["currency"]) == ("EUR", "JPY")
    assert (euro["at_risk"], euro["recovered"], euro["lost"]) == (500, 1000, 500)
    assert (euro["open_count"], euro["recovered_count"], euro["lost_count"]) == (1, 2, 1)
    assert euro["recovery_rate"] == pytest.approx(2 / 3, abs=1e-5)
    assert yen["recovery_rate"] == 0
    for by in ("by_cause", "by_segment", "by_strategy"):
        assert sum(total["recovered"] for total in euro[by].values()) == 1000
    assert list(euro["by_cause"]) == ["GENERIC"]
    holdout, quick = euro["experiments"]
    assert (holdout["arm"], holdout["difference"]) == ("holdout", None)
    assert quick["recovery_rate"]["estimate"] == 1
    assert quick["difference"]["low"] < quick["difference"]["estimate"] == 0.5 < quick["difference"]["high"]


async def test_partial_late_and_returned_money_are_separate_figures(harness: ApiHarness) -> None:
    """In a currency that no other test here uses."""
    at, paid = NOW - timedelta(hours=1), event_of(EventType.PAID_ELSEWHERE)
    behind = [event_of(EventType.PAYMENT_REFUNDED, amount=120), event_of(EventType.PAYMENT_LATE, amount=400)]
    event = event_of(EventType.RETRY_SKIPPED, action="out_of_scope", reason="send_invoice")
    for number, (end, late) in enumerate(
        [(paid, behind[0]), (canceled_event(), behind[1]), (event, None), (None, None)]
    ):
        invoice = f"in_parts_{number}"
        opening = failed_event(at, event_id=f"evt_{invoice}", currency="NOK", customer_id=f"cus_{invoice}")
        rows = [opening, event_of(EventType.CUSTOMER_SEGMENTED, experiment="parts", arm="only"), part_payment(100, 400)]
        async with harness.db.begin() as session:
            await event_log.append_to_log(session, blank_recovery(invoice), [*rows, *([end] if end else [])], at)
            if late:
                await event_log.append_late(session, "stripe", invoice, late, at)
    answer = (await harness.client.get(f"/v1/summary?currency=NOK&{urlencode(LAST_DAY)}", headers=ALL_SCOPES)).json()
    (crowns,) = answer["currencies"]
    sums = {name: crowns[name] for name in ("recovered", "at_risk", "lost", "paid_late", "returned", "net")}
    assert sums == {"recovered": 800, "at_risk": 400, "lost": 400, "paid_late": 400, "returned": 120, "net": 1080}
    assert (crowns["open_count"], crowns["recovered_count"], crowns["lost_count"]) == (1, 1, 1)
    assert crowns["recovery_rate"] == pytest.approx(800 / 1200, abs=1e-6)
    (arm,) = crowns["experiments"]
    assert (arm["recovered_amount"], arm["returned_amount"], arm["net_amount"]) == (800, 120, 1080)
    body = (await harness.client.get("/v1/recoveries/stripe/in_parts_1", headers=ALL_SCOPES)).json()
    assert (body["amount"], body["paid"], body["paid_late"], body["returned"]) == (400, 100, 400, 0)


async def test_summary_is_filtered_by_currency_and_time(harness: ApiHarness) -> None:
    only = (await harness.client.get(f"/v1/summary?currency=jpy&{urlencode(LAST_DAY)}", headers=ALL_SCOPES)).json()
    assert [row["currency"] for row in only["currencies"]] == ["JPY"]
    before = {"from": "2020-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z"}
    assert (await harness.client.get(f"/v1/summary?{urlencode(before)}", headers=ALL_SCOPES)).json() == before | {
        "currencies": [],
        "network_fees": [],
    }


async def test_fees_of_the_networks_are_in_their_own_currency(harness: ApiHarness) -> None:
    at, card = NOW - timedelta(hours=2), {"fingerprint": "fp_sum", "network": "mastercard"}
    costing = event_of(EventType.FAILURE_CLASSIFIED, card=card, network_fee={"amount": 50, "currency": "usd"})
    skip = {"action": "refuse", "trigger": "manual", "network": card | {"fee": {"amount": 30, "currency": "USD"}}}
    rows = [failed_event(at, event_id="evt_fee"), costing, event_of(EventType.RETRY_SKIPPED, **skip)]
    async with harness.db.begin() as session:
        await event_log.append_to_log(session, blank_recovery("in_fee"), rows, at)
    around = urlencode(
        {"from": format_timestamp(at - timedelta(minutes=1)), "to": format_timestamp(NOW + timedelta(minutes=1))}
    )
    answer = (await harness.client.get(f"/v1/summary?{around}", headers=ALL_SCOPES)).json()
    assert answer["network_fees"] == [{"currency": "USD", "caused": 50, "avoided": 30}]


@pytest.mark.parametrize(
    "query",
    ["currency=euros", "from=yesterday", "to=2026-01-01T00:00:00", "from=1767225600", "to=0.5", "to=2026-01-01"],
)
async def test_invalid_query_is_refused(harness: ApiHarness, query: str) -> None:
    assert (await harness.client.get(f"/v1/summary?{query}", headers=ALL_SCOPES)).status_code == 422


async def test_summary_needs_a_key(harness: ApiHarness) -> None:
    assert (await harness.client.get("/v1/summary")).status_code == 401
