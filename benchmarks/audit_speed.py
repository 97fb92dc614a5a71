"""`pri audit verify` of a million rows with genuine chains, in as many processes as there are cores."""

import os
import time
from collections.abc import Iterator
from typing import Final

from pydantic import SecretStr

from benchmarks.chained_log import load_chained_log
from benchmarks.measures import Measure, Size
from benchmarks.temporary_cluster import temporary_cluster
from commands.audit import verify_audit
from db import schema
from devstack.postgres import WRITER
from settings import Settings

EVENTS: Final = 1_000_000
MARK_SECONDS: Final = 60


def measure(_: Size = Size.SMALL, events: int = EVENTS) -> Iterator[Measure]:
    """Seconds on the clock and of the processors; the mark is the clock's."""
    with temporary_cluster() as server:
        schema.upgrade_schema(server.owner_url, WRITER)
        load_chained_log(server.owner_url, events)
        yield _measure_verification(Settings(database_url=SecretStr(server.writer_url)))


def _measure_verification(settings: Settings) -> Measure:
    began, before, jobs = time.perf_counter(), _processor_seconds(), os.cpu_count() or 1
    report = verify_audit(settings, None, jobs)
    took, own = time.perf_counter() - began, _processor_seconds() - before
    assert report.is_clean, report.problems
    raw: dict[str, list[float]] = {
        "rows": [report.rows],
        "processes": [jobs],
        "processor time without PostgreSQL's, s": [own],
    }
    return Measure(f"audit, {report.rows:,} rows verified", [took], "s", at_most=MARK_SECONDS, raw=raw)


def _processor_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
