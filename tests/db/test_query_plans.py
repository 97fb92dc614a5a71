"""At a hundred thousand recoveries, no query of the admin console scans a large table."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, text

from benchmarks.admin_query_cases import DASHBOARD_CASES, LIST_CASES, SampleRecoveries, read_sample
from benchmarks.database_load import load_recoveries
from db.queries import figures
from db.queries.figure_refresh import refresh_figures
from db.session import Database, Session
from tests.db.conftest import Addresses

RECOVERY_COUNT, DETAILED_COUNT, LOG_LENGTH = 100_000, 3_000, 12
LARGE_TABLES = ("recovery", "event_log", "network_attempt", "webhook_inbox", "message")
NOW = datetime(2026, 9, 15, 12, tzinfo=UTC)
CASES = LIST_CASES | DASHBOARD_CASES
Statement = tuple[str, Any]


@pytest.fixture(scope="module")
async def crowd(addresses: Addresses, database: Database) -> Database:
    """A year of recoveries with refreshed sums, without statistics gathered yet."""
    load_recoveries(addresses.owner, RECOVERY_COUNT, NOW, LOG_LENGTH, DETAILED_COUNT)
    days = 1
    while days:
        async with database.begin() as session:
            days = await refresh_figures(session)
    return database


@pytest.fixture(scope="module")
async def about(crowd: Database) -> SampleRecoveries:
    async with crowd.begin() as session:
        return await read_sample(session, NOW)


async def statements_of(database: Database, ask: Callable[[Session], Any]) -> list[Statement]:
    """The statements that a function executes, with their parameters."""
    statements: list[Statement] = []

    def record_statement(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", record_statement)
    try:
        async with database.begin() as session:
            await ask(session)
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", record_statement)
    return [statement for statement in statements if statement[0].split(maxsplit=1)[0] in {"SELECT", "WITH"}]


def is_setting(question: Statement) -> bool:
    return "set_config" in question[0]


async def explain_plan(session: Session, question: Statement) -> dict[str, Any]:
    result = await session.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {question[0]}", question[1])
    plan = result.scalar_one()
    return dict((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])


def plan_nodes(of: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield of
    for child in of.get("Plans", ()):
        yield from plan_nodes(child)


async def table_sizes(session: Session) -> dict[str, float]:
    result = await session.execute(text("SELECT relname, reltuples FROM pg_class WHERE relkind = 'r'"))
    return {name: size for name, size in result}


def is_large(name: str, sizes: Mapping[str, float]) -> bool:
    return (
        name.startswith(LARGE_TABLES)
        and not name.startswith(("recovery_figure", "recovery_change", "message_figure"))
        and sizes[name] > 0
    )


@pytest.mark.parametrize("name", CASES)
async def test_queries_use_indexes(crowd: Database, about: SampleRecoveries, name: str) -> None:
    questions = await statements_of(crowd, lambda session: CASES[name](session, about))
    assert questions
    async with crowd.begin() as session:
        sizes = await table_sizes(session)
        for question in questions:
            if is_setting(question):
                await session.exec_driver_sql(*question)
            every = [*plan_nodes(await explain_plan(session, question))]
            scanned = [node["Relation Name"] for node in every if node["Node Type"] == "Seq Scan"]
            assert not [table for table in scanned if is_large(table, sizes)], question[0]
            sorted_ = [node["Sort Key"] for node in every if node["Node Type"] == "Sort" and node["Plan Rows"] > 20_000]
            assert not sorted_ or name in DASHBOARD_CASES, question[0]


async def test_check_detects_a_sequential_scan(crowd: Database) -> None:
    async with crowd.begin() as session:
        sizes = await table_sizes(session)
        plan = await explain_plan(session, ("SELECT count(*) FROM recovery WHERE attempts_used = 3", ()))
    assert any(node["Node Type"] == "Seq Scan" and is_large(node["Relation Name"], sizes) for node in plan_nodes(plan))


async def test_sums_of_a_year_match_the_recoveries(crowd: Database) -> None:
    since = datetime(2026, 1, 3, 4, 5, 6, tzinfo=UTC)
    async with crowd.begin() as session:
        figures_read = await figures.read_figures(session, since, NOW)
        result = await session.execute(text("""
            SELECT upper(currency), coalesce(sum(amount) FILTER (WHERE state = 'recovered'), 0), count(*)
            FROM recovery WHERE opened_at >= :since AND opened_at < :until GROUP BY 1 ORDER BY 1
        """), {"since": since, "until": NOW})  # fmt: skip
        expected = [tuple(row) for row in result]
    assert [
        (figure.currency, figure.recovered, figure.open_count + figure.recovered_count + figure.lost_count)
        for figure in figures_read
    ] == [(currency, int(recovered), count) for currency, recovered, count in expected]
