"""One application per test, one database per module."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from db.recovery_log import StoredRecoveryLog
from db.session import Database
from settings import SHIPPED_POLICY
from tests.api.harness import ApiHarness, build_app, open_harness
from tests.db.conftest import addresses, cluster, database, fresh_database, migrated
from tests.intake.conftest import log_lines
from tests.intake.fakes import FakeRecoveries

__all__ = ["addresses", "cluster", "database", "fresh_database", "log_lines", "migrated", "recoveries"]


@pytest.fixture
def recoveries(database: Database) -> FakeRecoveries:
    """Recoveries in memory whose runs write their log, as a worker does."""
    return FakeRecoveries(log=StoredRecoveryLog(database))


@pytest.fixture
async def harness(database: Database, recoveries: FakeRecoveries) -> AsyncIterator[ApiHarness]:
    """The application, reached without a socket."""
    async with open_harness(build_app(database, recoveries), database, recoveries) as opened_harness:
        yield opened_harness


def operator_policy(folder: Path, retries_per_hour: int) -> Path:
    """A policy file with so many retries an hour and a second approver above 10.00 EUR."""
    policy = folder / "policies.toml"
    rules = f"[operators]\nretries_per_hour = {retries_per_hour}\nsecond_approver_above = {{ EUR = 1000 }}\n"
    policy.write_text(f"{SHIPPED_POLICY.read_text()}\n{rules}")
    return policy


@pytest.fixture
async def strict(database: Database, recoveries: FakeRecoveries, tmp_path: Path) -> AsyncIterator[ApiHarness]:
    """The application under a policy with 3 retries an hour and a second approver above 10.00 EUR."""
    app = build_app(database, recoveries, policy_file=operator_policy(tmp_path, 3))
    async with open_harness(app, database, recoveries) as opened_harness:
        yield opened_harness


@pytest.fixture
async def two_people(database: Database, recoveries: FakeRecoveries, tmp_path: Path) -> AsyncIterator[ApiHarness]:
    """The application under a policy with a second approver above 10.00 EUR, and retries enough for every test."""
    app = build_app(database, recoveries, policy_file=operator_policy(tmp_path, 1000))
    async with open_harness(app, database, recoveries) as opened_harness:
        yield opened_harness
