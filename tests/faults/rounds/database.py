"""Reads of the database beside the product: SQL on `event_log` and `webhook_inbox`."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy.engine import make_url

from tests.faults.rounds.checker import FINAL_STATES

LATEST_STATES = """
    SELECT DISTINCT ON (recovery_id) recovery_id, to_state, recorded_at FROM event_log
    ORDER BY recovery_id, sequence DESC"""


def plain_url(url: str) -> str:
    """An SQLAlchemy address as libpq reads it."""
    return url.replace("postgresql+psycopg://", "postgresql://")


def server_conninfo(url: str, database: str = "postgres") -> str:
    """The server's superuser in one of its databases, on the socket that the address names."""
    return psycopg.conninfo.make_conninfo(host=str(make_url(url).query["host"]), user="postgres", dbname=database)


def run_as_superuser(url: str, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
    """Runs statements one by one; the rows of the last. Raises psycopg.OperationalError while the server is away."""
    with psycopg.connect(server_conninfo(url, database), autocommit=True, connect_timeout=5) as connection:
        for statement in statements:
            answer = connection.execute(statement.encode())
        return answer.fetchall() if answer.description else []


def read_rows(url: str, query: str, *values: Any) -> list[dict[str, Any]]:
    """The rows of a query. Raises psycopg.OperationalError while the database is away."""
    with psycopg.connect(plain_url(url), connect_timeout=3, row_factory=dict_row, autocommit=True) as connection:
        return connection.execute(query.encode(), values).fetchall()


def count_open(url: str) -> int:
    """The recoveries that have not ended."""
    rows = read_rows(url, f"SELECT count(*) FROM ({LATEST_STATES}) latest WHERE NOT to_state = ANY(%s)", _finals())
    return int(rows[0]["count"])


def find_planned(url: str, recoveries: Sequence[str]) -> bool:
    """Whether the first plan of one of these recoveries is in the log."""
    query = "SELECT 1 FROM event_log WHERE type = 'retry.planned' AND recovery_id = ANY(%s) LIMIT 1"
    return bool(read_rows(url, query, list(recoveries)))


def _finals() -> list[str]:
    return sorted(FINAL_STATES)
