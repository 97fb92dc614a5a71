"""The audit log of operator actions: append-only, read in pages, counted for the login throttle."""

from datetime import timedelta

import psycopg
import pytest

from core.errors import InvalidInput
from core.redaction.text import REDACTED
from db.repositories import operator_actions
from db.repositories.operator_actions import AuditAction, AuditEntry, FailedLogins, StoredAuditEntry
from db.session import Database
from tests.db.conftest import Addresses
from tests.db.recovery_events import NOW
from tests.intake.fakes import unique_id

MINUTE = timedelta(minutes=1)
CHANGES = ("UPDATE operator_action SET actor = 'x'", "DELETE FROM operator_action", "TRUNCATE operator_action",
           "DELETE FROM operator_action WHERE false")  # fmt: skip


async def record_action(
    db: Database, actor: str, action: AuditAction, after: timedelta = timedelta(), **more: object
) -> None:
    """Stores one audit entry."""
    async with db.begin() as session:
        await operator_actions.record_entry(
            session, AuditEntry.model_validate({"actor": actor, "action": action, **more}), NOW + after
        )


async def test_rows_come_back_newest_first_in_pages(database: Database) -> None:
    ann = unique_id("ann")
    kinds = [
        AuditAction.LOGIN,
        AuditAction.KEY_CREATED,
        AuditAction.EXPORTED,
        AuditAction.LOGOUT,
        AuditAction.KEY_REVOKED,
    ]
    for minutes, kind in enumerate(kinds):
        # Two at the same moment: the cursor must tell them apart.
        await record_action(
            database, ann, kind, (minutes // 2) * MINUTE, role="admin", subject=f"s{minutes}", detail={"n": minutes}
        )
    entries: list[StoredAuditEntry] = []
    after = None
    async with database.begin() as session:
        while True:
            page = await operator_actions.load_entries(session, 2, after, actor=ann)
            entries += page.items
            if (after := page.next_cursor) is None:
                break
    assert sorted(entry.action for entry in entries) == sorted(kinds)
    assert [entry.at for entry in entries] == sorted((entry.at for entry in entries), reverse=True)
    assert {entry.subject: entry.detail for entry in entries}["s3"] == {"n": 3}
    assert {entry.role for entry in entries} == {"admin"}


async def test_audit_entries_are_filtered_by_actor_and_action(database: Database) -> None:
    ann, bob = unique_id("ann"), unique_id("bob")
    for actor, kind in ((ann, AuditAction.LOGIN), (ann, AuditAction.EXPORTED), (bob, AuditAction.EXPORTED)):
        await record_action(database, actor, kind)
    async with database.begin() as session:
        both = await operator_actions.load_entries(session, actor=ann, action=AuditAction.EXPORTED)
        exports = await operator_actions.load_entries(session, action=AuditAction.EXPORTED)
    assert [(entry.actor, entry.action) for entry in both.items] == [(ann, "exported")]
    assert {ann, bob} <= {entry.actor for entry in exports.items}
    assert {entry.action for entry in exports.items} == {"exported"}


async def test_cursor_of_another_list_is_refused(database: Database) -> None:
    async with database.begin() as session:
        with pytest.raises(InvalidInput):
            await operator_actions.load_entries(session, after="nonsense")


async def test_failed_logins_are_counted_by_name_and_by_address(database: Database) -> None:
    name, address, other = b"n" * 32, b"a" * 32, b"b" * 32
    for minutes, where in ((0, address), (5, address), (6, other)):
        await record_action(
            database, "?", AuditAction.LOGIN_FAILED, minutes * MINUTE, name_hash=name, address_hash=where
        )
    await record_action(database, "?", AuditAction.LOGIN, 7 * MINUTE, name_hash=name, address_hash=address)
    async with database.begin() as session:
        since = NOW - MINUTE
        assert await operator_actions.count_failed_logins(session, since, name_hash=name) == FailedLogins(
            count=3, first_at=NOW
        )
        assert (await operator_actions.count_failed_logins(session, since, address_hash=address)).count == 2
        later = await operator_actions.count_failed_logins(session, NOW, name_hash=name)
        assert later == FailedLogins(count=2, first_at=NOW + 5 * MINUTE)
        unknown_name = await operator_actions.count_failed_logins(session, since, name_hash=b"x" * 32)
        assert unknown_name == FailedLogins(count=0, first_at=None)


@pytest.mark.parametrize("change", CHANGES)
def test_audit_entries_are_append_only(addresses: Addresses, change: str) -> None:
    for address in (addresses.owner, addresses.superuser):
        with (
            psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as connection,
            pytest.raises(psycopg.errors.RestrictViolation, match="append-only"),
        ):
            connection.execute(change)


@pytest.mark.parametrize("change", [*CHANGES, "ALTER TABLE operator_action DISABLE TRIGGER ALL"])
def test_writer_role_lacks_the_permission(addresses: Addresses, change: str) -> None:
    with (
        psycopg.connect(addresses.writer.replace("+psycopg", ""), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(change)


async def test_what_somebody_typed_is_redacted_and_ids_are_kept(database: Database) -> None:
    detail = {"reason": "card 4242 4242 4242 4242", "q": "ann@example.com", "token": "4242424242424242"}
    entry = AuditEntry(actor="4242424242424242", action=AuditAction.LOGIN_FAILED, subject="typed", detail=detail)
    async with database.begin() as session:
        await operator_actions.record_entry(session, entry, NOW)
        page = await operator_actions.load_entries(session, actor=REDACTED)
    assert page.items[0].detail == {"reason": f"card {REDACTED}", "q": REDACTED, "token": "4242424242424242"}
