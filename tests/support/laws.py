"""Laws that hold for every installation at every moment, checked against its log and the provider's books."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from core.events import parse_timestamp
from db.models import webhook_inbox
from db.session import Database
from sandbox.models import LogEntry
from tests.support.service import FINAL_STATES, Recovery, Row, RunningService

NEVER = datetime.max.replace(tzinfo=UTC)
ROOT = Path(__file__).parents[2]
ANSWER_EVENTS = ("charge.succeeded", "charge.declined", "charge.reconciled")
LATE_EVENTS = frozenset({"event.late", "payment.late", "payment.refunded", "payment.reversed"})
"""What the intake writes after the end, and nothing else."""
KEYLESS = frozenset({"braintree"})
"""Providers that know no idempotency keys."""


async def check_all_recoveries(service: RunningService) -> int:
    """Checks every recovery of this installation. Returns their number."""
    recoveries = [recovery async for recovery in each_recovery(service)]
    await asyncio.gather(*(check_recovery(recovery) for recovery in recoveries))
    return len(recoveries)


async def each_recovery(service: RunningService) -> AsyncIterator[Recovery]:
    """All recoveries, page by page."""
    cursor: dict[str, str] = {}
    while True:
        page = (await service.api.get("/v1/recoveries", params={"limit": 200, **cursor})).json()
        for item in page["items"]:
            yield service.recovery_of(item["invoice_id"], item["provider"])
        if not page["next_cursor"]:
            return
        cursor = {"cursor": page["next_cursor"]}


async def check_recovery(recovery: Recovery) -> None:
    """Asserts the laws about money and data for one recovery."""
    rows = await recovery.fetch_events()
    _check_sequence(rows)
    _check_one_failure_per_attempt(rows)
    await _check_money(recovery, rows)


def _check_sequence(rows: list[Row]) -> None:
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["from_state"] for row in rows] == [None, *(row["to_state"] for row in rows[:-1])]
    assert [row["previous_hash"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
    recorded = [parse_timestamp(row["recorded_at"]) for row in rows]
    assert recorded == sorted(recorded, key=lambda moment: moment or NEVER), "recorded_at runs backwards"
    closed = [row for row in rows if row["type"] == "recovery.closed"]
    assert len(closed) == int(rows[-1]["to_state"] in FINAL_STATES)
    after = rows[rows.index(closed[0]) + 1 :] if closed else []
    assert {row["type"] for row in after} <= LATE_EVENTS


def _check_one_failure_per_attempt(rows: list[Row]) -> None:
    failures = Counter(row["data"].get("provider_attempt") for row in rows if row["type"] == "payment.failed")
    assert all(count == 1 for count in failures.values()), failures


async def _check_money(recovery: Recovery, rows: list[Row]) -> None:
    """At most one success beside parts that others paid; each attempt asked for once, under one key, answered once."""
    charges = [charge for charge in await recovery.fetch_charges() if charge.origin not in {"part", "debit"}]
    assert len(charges) <= 1, [charge.model_dump() for charge in charges]
    requested = [row for row in rows if row["type"] == "charge.requested"]
    assert [row["attempt"] for row in requested] == list(range(1, len(requested) + 1))
    keys = [row["data"]["idempotency_key"] for row in requested]
    assert len(set(keys)) == len(keys)
    results = Counter(row["attempt"] for row in rows if row["type"] in ANSWER_EVENTS)
    unanswered = {row["attempt"] for row in requested} - set(results)
    assert all(count == 1 for count in results.values())
    assert unanswered <= {len(requested)}, "a new attempt began before the old one was answered"
    handed_over = {row["attempt"] for row in rows if row["data"].get("reason") == "charge_unknown"}
    assert not (unanswered - handed_over and rows[-1]["to_state"] in FINAL_STATES), "it ended with a charge in flight"
    calls = await recovery.fetch_pay_calls()
    _check_request_precedes_call(requested, calls)
    sent_keys = [call.idempotency_key for call in calls]
    if recovery.provider in KEYLESS:
        assert len(sent_keys) <= len(requested), "without keys an attempt is sent once or not at all"
        assert set(sent_keys) <= {None}
    else:
        assert set(sent_keys) <= set(keys)


def _check_request_precedes_call(requested: list[Row], calls: list[LogEntry]) -> None:
    """The log alone shows it: each key was recorded before the provider heard of it. Both read one machine's clock."""
    recorded = {row["data"]["idempotency_key"]: parse_timestamp(row["recorded_at"]) for row in requested}
    for call in calls:
        if call.idempotency_key in recorded:
            assert (recorded[call.idempotency_key] or NEVER).timestamp() < call.wall, call


async def wait_until_inbox_drained(service: RunningService, timeout_seconds: float = 30.0) -> None:
    """Waits until every stored webhook is delivered or ignored with a reason."""
    database = Database(service.stack.addresses.writer_url)
    table = webhook_inbox
    try:
        for _ in range(int(timeout_seconds)):
            async with database.begin() as session:
                waiting = (await session.execute(_count_rows(table.c.outcome.is_(None)))).scalar_one()
                is_unexplained = (table.c.outcome == "ignored") & table.c.reason.is_(None)
                without_reason = (await session.execute(_count_rows(is_unexplained))).scalar_one()
            if not waiting:
                break
            await asyncio.sleep(1)
        assert (waiting, without_reason) == (0, 0)
    finally:
        await database.close()


def _count_rows(condition: Any) -> Any:
    return select(func.count()).select_from(webhook_inbox).where(condition)


async def verify_audit(environment: dict[str, str]) -> str:
    """The output of `pri audit verify`, which must find no problem."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "cli.py"), "audit", "verify", env=environment, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


NOISE = ("never retrieved", "an open recovery's run has completed")
"""What a race of everyday must not write into a log: operators would learn to look away."""


def check_logs(folder: Path) -> None:
    """Asserts that the logs of API and worker are free of noise."""
    for name in ("api", "worker"):
        lines = (folder / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        assert [line for line in lines if any(words in line for words in NOISE)] == []


async def check_service(service: RunningService) -> None:
    """Asserts all laws for the whole installation."""
    check_logs(service.stack.data_dir / "logs")
    await wait_until_inbox_drained(service)
    count = await check_all_recoveries(service)
    assert f"{count} recoveries" in await verify_audit(service.stack.environment)
