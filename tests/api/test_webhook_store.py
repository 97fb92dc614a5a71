"""Webhooks that share a commit: one statement, each request its own answer, whole bodies, no bad neighbour."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import event, text

from api.background import Background
from api.webhook_store import LARGEST_SHARED, ReceivedBody, StoredEvent, WebhookStore
from catalog import PolicyFile
from core.errors import InvalidInput, StoreUnavailable
from core.payments import EventKind, ProviderEvent
from db.repositories import contacts, inbox, new_webhooks
from db.repositories.new_webhooks import NewWebhook
from db.session import Database, Session
from intake.customer_ids import CustomerIds
from tests.api.harness import app_now, keyless_settings
from tests.intake.fakes import failure_event, unique_id


def open_store(database: Database, background: Background) -> WebhookStore:
    policy = PolicyFile(keyless_settings().policy_file)
    return WebhookStore(background, database, CustomerIds((b"k" * 32,), app_now), policy.current_policy)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[WebhookStore]:
    background = Background()
    yield open_store(database, background)
    await background.close(timedelta())


def body_of(*events: ProviderEvent, size: int = 0) -> ReceivedBody:
    return ReceivedBody(events, (), b"{}" + b" " * size, app_now())


def failed(**changes: Any) -> ProviderEvent:
    return failure_event(unique_id("in")).model_copy(update={"event_id": unique_id("evt_shared"), **changes})


async def store_all(store: WebhookStore, *bodies: ReceivedBody) -> list[list[StoredEvent]]:
    return await asyncio.gather(*(store.store(body) for body in bodies))


async def load_row(database: Database, stored: ProviderEvent) -> inbox.StoredWebhook | None:
    async with database.begin() as session:
        return await inbox.load_webhook(session, stored.provider, stored.event_id)


@contextmanager
def counted_commits(database: Database) -> Iterator[list[str]]:
    """One entry for each transaction of the block."""
    commits: list[str] = []

    def note(_: Any) -> None:
        commits.append("commit")

    event.listen(database.engine.sync_engine, "commit", note)
    yield commits
    event.remove(database.engine.sync_engine, "commit", note)


async def test_webhooks_that_arrive_together_share_a_commit(store: WebhookStore, database: Database) -> None:
    events = [failed() for _ in range(20)]
    with counted_commits(database) as commits:
        stored = await store_all(store, *map(body_of, events))
    assert [one.is_new for (one,) in stored] == [True] * 20
    assert len(commits) == 1
    assert all([await load_row(database, one) for one in events])


async def test_two_copies_in_one_commit_are_one_row(store: WebhookStore, database: Database) -> None:
    first = failed()
    second = failed(event_id=first.event_id)
    stored = await store_all(store, body_of(first), body_of(second))
    assert [one.is_new for (one,) in stored] == [True, False]
    row = await load_row(database, first)
    assert row
    assert row.invoice_id == first.invoice_id, "the first one's"


async def test_each_has_its_own_outcome(store: WebhookStore, database: Database) -> None:
    taken, ignored, known = failed(), failed(kind=EventKind.OTHER, detail="of no use"), failed()
    await store.store(body_of(known))
    stored = await store_all(store, *map(body_of, (taken, ignored, known)))
    assert [(one.is_new, one.delivery and one.delivery.reason) for (one,) in stored] == [
        (True, None), (True, "of no use"), (False, None),
    ]  # fmt: skip
    row = await load_row(database, ignored)
    assert row
    assert (row.outcome, row.reason, row.delivered_at) == ("ignored", "of no use", row.received_at)
    waiting = await load_row(database, taken)
    assert waiting
    assert (waiting.outcome, waiting.delivered_at) == (None, None)
    assert waiting.next_try_at == waiting.received_at + inbox.HEAD_START


async def test_a_bad_row_does_not_fail_its_neighbours(store: WebhookStore, database: Database) -> None:
    """jsonb can't hold it (`db.chain.to_json_value`)."""
    good, bad, other = failed(), failed(amount=10**1001), failed()
    answers = await asyncio.gather(*(store.store(body_of(one)) for one in (good, bad, other)), return_exceptions=True)
    assert isinstance(answers[1], InvalidInput)
    assert [await load_row(database, one) is not None for one in (good, bad, other)] == [True, False, True]


class FailingSession:
    """A session whose statement fails after it has written its rows."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def exec_driver_sql(self, statement: str, parameters: tuple[Any, ...]) -> Any:
        """Runs it with an answer that can't be calculated."""
        return await self._session.exec_driver_sql(f"{statement}, 1 / (length(event_id) * 0)", parameters)


@contextmanager
def failing_inserts(monkeypatch: pytest.MonkeyPatch, fails: Sequence[bool]) -> Iterator[list[int]]:
    """After the rows of a transaction are written, the database fails, if so planned; yields how many rows each had."""
    insert, sizes, plan = new_webhooks.insert_webhooks, list[int](), iter(fails)

    async def insert_and_fail(session: Session, webhooks: Sequence[NewWebhook]) -> list[bool]:
        sizes.append(len(webhooks))
        return await insert(cast("Session", FailingSession(session)) if next(plan, False) else session, webhooks)

    with monkeypatch.context() as patched:
        patched.setattr(new_webhooks, "insert_webhooks", insert_and_fail)
        yield sizes


async def test_an_error_in_the_middle_of_a_shared_transaction_loses_nothing(
    store: WebhookStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [failed() for _ in range(5)]
    with failing_inserts(monkeypatch, [True]) as sizes:
        stored = await store_all(store, *map(body_of, events))
    assert sizes == [5, 1, 1, 1, 1, 1]
    assert [one.is_new for (one,) in stored] == [True] * 5, "what was rolled back is no duplicate"
    assert all([await load_row(database, one) for one in events])


async def test_who_fails_alone_too_is_told_so(
    store: WebhookStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [failed() for _ in range(3)]
    with failing_inserts(monkeypatch, [True, True]):
        answers = await asyncio.gather(*(store.store(body_of(one)) for one in events), return_exceptions=True)
    rows = [await load_row(database, one) for one in events]
    failures = [isinstance(answer, Exception) for answer in answers]
    assert failures.count(True) == 1
    assert [row is None for row in rows] == failures, "who is told of a failure, and only they, have no row"


async def test_a_locked_row_does_not_fail_its_neighbours(store: WebhookStore, database: Database) -> None:
    """Another process stores the same event and does not end its transaction."""
    locked, other = failed(), failed()
    async with database.begin() as session:
        new = NewWebhook("stripe", locked.event_id, "t", app_now(), b"{}", locked)
        assert await new_webhooks.insert_webhooks(session, [new])
        answers = await asyncio.gather(
            store.store(body_of(locked)), store.store(body_of(other)), return_exceptions=True
        )
        assert isinstance(answers[0], StoreUnavailable)
        assert answers[1] == [StoredEvent(other, is_new=True, delivery=None)]


async def test_processes_that_store_the_same_events_do_not_deadlock(store: WebhookStore, database: Database) -> None:
    """Each writes in the order of the keys, whatever the order of arrival."""
    other = open_store(database, Background())
    for _ in range(5):
        bodies = [body_of(failed()) for _ in range(30)]
        stored = await asyncio.gather(store_all(store, *bodies), store_all(other, *reversed(bodies)))
    news = [one.is_new for (one,) in (*stored[0], *stored[1])]
    assert news.count(True) == 30


async def test_a_body_of_several_events_is_stored_whole_or_not_at_all(
    store: WebhookStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, lone = (failed(), failed()), failed()
    with failing_inserts(monkeypatch, [True]) as sizes:
        pair_answer, lone_answer = await asyncio.gather(
            store.store(body_of(*pair)), store.store(body_of(lone)), return_exceptions=True
        )
    assert sorted(sizes) == [1, 2], "it shares its transaction with nobody"
    rows = [await load_row(database, one) is not None for one in pair]
    assert rows == [not isinstance(pair_answer, Exception)] * 2
    assert (await load_row(database, lone) is None) is isinstance(lone_answer, Exception) is all(rows)


@pytest.mark.parametrize("special", ["of a person", "large", "unusable"])
async def test_what_is_more_than_one_row_shares_nothing(special: str, store: WebhookStore, database: Database) -> None:
    changes: dict[str, dict[str, Any]] = {
        "of a person": {"customer_id": "ann@example.com"},
        "unusable": {"kind": EventKind.OTHER, "detail": "unfit: id"},
    }
    body = body_of(failed(**changes.get(special, {})), size=LARGEST_SHARED if special == "large" else 0)
    with counted_commits(database) as commits:
        stored = await store_all(store, body, *(body_of(failed()) for _ in range(3)))
    assert all(one.is_new for (one,) in stored)
    assert len(commits) == 2
    assert "@" not in (stored[0][0].event.customer_id or "")


async def test_an_erased_customer_among_others_loses_body_and_ignored_event(
    store: WebhookStore, database: Database
) -> None:
    erased = unique_id("cus_erased")
    await store.store(body_of(failed(customer_id=erased)))
    async with database.begin() as session:
        await contacts.erase_contact(session, erased, app_now())
    gone, ignored, kept = failed(customer_id=erased), failed(customer_id=erased, kind=EventKind.OTHER), failed()
    await store_all(store, *map(body_of, (gone, ignored, kept)))
    query = text("SELECT length(body), event IS NULL FROM webhook_inbox WHERE event_id = :id")
    async with database.begin() as session:
        found = [tuple((await session.execute(query, {"id": one.event_id})).one()) for one in (gone, ignored, kept)]
    assert found == [(0, False), (0, True), (2, False)], "what is still to be delivered keeps its normalised event"
