"""Every question that the desk asks of the database: timed by `benchmarks.desk`, its plans checked by a test."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from core.classifier.taxonomy import Category, Cause
from core.events import State
from db import cursors
from db.repositories import (
    cards,
    dashboard,
    desk,
    event_log,
    operators,
    provider_health,
    recoveries,
    reviews,
    shadow,
    summary,
    webhooks,
)
from db.repositories.desk import DeskFilters, Order, Sort
from db.repositories.inbox import Outcome
from db.repositories.webhooks import WebhookFilters
from db.session import Session

MIDDLE: Final = text("""
    SELECT recovery_id, invoice_id, customer_id, amount, opened_at, updated_at FROM recovery
    WHERE opened_at >= (SELECT min(opened_at) + (max(opened_at) - min(opened_at)) * :share FROM recovery)
    ORDER BY opened_at LIMIT 1
""")
OPEN: Final = (State.WAITING, State.IN_REVIEW, State.AWAITING_CUSTOMER)
OLDEST: Final = Sort(descending=False)


class Sample(NamedTuple):
    """What the questions are asked about."""

    now: datetime
    old: dict[str, Any]
    """A recovery from the middle of the time."""
    new: dict[str, Any]
    """One of the newest."""


Case = Callable[[Session, Sample], Awaitable[object]]


async def sample(session: Session, now: datetime) -> Sample:
    """Two recoveries out of a loaded database."""
    rows = [(await session.execute(MIDDLE, {"share": share})).mappings().one() for share in (0.5, 0.999)]
    return Sample(now, *(dict(row) for row in rows))


def _list(sort: Sort = desk.NEWEST, **filters: Any) -> Case:
    return lambda session, _: desk.find(session, DeskFilters(**filters), sort)


def _about(**filters: Callable[[Sample], Any]) -> Case:
    def asked(session: Session, about: Sample) -> Awaitable[object]:
        return desk.find(session, DeskFilters(**{name: value(about) for name, value in filters.items()}))

    return asked


def _deep(sort: Sort, way: str = "on") -> Case:
    def asked(session: Session, about: Sample) -> Awaitable[object]:
        place = (about.old[sort.by], about.old["recovery_id"])
        return desk.find(session, DeskFilters(), sort, cursor=cursors.cursor(way, sort.by.value, *place))

    return asked


def _webhooks(**filters: Any) -> Case:
    return lambda session, _: webhooks.find(session, WebhookFilters(**filters))


def _overview(days: int) -> Case:
    return lambda session, about: dashboard.overview(session, about.now - timedelta(days=days), about.now)


def _health(hours: int) -> Case:
    return lambda session, about: provider_health.provider_health(
        session, about.now - timedelta(hours=hours), about.now
    )


LISTS: Final[dict[str, Case]] = {
    "first page": _list(),
    "deep page": _deep(desk.NEWEST),
    "deep page, backwards": _deep(desk.NEWEST, "back"),
    "deep page by amount": _deep(Sort(by=Order.AMOUNT)),
    "oldest first": _list(OLDEST),
    "by next attempt": _list(Sort(by=Order.NEXT, descending=False)),
    "by amount": _list(Sort(by=Order.AMOUNT)),
    "by update": _list(Sort(by=Order.UPDATED)),
    "one open state": _list(states=(State.WAITING,)),
    "open states, oldest first": _list(OLDEST, states=OPEN),
    "open states by amount": _list(Sort(by=Order.AMOUNT), states=OPEN),
    "open states by update, oldest first": _list(Sort(by=Order.UPDATED, descending=False), states=OPEN),
    "a final state": _list(states=(State.BLOCKED,)),
    "a rare cause": _list(cause=Cause.STOP_INSTRUCTION),
    "a category": _list(category=Category.SOFT_DECLINE),
    "a segment": _list(segment="default"),
    "a strategy nobody has": _list(strategy="payday"),
    "provider and currency": _list(provider="braintree", currency="jpy"),
    "an arm": _list(experiment="ladder", arm="later"),
    "amounts": _list(amount_min=30_000, amount_max=30_050, states=(State.RECOVERED,)),
    "next attempts": _about(next_attempt_from=lambda it: it.now, next_attempt_to=lambda it: it.now + timedelta(days=1)),
    "opened on a day": _about(opened_from=lambda it: it.old["opened_at"],
                              opened_to=lambda it: it.old["opened_at"] + timedelta(days=1)),
    "a customer": _about(customer_id=lambda it: it.old["customer_id"]),
    "text: an invoice": _about(q=lambda it: it.old["invoice_id"].upper()),
    "text: beginning of an invoice": _about(q=lambda it: it.old["invoice_id"][:7]),
    "text: beginning of all": _list(q="in_"),
    "text: a customer": _about(q=lambda it: it.old["customer_id"]),
    "text: end of an invoice": _about(q=lambda it: it.old["invoice_id"][5:]),
    "text: end of one, by amount": lambda session, about: desk.find(
        session, DeskFilters(q=about.old["invoice_id"][5:]), Sort(by=Order.AMOUNT)
    ),
    "count, all": lambda session, _: desk.count(session, DeskFilters()),
    "count, open states": lambda session, _: desk.count(session, DeskFilters(states=OPEN)),
    "names, a cause": lambda session, _: desk.names(session, DeskFilters(cause=Cause.FRAUD), 500),
    "detail: the row": lambda session, about: recoveries.get(session, about.new["recovery_id"]),
    "detail: its log": lambda session, about: event_log.rows(session, about.new["recovery_id"]),
    "detail: its shadow plans": lambda session, about: shadow.of_recovery(session, about.new["recovery_id"]),
    "reviews": lambda session, _: reviews.queue(session),
    "reviews, how many": lambda session, _: reviews.waiting(session),
    "inbox": _webhooks(),
    "inbox: provider and outcome": _webhooks(provider="adyen", outcome=Outcome.ACCEPTED),
    "inbox: ignored ones": _webhooks(outcome=Outcome.IGNORED),
    "inbox: a type": _webhooks(event_type="invoice.payment_failed"),
    "inbox: undelivered": _webhooks(undelivered=True),
    "inbox: of a recovery": lambda session, about: webhooks.find(
        session, WebhookFilters(recovery_id=about.new["recovery_id"])
    ),
    "inbox: types": lambda session, _: webhooks.event_types(session),
    "cards": lambda session, _: cards.find(session),
    "cards: a fingerprint": lambda session, _: cards.find(session, q="card_00000000"),
    "audit": lambda session, _: operators.actions(session),
    "audit: one person": lambda session, _: operators.actions(session, actor="ann@example.com"),
    "audit: nobody": lambda session, _: operators.actions(session, actor="nobody"),
    "shadow totals, 7 days": lambda session, about: shadow.totals(session, about.now - timedelta(days=7), about.now),
}  # fmt: skip
"""Below MARK_MILLISECONDS each."""
DASHBOARDS: Final[dict[str, Case]] = {
    "dashboard, 30 days": _overview(30),
    "dashboard, 90 days": _overview(90),
    "dashboard, a year": _overview(365),
    "summary, 30 days": lambda session, about: summary.sums(
        session, ("currency",), about.now - timedelta(days=30), about.now
    ),
    "provider health, an hour": _health(1),
    "provider health, a day": _health(24),
}
