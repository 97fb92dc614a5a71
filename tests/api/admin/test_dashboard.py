"""The dashboard: money failed, lost and still open, with the sums of /v1/summary."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from core.events import EventType
from db.repositories import event_log
from tests.api.admin.console import AdminBrowser
from tests.api.harness import ALL_SCOPES
from tests.db.recovery_events import NOW, blank_recovery, canceled_event, event_of, failed_event


@pytest.fixture(scope="module")
def currency() -> str:
    """A currency that no other test uses."""
    return "SEK"


async def add_recovery(console: AdminBrowser, invoice: str, currency: str, amount: int, paid: bool | None) -> None:
    """Stores a recovery of the last hours that was recovered, lost, or is open."""
    at = NOW - timedelta(hours=5)
    end = {True: [event_of(EventType.PAID_ELSEWHERE)], False: [canceled_event()], None: []}[paid]
    rows = [
        failed_event(at, event_id=f"evt_{invoice}", currency=currency, amount=amount),
        event_of(EventType.FAILURE_CLASSIFIED),
        event_of(EventType.CUSTOMER_SEGMENTED, experiment="patience", arm="quick"),
        event_of(EventType.RETRY_PLANNED),
        *end,
    ]
    async with console.harness.db.begin() as session:
        await event_log.append_to_log(session, blank_recovery(invoice), rows, at)


async def test_dashboard_agrees_with_the_summary(console: AdminBrowser, currency: str) -> None:
    for number, (amount, paid) in enumerate([(123_456, True), (10_001, False), (5_000, None), (70_000, True)]):
        await add_recovery(console, f"in_board_{number}", currency, amount, paid)
    page = await console.sign_in_as().get_page("/", **_query_for(currency))
    assert page.status == 200
    query = urlencode({"currency": currency, "from": "2020-01-01T00:00:00Z"})
    summary = (await console.harness.client.get(f"/v1/summary?{query}", headers=ALL_SCOPES)).json()["currencies"][0]
    assert (summary["recovered"], summary["lost"], summary["at_risk"]) == (193_456, 10_001, 5_000)
    for words in ("1,934.56 SEK", "100.01 SEK", "50.00 SEK"):
        assert words in page.text
    assert f"{summary['recovery_rate']:.1%}" in page.text
    assert "66.7% by count" in page.text


async def test_returned_money_reduces_the_net_amount(console: AdminBrowser) -> None:
    currency, at = "PLN", NOW - timedelta(hours=5)
    paid, back = event_of(EventType.PAID_ELSEWHERE), event_of(EventType.PAYMENT_REFUNDED, amount=30_000)
    async with console.harness.db.begin() as session:
        opening = failed_event(at, event_id="evt_board_net", currency=currency, amount=100_000)
        await event_log.append_to_log(session, blank_recovery("in_board_net"), [opening, paid], at)
        await event_log.append_late(session, "stripe", "in_board_net", back, at)
    text = (await console.sign_in_as().get_page("/", **_query_for(currency))).text
    for words in ("1,000.00 PLN", "700.00 PLN", "0.00 PLN came late, 300.00 PLN went back", "700.00 PLN net"):
        assert words in text


async def test_every_tile_explains_its_figure(console: AdminBrowser, currency: str) -> None:
    page = await console.sign_in_as().get_page("/", **_query_for(currency))
    for words in ("it may still come in", "Recovered ÷ (recovered + lost)", "exhausted, blocked or canceled"):
        assert words in page.text


async def test_dashboard_shows_partial_payments_funnel_and_arms(console: AdminBrowser, currency: str) -> None:
    page = await console.sign_in_as().get_page("/", **_query_for(currency))
    for words in (
        "By cause",
        "By segment",
        "By strategy",
        "By the attempt that won",
        "Paid elsewhere",
        "Patience: Quick",
    ):
        assert words in page.text
    assert "From failed to recovered" in page.text


async def test_empty_period_is_shown_as_such(console: AdminBrowser) -> None:
    page = await console.sign_in_as().get_page("/", **{"from": "2020-01-01", "to": "2020-01-31"})
    assert "Nothing failed in these days" in page.text


@pytest.mark.parametrize(
    "days", [{"from": "yesterday"}, {"from": "2026-02-01", "to": "2026-01-01"}, {"from": "1990-01-01"}]
)
async def test_invalid_periods_are_refused(console: AdminBrowser, days: dict[str, str]) -> None:
    page = await console.sign_in_as().get_page("/", **days)
    assert page.status == 422


def _query_for(currency: str) -> dict[str, str]:
    first, last = (NOW + timedelta(days=days) for days in (-2, 2))
    return {"from": f"{first:%Y-%m-%d}", "to": f"{last:%Y-%m-%d}", "currency": currency}
