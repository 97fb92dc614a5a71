"""Every query of the admin console: timed by `benchmarks.admin_queries`, its plans checked by a test."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from core.classification.taxonomy import Category, Cause
from core.events import State
from db import cursors
from db.queries import (
    cards,
    charge_outcomes,
    dashboard,
    operator_events,
    recovery_rows,
    recovery_search,
    reviews,
    shadow,
    summary,
    webhooks,
)
from db.queries.recovery_search import Order, RecoveryFilters, Sort
from db.queries.webhooks import WebhookFilters
from db.repositories import operator_actions, recoveries
from db.repositories.inbox import WebhookOutcome
from db.session import Session

MIDDLE_RECOVERY: Final = text("""
    SELECT recovery_id, invoice_id, customer_id, amount, opened_at, updated_at FROM recovery
    WHERE opened_at >= (SELECT min(opened_at) + (max(opened_at) - min(opened_at)) * :share FROM recovery)
    ORDER BY opened_at LIMIT 1
""")
RANDOM_RECOVERIES: Final = text("""
    SELECT recovery_id, invoice_id, customer_id, amount, opened_at, updated_at FROM recovery
    ORDER BY random() LIMIT :most
""")
SUMMARY_GROUPINGS: Final = tuple(summary.DIMENSIONS)
OPEN_STATES: Final = (State.WAITING, State.IN_REVIEW, State.AWAITING_CUSTOMER)
OLDEST_FIRST: Final = Sort(descending=False)


class SampleRecoveries(NamedTuple):
    """The recoveries that the queries look for."""

    now: datetime
    old: dict[str, Any]
    """A recovery from the middle of the recorded period."""
    new: dict[str, Any]
    """One of the newest recoveries."""


QueryCase = Callable[[Session, SampleRecoveries], Awaitable[object]]


async def read_sample(session: Session, now: datetime) -> SampleRecoveries:
    """An old and a new recovery of a loaded database."""
    rows = [(await session.execute(MIDDLE_RECOVERY, {"share": share})).mappings().one() for share in (0.5, 0.999)]
    return SampleRecoveries(now, *(dict(row) for row in rows))


async def read_samples(session: Session, now: datetime, most: int) -> list[SampleRecoveries]:
    """Up to so many pairs of random recoveries of a loaded database."""
    rows = [dict(row) for row in (await session.execute(RANDOM_RECOVERIES, {"most": most + 1})).mappings()]
    return [SampleRecoveries(now, old, new) for old, new in pairwise(rows)]


def _list_case(sort: Sort = recovery_search.NEWEST, **filters: Any) -> QueryCase:
    return lambda session, _: recovery_search.search_recoveries(session, RecoveryFilters(**filters), sort)


def _list_case_about(**filters: Callable[[SampleRecoveries], Any]) -> QueryCase:
    def run_query(session: Session, about: SampleRecoveries) -> Awaitable[object]:
        return recovery_search.search_recoveries(
            session, RecoveryFilters(**{name: value(about) for name, value in filters.items()})
        )

    return run_query


def _deep_page_case(sort: Sort, way: str = "on") -> QueryCase:
    def run_query(session: Session, about: SampleRecoveries) -> Awaitable[object]:
        place = (about.old[sort.by], about.old["recovery_id"])
        return recovery_search.search_recoveries(
            session, RecoveryFilters(), sort, cursor=cursors.encode_cursor(way, sort.by.value, *place)
        )

    return run_query


def _webhooks_case(**filters: Any) -> QueryCase:
    return lambda session, _: webhooks.search_webhooks(session, WebhookFilters(**filters))


def _overview_case(days: int) -> QueryCase:
    """The dashboard's period: whole days, today included."""

    def run_query(session: Session, about: SampleRecoveries) -> Awaitable[object]:
        tomorrow = about.now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return dashboard.load_overview(session, tomorrow - timedelta(days=days), tomorrow)

    return run_query


def _health_case(hours: int) -> QueryCase:
    return lambda session, about: charge_outcomes.load_provider_health(
        session, about.now - timedelta(hours=hours), about.now
    )


LIST_CASES: Final[dict[str, QueryCase]] = {
    "first page": _list_case(),
    "deep page": _deep_page_case(recovery_search.NEWEST),
    "deep page, backwards": _deep_page_case(recovery_search.NEWEST, "back"),
    "deep page by amount": _deep_page_case(Sort(by=Order.AMOUNT)),
    "oldest first": _list_case(OLDEST_FIRST),
    "by next attempt": _list_case(Sort(by=Order.NEXT, descending=False)),
    "by amount": _list_case(Sort(by=Order.AMOUNT)),
    "by update": _list_case(Sort(by=Order.UPDATED)),
    "one open state": _list_case(states=(State.WAITING,)),
    "open states, oldest first": _list_case(OLDEST_FIRST, states=OPEN_STATES),
    "open states by amount": _list_case(Sort(by=Order.AMOUNT), states=OPEN_STATES),
    "open states by update, oldest first": _list_case(Sort(by=Order.UPDATED, descending=False), states=OPEN_STATES),
    "a final state": _list_case(states=(State.BLOCKED,)),
    "a rare cause": _list_case(cause=Cause.STOP_INSTRUCTION),
    "a category": _list_case(category=Category.SOFT_DECLINE),
    "a segment": _list_case(segment="default"),
    "a strategy nobody has": _list_case(strategy="payday"),
    "provider and currency": _list_case(provider="braintree", currency="jpy"),
    "an arm": _list_case(experiment="ladder", arm="later"),
    "amounts": _list_case(amount_min=30_000, amount_max=30_050, states=(State.RECOVERED,)),
    "next attempts": _list_case_about(
        next_attempt_from=lambda it: it.now, next_attempt_to=lambda it: it.now + timedelta(days=1)
    ),
    "opened on a day": _list_case_about(
        opened_from=lambda it: it.old["opened_at"], opened_to=lambda it: it.old["opened_at"] + timedelta(days=1)
    ),
    "a customer": _list_case_about(customer_id=lambda it: it.old["customer_id"]),
    "text: an invoice": _list_case_about(q=lambda it: it.old["invoice_id"].upper()),
    "text: beginning of an invoice": _list_case_about(q=lambda it: it.old["invoice_id"][:7]),
    "text: beginning of all": _list_case(q="in_"),
    "text: a customer": _list_case_about(q=lambda it: it.old["customer_id"]),
    "text: end of an invoice": _list_case_about(q=lambda it: it.old["invoice_id"][5:]),
    "text: end of one, by amount": lambda session, about: recovery_search.search_recoveries(
        session, RecoveryFilters(q=about.old["invoice_id"][5:]), Sort(by=Order.AMOUNT)
    ),
    "count, all": lambda session, _: recovery_search.count_matches(session, RecoveryFilters()),
    "count, open states": lambda session, _: recovery_search.count_matches(
        session, RecoveryFilters(states=OPEN_STATES)
    ),
    "names, a cause": lambda session, _: recovery_search.list_matches(session, RecoveryFilters(cause=Cause.FRAUD), 500),
    "detail: the row": lambda session, about: recoveries.load_recovery_row(session, about.new["recovery_id"]),
    "detail: its log": lambda session, about: recovery_rows.load_rows(session, about.new["recovery_id"]),
    "reviews": lambda session, _: reviews.load_review_queue(session),
    "reviews, how many": lambda session, _: reviews.count_reviews(session),
    "inbox": _webhooks_case(),
    "inbox: provider and outcome": _webhooks_case(provider="adyen", outcome=WebhookOutcome.ACCEPTED),
    "inbox: ignored ones": _webhooks_case(outcome=WebhookOutcome.IGNORED),
    "inbox: a type": _webhooks_case(event_type="invoice.payment_failed"),
    "inbox: undelivered": _webhooks_case(undelivered=True),
    "inbox: of a recovery": lambda session, about: webhooks.search_webhooks(
        session, WebhookFilters(recovery_id=about.new["recovery_id"])
    ),
    "inbox: types": lambda session, _: webhooks.list_event_types(session),
    "cards": lambda session, _: cards.search_cards(session),
    "cards: a fingerprint": lambda session, _: cards.search_cards(session, q="card_00000000"),
    "audit": lambda session, _: operator_events.load_operator_events(session),
    "audit: one person": lambda session, _: operator_events.load_operator_events(session, actor="ann@example.com"),
    "audit: nobody": lambda session, _: operator_events.load_operator_events(session, actor="nobody"),
    "audit: outside of recoveries": lambda session, _: operator_actions.load_entries(session),
    "text: no match": _list_case(q="nowhere"),
    "count, no match": lambda session, _: recovery_search.count_matches(session, RecoveryFilters(q="nowhere")),
    "shadow plans, 30 days": lambda session, about: shadow.compare_plans(
        session, about.now - timedelta(days=30), about.now
    ),
    "shadow totals, 7 days": lambda session, about: shadow.shadow_totals(
        session, about.now - timedelta(days=7), about.now
    ),
}
"""Queries of lists and details by name; each must keep below LIST_MARK."""
DASHBOARD_CASES: Final[dict[str, QueryCase]] = {
    "dashboard, 30 days": _overview_case(30),
    "dashboard, 90 days": _overview_case(90),
    "dashboard, a year": _overview_case(365),
    "summary, 30 days": lambda session, about: summary.load_sums_by_currency(
        session, SUMMARY_GROUPINGS, about.now - timedelta(days=30), about.now
    ),
    "provider health, an hour": _health_case(1),
    "provider health, a day": _health_case(24),
}
