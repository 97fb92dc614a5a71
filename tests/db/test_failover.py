"""After a failover: sessions on a server that takes no writes any more are let go, and a new primary is found."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import text

from core.errors import StoreUnavailable
from db import readiness
from db.connecting import YOUNG_SECONDS
from db.session import Database
from devstack import _postgres_files as files
from devstack.postgres import DATABASE, WRITER, Cluster, running
from tests.db.conftest import admin

WRITE = "INSERT INTO note VALUES (1)"


class Pair(NamedTuple):
    """Two servers, each with its own writes."""

    primary: Cluster
    standby: Cluster

    @property
    def address(self) -> str:
        """Both, the standby first: whoever takes the first one that answers can't write."""
        return f"postgresql://{WRITER}@/{DATABASE}?host={self.standby.sockets}&host={self.primary.sockets}"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    folder = Path(tempfile.mkdtemp(prefix="pri-ha-"))
    with running(folder / "a") as primary:
        admin(primary, "ALTER SYSTEM SET fsync = off")
        admin(primary, "SELECT pg_reload_conf()")
        admin(primary, "CREATE TABLE note (number int)", DATABASE)
        admin(primary, f"GRANT INSERT ON note TO {WRITER}", DATABASE)
        with standby_of(primary, folder / "b") as standby:
            yield Pair(primary, standby)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def standby_of(primary: Cluster, folder: Path) -> Iterator[Cluster]:
    target = Cluster(folder).folder
    target.parent.mkdir(parents=True)
    if primary.user:
        files.open_way_to(target)
        os.chown(target.parent, *primary.user)
    copying = [str(files.programs() / "pg_basebackup"), "-h", str(primary.sockets), "-U", "postgres", "-D", str(target)]
    user = dict(zip(("user", "group"), primary.user, strict=True)) if primary.user else {}
    subprocess.run([*copying, "-R", "-c", "fast", "--no-sync"], check=True, cwd="/", **user)  # type: ignore[call-overload]
    with running(folder) as standby:
        yield standby


@pytest.fixture
async def database(pair: Pair) -> AsyncIterator[Database]:
    opened = Database(pair.address, pool_size=3)
    yield opened
    await opened.close()


async def do(database: Database, statement: str) -> object:
    async with database.begin() as session:
        answer = await session.execute(text(statement))
        return answer.scalar_one() if answer.returns_rows else None


async def seconds_until_written(database: Database) -> float:
    began = time.monotonic()
    while time.monotonic() - began < 15:
        try:
            await do(database, WRITE)
        except StoreUnavailable:
            await asyncio.sleep(0.1)
        else:
            return time.monotonic() - began
    return float("inf")


@contextmanager
def demoted(server: Cluster) -> Iterator[None]:
    """What sessions of a demoted primary meet, without the minutes that making a standby of it takes."""
    _configure(server, "SET default_transaction_read_only = on", "on")
    yield
    _configure(server, "RESET default_transaction_read_only", "off")


def _configure(server: Cluster, change: str, value: str) -> None:
    """The reload only sends a signal: whoever connects anew sees when the server has heeded it and passed it on."""
    admin(server, f"ALTER SYSTEM {change}")
    admin(server, "SELECT pg_reload_conf()")
    while admin(server, "SHOW default_transaction_read_only") != [(value,)]:
        time.sleep(0.02)


async def pids(database: Database) -> set[object]:
    """The server's processes behind all connections of the pool."""
    question = "SELECT pg_backend_pid() FROM pg_sleep(0.3)"
    return set(await asyncio.gather(*(do(database, question) for _ in range(3))))


async def test_of_several_hosts_the_one_that_takes_writes_is_used(pair: Pair, database: Database) -> None:
    await do(database, WRITE)
    assert admin(pair.primary, "SELECT count(*) FROM note", DATABASE) == [(1,)]


async def test_what_cannot_be_written_can_still_be_read_and_says_why(pair: Pair) -> None:
    database = Database(f"postgresql://{WRITER}@/{DATABASE}?host={pair.standby.sockets}")
    assert await do(database, "SELECT 1") == 1
    with pytest.raises(StoreUnavailable, match="cannot execute INSERT in a read-only transaction"):
        await do(database, WRITE)
    async with database.begin() as session:
        assert "standby" in (await readiness.obstacle(session) or "")
    await database.close()


async def test_the_first_refused_write_lets_go_of_all_sessions(pair: Pair, database: Database) -> None:
    before = await pids(database)
    with demoted(pair.primary), pytest.raises(StoreUnavailable, match="read-only"):
        await do(database, WRITE)
    assert len(before) == 3
    assert not before & await pids(database)


@pytest.mark.quiet
async def test_sessions_are_let_go_also_where_nobody_writes(pair: Pair, database: Database) -> None:
    before = await pids(database)
    await asyncio.sleep(YOUNG_SECONDS)
    with demoted(pair.primary):
        await do(database, "SELECT 1")
    assert not before & await pids(database)


@pytest.mark.quiet
async def test_the_new_primary_is_found_within_seconds(pair: Pair, database: Database) -> None:
    await pids(database)
    with demoted(pair.primary):
        admin(pair.standby, "SELECT pg_promote(true, 30)")
        assert await seconds_until_written(database) < 3
        assert await asyncio.gather(*(do(database, "SHOW transaction_read_only") for _ in range(3))) == ["off"] * 3
