"""`pri audit verify` in several processes: the same report, and an error of one is an error of all."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from commands import audit
from db.audit import AuditReport
from tests.commands.conftest import Pri
from tests.commands.test_database import fresh, psycopg_address, record_canceled_recovery
from tests.db.conftest import Addresses

__all__ = ["fresh"]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece of work per day."""
    monkeypatch.setattr(audit, "ROWS_PER_PIECE", 1)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("jobs", [1, 2])
def test_every_process_reports_its_days(pri: Pri, fresh: Addresses, jobs: int) -> None:
    for number in range(3):
        record_canceled_recovery(fresh.writer, f"in_{number}")
    move_a_recovery_to_another_day(fresh, "in_1")
    answer = pri("audit", "verify", "--jobs", str(jobs), DATABASE_URL=fresh.writer)
    assert answer.code == 1
    assert answer.out.splitlines()[-1] == "3 recoveries, 9 rows, 5 problems"
    assert {line.split()[0] for line in answer.out.splitlines()[:-1]} == {"recovery-stripe-in_1"}


def move_a_recovery_to_another_day(addresses: Addresses, invoice_id: str) -> None:
    """A forgery: its rows then lie under another day, with hashes of the old one."""
    with psycopg.connect(psycopg_address(addresses.superuser)) as connection:
        connection.execute("ALTER TABLE event_log DISABLE TRIGGER ALL")
        query = "UPDATE event_log SET opened_on = opened_on + 1 WHERE invoice_id = %s"
        connection.execute(query, [invoice_id])
        connection.execute("ALTER TABLE event_log ENABLE TRIGGER ALL")


@pytest.mark.usefixtures("small_pieces")
def test_process_that_fails_is_an_error(pri: Pri, fresh: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        record_canceled_recovery(fresh.writer, f"in_{number}")
    move_a_recovery_to_another_day(fresh, "in_1")
    monkeypatch.setattr(audit, "DayVerifier", BrokenVerifier)
    answer = pri("audit", "verify", "--jobs", "2", DATABASE_URL=fresh.writer)
    assert "The log was not verified to its end: ZeroDivisionError" in answer.error_line()


class BrokenVerifier(audit.DayVerifier):
    """Fails at every piece."""

    def __call__(self, *_: int) -> AuditReport:
        raise ZeroDivisionError


@pytest.mark.parametrize("rows", [1, 9_000, 90_000])
def test_days_are_in_exactly_one_piece(rows: int) -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC).date()
    days = [first + timedelta(days=number) for number in range(0, 50, 2)]
    pieces = list(audit.group_days(dict.fromkeys(days, rows)))
    for day in days:
        assert len([1 for begin, end in pieces if begin <= day.toordinal() <= end]) == 1
    assert list(audit.group_days({})) == []
