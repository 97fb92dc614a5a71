"""API keys: shown once, found by their hash, invalid when revoked or expired."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from db.repositories import api_keys
from db.session import Database
from tests.db.recovery_events import NOW

DAY = timedelta(days=1)


async def test_key_is_valid_until_it_is_revoked(database: Database) -> None:
    async with database.begin() as session:
        key, plain = await api_keys.insert_key(session, "ops", ["recoveries:read"], NOW)
        assert await api_keys.find_key(session, plain, NOW) == key
        assert key in await api_keys.load_keys(session)
        assert await api_keys.mark_key_revoked(session, key.prefix, NOW)
        assert not await api_keys.mark_key_revoked(session, key.prefix, NOW)
        assert await api_keys.find_key(session, plain, NOW) is None


async def test_key_expires(database: Database) -> None:
    async with database.begin() as session:
        _, plain = await api_keys.insert_key(session, "short", [], NOW, NOW + DAY)
        assert await api_keys.find_key(session, plain, NOW + DAY - timedelta(seconds=1)) is not None
        assert await api_keys.find_key(session, plain, NOW + DAY) is None


async def test_table_stores_no_plain_key(database: Database) -> None:
    async with database.begin() as session:
        key, plain = await api_keys.insert_key(session, "hidden", [], NOW)
        stored = (await session.execute(text("SELECT api_key::text FROM api_key"))).scalars().all()
    secret = plain.removeprefix(f"{key.prefix}_")
    assert len(secret) == 43
    assert not any(secret in row for row in stored)


@pytest.mark.parametrize("header", ["", "pri_", "\x00", "\ud800", "ü" * 10_000])
async def test_anything_else_is_no_key(database: Database, header: str) -> None:
    async with database.begin() as session:
        assert await api_keys.find_key(session, header, NOW) is None


async def test_use_of_a_key_is_recorded_once_a_minute(database: Database) -> None:
    async with database.begin() as session:
        key, plain = await api_keys.insert_key(session, "busy", [], NOW)
        for seconds, expected in ((0, 0), (30, 0), (61, 61)):
            await api_keys.mark_key_used(session, key, NOW + timedelta(seconds=seconds))
            stored_key = await api_keys.find_key(session, plain, NOW)
            assert stored_key is not None
            assert stored_key.last_used_at == NOW + timedelta(seconds=expected)
