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


@pytest.fixture
async def strict(database: Database, recoveries: FakeRecoveries, tmp_path: Path) -> AsyncIterator[ApiHarness]:
    """The application under a policy with 3 retries an hour and a second approver above 10.00 EUR."""
    policy = tmp_path / "policies.toml"
    rules = "[operators]\nretries_per_hour = 3\nsecond_approver_above = { EUR = 1000 }\n"
    policy.write_text(f"{SHIPPED_POLICY.read_text()}\n{rules}")
    async with open_harness(
        build_app(database, recoveries, policy_file=policy), database, recoveries
    ) as opened_harness:
        yield opened_harness
