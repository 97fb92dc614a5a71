"""The admin console's lists: filters, orders, pages in both directions, and search inside ids."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.classification.taxonomy import Category, Cause
from core.errors import InvalidInput
from core.events import Event, EventType, State, format_timestamp
from core.recovery import machine
from db.queries import cards, charge_outcomes, operator_events, recovery_search, reviews, webhooks
from db.queries.recovery_search import Order, RecoveryFilters, Sort
from db.queries.webhooks import WebhookFilters
from db.repositories import event_log, inbox
from db.repositories.inbox import WebhookOutcome
from db.repositories.new_webhooks import NewWebhook, insert_webhooks
from db.session import Database
from tests.db.recovery_events import NOW, blank_recovery, canceled_event, event_of, failed_event

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
CROWD_SIZE = 23


async def put_recovery(
    database: Database, name: str, *events: Event, provider: str = "stripe", now: datetime = NOW
) -> str:
    """The id of a recovery with these events in its log."""
    recovery = blank_recovery(name, provider)
    async with database.begin() as session:
        for event in events:
            recovery = machine.fold_records(
                recovery, await event_log.append_to_log(session, recovery, [event], now, now)
            )
    return recovery.recovery_id


def planned_event(at: datetime) -> Event:
    return event_of(EventType.RETRY_PLANNED, at=format_timestamp(at))


DECIDED = (
    event_of(EventType.FAILURE_CLASSIFIED),
    event_of(EventType.CUSTOMER_SEGMENTED),
    event_of(EventType.FRAUD_ASSESSED),
)


@pytest.fixture(scope="module")
async def crowd(database: Database) -> list[dict[str, Any]]:
    """Many recoveries, some with equal times, amounts or due times."""
    for number in range(CROWD_SIZE):
        first = failed_event(
            at=NOW - DAY * (number // 3), amount=100 * (number // 2), customer_id=f"cus_Crowd{number % 5}"
        )
        more = (*DECIDED, planned_event(NOW + HOUR * (1 + number // 4))) if number % 2 else ()
        await put_recovery(database, f"in_crowd_{number:02}", first, *more, now=NOW + SECOND * (number // 2))
    await put_recovery(
        database,
        "in_crowd_paid",
        failed_event(currency="usd", customer_id="cus_Other"),
        *DECIDED,
        planned_event(NOW),
        event_of(EventType.PAID_ELSEWHERE, source="read"),
    )
    await put_recovery(
        database, "in_crowd_off", failed_event(customer_id="cus_Other"), canceled_event(), provider="adyen"
    )
    return await matching_rows(database)


async def matching_rows(
    database: Database, sort: Sort = recovery_search.NEWEST, **filters: Any
) -> list[dict[str, Any]]:
    async with database.begin() as session:
        return [row async for row in recovery_search.stream_matches(session, RecoveryFilters(**filters), sort)]


async def fetch_page(database: Database, cursor: str | None = None, sort: Sort = recovery_search.NEWEST, limit: int = 4,
               **filters: Any) -> recovery_search.RecoveryPage:  # fmt: skip
    async with database.begin() as session:
        return await recovery_search.search_recoveries(session, RecoveryFilters(**filters), sort, limit, cursor)


def ids_of(rows: Any) -> list[str]:
    return [row["recovery_id"] for row in rows]


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("by", Order)
async def test_pages_hold_every_row_once_in_order_both_ways(
    database: Database, crowd: list[dict[str, Any]], by: Order, descending: bool
) -> None:
    sort = Sort(by=by, descending=descending)
    rows = [row for row in crowd if row[by] is not None] if by is Order.NEXT else crowd
    expected = sorted(rows, key=lambda row: (row[by], row["recovery_id"]), reverse=descending)
    pages = [await fetch_page(database, sort=sort)]
    while pages[-1].next_cursor:
        pages.append(await fetch_page(database, pages[-1].next_cursor, sort))
    assert [name for page in pages for name in ids_of(page.items)] == ids_of(expected)
    assert ids_of(await matching_rows(database, sort)) == ids_of(expected)
    backwards = [pages[-1]]
    while backwards[-1].previous_cursor:
        backwards.append(await fetch_page(database, backwards[-1].previous_cursor, sort))
    assert [name for page in reversed(backwards) for name in ids_of(page.items)] == ids_of(expected)
    again = await fetch_page(database, backwards[-1].next_cursor, sort)
    assert ids_of(again.items) == ids_of(expected)[len(backwards[-1].items) :][:4]


FILTERS: list[tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]] = [
    ({"states": (State.WAITING,)}, lambda row: row["state"] == "waiting"),
    ({"states": (State.WAITING, State.CANCELED)}, lambda row: row["state"] in {"waiting", "canceled"}),
    ({"states": (State.WAITING, State.RECEIVED)}, lambda row: row["state"] in {"waiting", "received"}),
    ({"cause": Cause.GENERIC}, lambda row: row["cause"] == "GENERIC"),
    ({"category": Category.SOFT_DECLINE}, lambda row: row["category"] == "SOFT_DECLINE"),
    ({"segment": "default"}, lambda row: row["segment"] == "default"),
    ({"strategy": "fixed_ladder"}, lambda row: row["strategy"] == "fixed_ladder"),
    ({"provider": "adyen"}, lambda row: row["provider"] == "adyen"),
    ({"currency": "USD"}, lambda row: row["currency"] == "usd"),
    ({"amount_min": 200, "amount_max": 300}, lambda row: 200 <= row["amount"] <= 300),
    ({"opened_from": NOW - 3 * DAY, "opened_to": NOW - DAY}, lambda row: NOW - 3 * DAY <= row["opened_at"] < NOW - DAY),
    ({"next_attempt_from": NOW + 2 * HOUR, "next_attempt_to": NOW + 3 * HOUR},
     lambda row: row["next_attempt_at"] == NOW + 2 * HOUR),
    ({"customer_id": "cus_Crowd1"}, lambda row: row["customer_id"] == "cus_Crowd1"),
    ({"q": "IN_CROWD_1"}, lambda row: row["invoice_id"].startswith("in_crowd_1")),
    ({"q": "cus_crowd4"}, lambda row: row["customer_id"] == "cus_Crowd4"),
    ({"q": "rowd_1"}, lambda row: "rowd_1" in row["invoice_id"]),
    ({"q": "OWD_11"}, lambda row: row["invoice_id"] == "in_crowd_11"),
    ({"q": "owd2"}, lambda row: row["customer_id"] == "cus_Crowd2"),
    ({"q": "_1"}, lambda row: "_1" in row["invoice_id"]),
    ({"q": "_crowd_%"}, lambda _: False),
    ({"q": "other", "provider": "adyen"}, lambda row: row["provider"] == "adyen"),
    ({"experiment": "none", "arm": "none"}, lambda _: False),
]  # fmt: skip


@pytest.mark.parametrize(("filters", "fits"), FILTERS, ids=lambda value: str(value) if isinstance(value, dict) else "")
async def test_recovery_search_filters(
    database: Database, crowd: list[dict[str, Any]], filters: Any, fits: Any
) -> None:
    expected = ids_of(row for row in crowd if fits(row))
    assert ids_of((await fetch_page(database, limit=100, **filters)).items) == expected
    assert ids_of(await matching_rows(database, **filters)) == expected
    async with database.begin() as session:
        assert await recovery_search.count_matches(session, RecoveryFilters(**filters)) == recovery_search.MatchCount(
            count=len(expected), more=False
        )
        assert ids_of(await recovery_search.list_matches(session, RecoveryFilters(**filters))) == expected


async def test_count_stops_at_its_limit(database: Database, crowd: list[dict[str, Any]]) -> None:
    async with database.begin() as session:
        assert await recovery_search.count_matches(session, RecoveryFilters(), 5) == recovery_search.MatchCount(
            count=5, more=True
        )
        assert await recovery_search.count_matches(
            session, RecoveryFilters(), len(crowd)
        ) == recovery_search.MatchCount(count=len(crowd), more=False)


async def test_search_inside_of_ids_is_bounded_and_continues(
    database: Database, crowd: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery_search, "WINDOW", 7)
    expected = ids_of(row for row in crowd if "wd_1" in row["invoice_id"])
    pages = [await fetch_page(database, q="wd_1", limit=2)]
    while pages[-1].next_cursor:
        assert len(pages) < 20
        pages.append(await fetch_page(database, pages[-1].next_cursor, q="wd_1", limit=2))
    assert any(page.looked_through == 7 for page in pages)
    assert [name for page in pages for name in ids_of(page.items)] == expected
    async with database.begin() as session:
        assert (await recovery_search.count_matches(session, RecoveryFilters(q="wd_1"))).more


@pytest.mark.parametrize("cursor", ["x", "W10", "WyJvbiIsIm9wZW5lZF9hdCIsIngiLCJhIl0", "WyJvbiIsImFtb3VudCIsMSwiYSJd"])
async def test_a_cursor_of_another_list_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        await fetch_page(database, cursor)


async def test_reviews_are_ordered_by_deadline_with_their_findings(database: Database) -> None:
    for number, hours in enumerate((5, 2, 9)):
        skipped = event_of(
            EventType.RETRY_SKIPPED, action="review", reason="fraud", until=format_timestamp(NOW + hours * HOUR)
        )
        assessed = event_of(EventType.FRAUD_ASSESSED, level="review", score=70, reasons=[f"why {number}"])
        await put_recovery(database, f"in_review_{number}", failed_event(), *DECIDED[:2], assessed, skipped)
    async with database.begin() as session:
        first = await reviews.load_review_queue(session, 2)
        second = await reviews.load_review_queue(session, 2, first.next_cursor)
        assert await reviews.count_reviews(session) == 3
    rows = (*first.items, *second.items)
    assert [row["invoice_id"] for row in rows] == ["in_review_1", "in_review_0", "in_review_2"]
    assert [row["assessment"]["reasons"] for row in rows] == [["why 1"], ["why 0"], ["why 2"]]
    assert {row["decision"]["reason"] for row in rows} == {"fraud"}
    assert second.next_cursor is None


async def test_inbox_is_listed_newest_first_filtered_and_read_with_body(database: Database) -> None:
    async with database.begin() as session:
        for number in range(5):
            provider, kind = "stripe" if number else "adyen", f"type.{number % 2}"
            new = NewWebhook(provider, f"evt_{number}", kind, NOW + SECOND * number, b"{}")
            await insert_webhooks(session, [new])
        await inbox.conclude_delivery(session, "stripe", "evt_3", WebhookOutcome.IGNORED, NOW, reason="test")
        await inbox.conclude_delivery(
            session, "stripe", "evt_2", WebhookOutcome.ACCEPTED, NOW, recovery_id="recovery-x"
        )

    async def matching_events(**filters: Any) -> list[str]:
        async with database.begin() as session:
            page = await webhooks.search_webhooks(session, WebhookFilters(**filters), 2)
            more = (
                await webhooks.search_webhooks(session, WebhookFilters(**filters), 9, page.next_cursor)
                if page.next_cursor
                else None
            )
        return [row["event_id"] for row in (*page.items, *(more.items if more else ()))]

    assert await matching_events() == [f"evt_{number}" for number in (4, 3, 2, 1, 0)]
    assert await matching_events(provider="adyen") == ["evt_0"]
    assert await matching_events(outcome=WebhookOutcome.IGNORED) == ["evt_3"]
    assert await matching_events(undelivered=True) == ["evt_4", "evt_1", "evt_0"]
    assert await matching_events(event_type="type.1") == ["evt_3", "evt_1"]
    assert await matching_events(recovery_id="recovery-x") == ["evt_2"]
    async with database.begin() as session:
        row = await webhooks.load_webhook_row(session, "stripe", "evt_3")
        assert await webhooks.load_webhook_row(session, "stripe", "evt_x") is None
        assert await webhooks.list_event_types(session) == ["type.0", "type.1"]
    assert row is not None
    assert (row["body"], row["outcome"], row["reason"]) == (b"{}", "ignored", "test")


async def test_cards_are_listed_once_by_newest_try(database: Database) -> None:
    def charge_requested(card: str, at: datetime, attempt: int) -> Event:
        data = {"trigger": "scheduled", "idempotency_key": f"{card}{attempt}", "amount": 500, "currency": "EUR"}
        return Event(
            type=EventType.CHARGE_REQUESTED, occurred_at=at, attempt=attempt, data=data | {"fingerprint": card}
        )

    declined = event_of(EventType.CHARGE_DECLINED)
    await put_recovery(
        database,
        "in_card_a",
        failed_event(),
        *DECIDED,
        charge_requested("fpA", NOW, 1),
        declined,
        charge_requested("fpB", NOW + HOUR, 2),
        declined,
        charge_requested("fpA", NOW + 2 * HOUR, 3),
    )
    async with database.begin() as session:
        first = await cards.search_cards(session, limit=1)
        second = await cards.search_cards(session, limit=1, cursor=first.next_cursor)
        page = await cards.search_cards(session, q="fpB", provider="stripe")
        assert (await cards.search_cards(session, q="fp_")).items == ()
    assert [card.fingerprint for card in (*first.items, *second.items)] == ["fpA", "fpB"]
    assert [(card.fingerprint, card.outcome) for card in page.items] == [("fpB", "declined")]
    assert second.next_cursor is None


async def test_operator_events_over_all_recoveries(database: Database) -> None:
    ann, ben = ({"actor": name, "reason": "asked"} for name in ("ann@example.com", "ben@example.com"))
    later = datetime(2027, 1, 1, tzinfo=UTC)
    await put_recovery(
        database, "in_audit_1", failed_event(at=later - 40 * DAY), event_of(EventType.PAUSED, **ann), now=later
    )
    await put_recovery(
        database,
        "in_audit_2",
        failed_event(at=later),
        event_of(EventType.PAUSED, **ben),
        event_of(EventType.RESUMED, **ann),
        now=later + HOUR,
    )
    async with database.begin() as session:
        first = await operator_events.load_operator_events(session, since=later, limit=2)
        second = await operator_events.load_operator_events(session, since=later, limit=2, cursor=first.next_cursor)
        later_events = await operator_events.load_operator_events(session, actor="ann@example.com", since=later)
    rows = [(row["invoice_id"], row["type"]) for row in (*first.items, *second.items)]
    resumed, paused = "operator.resumed", "operator.paused"
    assert rows == [("in_audit_2", resumed), ("in_audit_2", paused), ("in_audit_1", paused)]
    assert [row["invoice_id"] for row in later_events.items] == ["in_audit_2", "in_audit_1"]


async def test_recent_charge_outcomes_by_provider(database: Database) -> None:
    then = datetime(2027, 2, 1, tzinfo=UTC)
    requested = event_of(EventType.CHARGE_REQUESTED)
    for number, answer in enumerate((EventType.CHARGE_SUCCEEDED, EventType.CHARGE_DECLINED, EventType.CHARGE_UNKNOWN)):
        name = f"in_health_{number}"
        await put_recovery(database, name, failed_event(at=then), *DECIDED, requested, now=then)
        recovery = blank_recovery(name)
        async with database.begin() as session:
            recovery = machine.fold_records(recovery, await event_log.load_records(session, recovery.recovery_id))
            await event_log.append_to_log(session, recovery, [event_of(answer)], then + 2 * SECOND, then + 2 * SECOND)
    async with database.begin() as session:
        (health,) = await charge_outcomes.load_provider_health(session, then, then + HOUR)
        assert await charge_outcomes.load_provider_health(session, then - HOUR, then) == []
    assert (health.provider, health.succeeded, health.declined, health.unknown) == ("stripe", 1, 1, 1)
    assert health.median_seconds == 2
