"""`pri audit verify` of a million rows with genuine chains, in as many processes as there are cores."""

import os
import sys
import time
from typing import Final

from pydantic import SecretStr

from benchmarks.chained_log import load_chained_log
from benchmarks.temporary_cluster import temporary_cluster
from commands.audit import verify_audit
from db import schema
from devstack.postgres import WRITER
from settings import Settings

EVENTS: Final = 1_000_000
MARK_SECONDS: Final = 60


def main(events: int = EVENTS) -> bool:
    """Prints seconds on the clock and of the processors; whether the verification keeps below its mark."""
    with temporary_cluster() as server:
        schema.upgrade_schema(server.owner_url, WRITER)
        load_chained_log(server.owner_url, events)
        return _measure(Settings(database_url=SecretStr(server.writer_url)))


def _measure(settings: Settings) -> bool:
    began, before, jobs = time.perf_counter(), _processor_seconds(), os.cpu_count() or 1
    report = verify_audit(settings, None, jobs)
    took, own = time.perf_counter() - began, _processor_seconds() - before
    sys.stdout.write(
        f"{report.rows} rows of {report.recoveries} recoveries verified in {took:.0f} s by {jobs} processes"
        f" (mark {MARK_SECONDS} s); {own:.0f} s of processor time, PostgreSQL's not counted;"
        f" load of the machine {os.getloadavg()[0]:.1f}; {len(report.problems)} problems\n"
    )
    return took < MARK_SECONDS and report.is_clean


def _processor_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
