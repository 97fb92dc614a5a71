"""The intake works on a real PostgreSQL and a list of recoveries."""

import io
import logging as stdlib
from collections.abc import Iterator

import pytest
import structlog

from observability import logging
from tests.db.conftest import addresses, cluster, database, fresh_database, migrated
from tests.intake.fakes import FakeRecoveries

__all__ = [
    "addresses",
    "cluster",
    "database",
    "fresh_database",
    "log_lines",
    "migrated",
    "recoveries",
]


@pytest.fixture
def recoveries() -> FakeRecoveries:
    """Recoveries in memory, none of which runs yet, and whose runs write nothing."""
    return FakeRecoveries()


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[io.StringIO]:
    """The log lines in the production format."""
    root = stdlib.getLogger()
    handlers, level = root.handlers, root.level
    lines = io.StringIO()
    logging.configure_logging("INFO", lines)
    yield lines
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level
