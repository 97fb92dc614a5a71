"""One application per test, one database per module."""

from collections.abc import AsyncIterator

import pytest

from db.session import Database
from tests.api.house import House, application, opened
from tests.db.conftest import addresses, cluster, database, fresh_database, migrated
from tests.intake.conftest import log_lines, recoveries
from tests.intake.fakes import FakeRecoveries

__all__ = ["addresses", "cluster", "database", "fresh_database", "log_lines", "migrated", "recoveries"]


@pytest.fixture
async def house(database: Database, recoveries: FakeRecoveries) -> AsyncIterator[House]:
    """The application, reached without a socket."""
    async with opened(application(database, recoveries), database, recoveries) as found:
        yield found
