"""`pri sessions`: who is signed in, and the end of sessions from the command line."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from db.repositories import admin_sessions, operator_actions
from db.repositories.operator_actions import StoredAuditEntry
from db.session import Database
from tests.commands.conftest import Pri
from tests.db.conftest import Addresses


@pytest.fixture
def fresh(fresh_database: Callable[..., Addresses], migrated: str) -> Addresses:
    """The addresses of a migrated database for one test."""
    return fresh_database(migrated)


def start_sessions(address: str, *names: str) -> None:
    """One open session for each name."""

    async def write_rows() -> None:
        database, now = Database(address), datetime.now(UTC)
        async with database.begin() as session:
            for name in names:
                await admin_sessions.insert_session(
                    session, name=name, role="viewer", how="openid", now=now, expires_at=now + timedelta(hours=1)
                )
        await database.close()

    asyncio.run(write_rows())


def audit_entries(address: str) -> list[StoredAuditEntry]:
    """All audit entries, newest first."""

    async def read_rows() -> list[StoredAuditEntry]:
        database = Database(address)
        async with database.begin() as session:
            found = await operator_actions.load_entries(session)
        await database.close()
        return list(found.items)

    return asyncio.run(read_rows())


def test_sessions_are_listed_and_revoked_with_audit_entries(pri: Pri, fresh: Addresses) -> None:
    def run(*words: str) -> str:
        answer = pri("sessions", *words, DATABASE_URL=fresh.writer)
        assert answer.code == 0, answer
        return answer.out

    assert run("list") == "nobody is signed in\n"
    start_sessions(fresh.writer, "ann", "Ann", "bob", "eve")
    listed = json.loads(run("list", "--json"))
    assert sorted(one["name"] for one in listed) == ["Ann", "ann", "bob", "eve"]
    assert not any("hash" in one for one in listed)
    assert run("revoke", "--name", "ANN") == "2 sessions ended\n"
    (bob,) = [one["id"] for one in listed if one["name"] == "bob"]
    assert run("revoke", bob) == "1 session ended\n"
    assert "eve" in run("list")
    assert run("revoke", "--all") == "1 session ended\n"
    assert [(one.actor, one.action, one.subject) for one in audit_entries(fresh.writer)][::-1][2:] == [
        ("pri", "session_ended", "bob"),
        ("pri", "session_ended", "eve"),
    ]


@pytest.mark.parametrize("words", [("--name", "nobody"), ("00000000-0000-0000-0000-000000000000",), ("--all",)])
def test_nothing_to_end_is_an_error(words: tuple[str, ...], pri: Pri, fresh: Addresses) -> None:
    assert "No such session" in pri("sessions", "revoke", *words, DATABASE_URL=fresh.writer).error_line()


def test_a_word_that_is_no_id_is_an_error(pri: Pri, fresh: Addresses) -> None:
    assert "pri sessions list" in pri("sessions", "revoke", "bob", DATABASE_URL=fresh.writer).error_line()
