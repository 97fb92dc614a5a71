"""The number of messages sent equals a plain count, whatever was merged and however the rows changed."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.queries.figure_refresh import refresh_figures
from db.queries.message_figures import count_messages_sent
from db.repositories import messages
from db.repositories.messages import MessageName, MessageState
from db.session import Database
from tests.db.conftest import Addresses, run_as_owner

BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 10 * 24).map(lambda hours: BEGIN + timedelta(hours=hours))


def empty_tables(addresses: Addresses) -> None:
    with psycopg.connect(addresses.owner.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("TRUNCATE message")


@pytest.fixture(autouse=True)
def empty(addresses: Addresses) -> None:
    """No message."""
    empty_tables(addresses)


async def send_message(database: Database, number: int, state: MessageState, at: datetime) -> None:
    name = MessageName(recovery_id=f"recovery-stripe-in_{number}", step="first", channel="email")
    async with database.begin() as session:
        await messages.claim_message(session, name, "payment_failed", at)
        await messages.conclude_message(session, name, state, at, None, "en")


async def count_rows(database: Database) -> int:
    async with database.begin() as session:
        return int((await session.exec_driver_sql("SELECT count(*) FROM message_figure")).scalar_one())


async def merge(database: Database) -> None:
    async with database.begin() as session:
        await refresh_figures(session)


async def count_sent(database: Database, since: datetime, until: datetime) -> int:
    async with database.begin() as session:
        return await count_messages_sent(session, since, until)


@given(sent=st.lists(MOMENTS, max_size=8), edges=st.lists(MOMENTS, min_size=2, max_size=4), is_merged=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_period_holds_exactly_what_was_sent_in_it(
    database: Database, addresses: Addresses, sent: list[datetime], edges: list[datetime], is_merged: bool
) -> None:
    empty_tables(addresses)
    for number, at in enumerate(sent):
        await send_message(database, number, MessageState.SENT, at)
    await send_message(database, 99, MessageState.FAILED, BEGIN)
    if is_merged:
        await merge(database)
        assert await count_rows(database) == len({at.date() for at in sent})
    for since in edges:
        for until in edges:
            assert await count_sent(database, since, until) == sum(since <= at < until for at in sent)


async def test_deleted_and_changed_messages_are_taken_off(database: Database, addresses: Addresses) -> None:
    for number in range(3):
        await send_message(database, number, MessageState.SENT, BEGIN)
    await merge(database)
    run_as_owner(addresses, "DELETE FROM message WHERE recovery_id LIKE '%in_0'")
    run_as_owner(addresses, "UPDATE message SET ended_at = ended_at + interval '1 day' WHERE recovery_id LIKE '%in_1'")
    day = timedelta(days=1)
    for _ in range(2):
        found = [await count_sent(database, BEGIN + place * day, BEGIN + (place + 1) * day) for place in range(2)]
        assert found == [1, 1]
        await merge(database)
    empty_tables(addresses)
    assert await count_sent(database, BEGIN, BEGIN + 5 * day) == 0
    assert await count_rows(database) == 0
