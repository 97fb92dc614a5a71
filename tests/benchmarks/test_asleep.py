"""The benchmark of thousands asleep: its recoveries fall due when it says, and it sees memory and deadlocks."""

import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import catalog
from benchmarks.asleep_stage import DELAY_SECONDS, Stage, resident_mb, write_policy
from benchmarks.recovery_rate_stripe import FastStripe

DEADLOCK = "WARN temporalio_sdk_core: [TMPRL1101] Potential deadlock detected: workflow didn't yield within 2 second(s)"


async def test_a_failure_of_hours_ago_is_one_in_the_event_and_at_stripe() -> None:
    fake, failed_at = FastStripe(), int(time.time()) - DELAY_SECONDS
    event = json.loads(fake.failure_event(0, failed_at))
    assert event["created"] == failed_at
    _, body = await fake.answer(f"GET /v1/invoices/{fake.invoice_id(0)} ")
    assert json.loads(body)["created"] == failed_at


def test_the_first_retry_follows_after_the_delay_to_the_second(tmp_path: Path) -> None:
    strategies = catalog.installed_strategies()
    policy = catalog.PolicyFile(write_policy(tmp_path), strategies).current_policy()
    assert policy.operators.retries_per_hour == 10_000
    text = (tmp_path / "policies.toml").read_text()
    assert "jitter_percent = 10" not in text
    assert '[strategies.short_ladder]\nuse = "fixed_ladder"\ndelays = ["3h"' in text
    assert timedelta(hours=3).total_seconds() == DELAY_SECONDS


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_that_a_process_holds_is_counted_in_mb() -> None:
    before, held = resident_mb(os.getpid()), bytearray(os.urandom(64 * 2**20))
    assert 48 < resident_mb(os.getpid()) - before < 80
    del held


def test_a_deadlock_in_the_workers_log_is_found(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "worker.log"
    stage = Stage(cast("Any", SimpleNamespace(data_dir=tmp_path)), FastStripe(), cast("Any", None), cast("Any", None))
    log.write_text("all is well\n")
    assert stage.find_deadlocks() == []
    log.write_text(f"all is well\n{DEADLOCK}\n")
    assert stage.find_deadlocks() == [DEADLOCK]
