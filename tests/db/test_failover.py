"""After a failover, sessions on a read-only server are closed and a new primary is found."""

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
from db import schema
from db.connections import YOUNG_SECONDS
from db.session import Database
from devstack import _postgres_files as files
from devstack.postgres import DATABASE, WRITER, Cluster, running_cluster
from tests.db.conftest import run_as_superuser, set_read_only

WRITE = "INSERT INTO note VALUES (1)"


class ServerPair(NamedTuple):
    """Two independent servers."""

    primary: Cluster
    standby: Cluster

    @property
    def address(self) -> str:
        """The address of both servers, the standby first: the first one that answers can't be written."""
        return f"postgresql://{WRITER}@/{DATABASE}?host={self.standby.sockets}&host={self.primary.sockets}"


@pytest.fixture(scope="module")
def pair() -> Iterator[ServerPair]:
    folder = Path(tempfile.mkdtemp(prefix="pri-ha-"))
    with running_cluster(folder / "a") as primary:
        run_as_superuser(primary, "ALTER SYSTEM SET fsync = off")
        run_as_superuser(primary, "SELECT pg_reload_conf()")
        run_as_superuser(primary, "CREATE TABLE note (number int)", DATABASE)
        run_as_superuser(primary, f"GRANT INSERT ON note TO {WRITER}", DATABASE)
        with standby_of(primary, folder / "b") as standby:
            yield ServerPair(primary, standby)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def standby_of(primary: Cluster, folder: Path) -> Iterator[Cluster]:
    target = Cluster(folder).folder
    target.parent.mkdir(parents=True)
    if primary.user:
        files.open_parents(target)
        os.chown(target.parent, *primary.user)
    copying = [
        str(files.program_folder() / "pg_basebackup"),
        "-h",
        str(primary.sockets),
        "-U",
        "postgres",
        "-D",
        str(target),
    ]
    user = dict(zip(("user", "group"), primary.user, strict=True)) if primary.user else {}
    subprocess.run([*copying, "-R", "-c", "fast", "--no-sync"], check=True, cwd="/", **user)  # type: ignore[call-overload]
    with running_cluster(folder) as standby:
        yield standby


@pytest.fixture
async def database(pair: ServerPair) -> AsyncIterator[Database]:
    opened = Database(pair.address, pool_size=3)
    yield opened
    await opened.close()


async def run_statement(database: Database, statement: str) -> object:
    async with database.begin() as session:
        answer = await session.execute(text(statement))
        return answer.scalar_one() if answer.returns_rows else None


async def seconds_until_written(database: Database) -> float:
    began = time.monotonic()
    while time.monotonic() - began < 15:
        try:
            await run_statement(database, WRITE)
        except StoreUnavailable:
            await asyncio.sleep(0.1)
        else:
            return time.monotonic() - began
    return float("inf")


@contextmanager
def demoted_server(server: Cluster) -> Iterator[None]:
    """Makes the server read-only, as a demoted primary is, without the minutes that a standby takes."""
    set_read_only(server, on=True)
    yield
    set_read_only(server, on=False)


async def server_pids(database: Database) -> set[object]:
    """The ids of the server processes behind the pool's connections."""
    question = "SELECT pg_backend_pid() FROM pg_sleep(0.3)"
    return set(await asyncio.gather(*(run_statement(database, question) for _ in range(3))))


async def test_writable_host_of_several_is_used(pair: ServerPair, database: Database) -> None:
    await run_statement(database, WRITE)
    assert run_as_superuser(pair.primary, "SELECT count(*) FROM note", DATABASE) == [(1,)]


async def test_read_only_server_serves_reads_and_explains_refused_writes(pair: ServerPair) -> None:
    database = Database(f"postgresql://{WRITER}@/{DATABASE}?host={pair.standby.sockets}")
    assert await run_statement(database, "SELECT 1") == 1
    with pytest.raises(StoreUnavailable, match="cannot execute INSERT in a read-only transaction"):
        await run_statement(database, WRITE)
    async with database.begin() as session:
        assert "standby" in (await schema.find_write_obstacle(session) or "")
    await database.close()


async def test_first_refused_write_closes_all_sessions(pair: ServerPair, database: Database) -> None:
    before = await server_pids(database)
    with demoted_server(pair.primary), pytest.raises(StoreUnavailable, match="read-only"):
        await run_statement(database, WRITE)
    assert len(before) == 3
    assert not before & await server_pids(database)


@pytest.mark.quiet
async def test_sessions_are_replaced_without_a_write(pair: ServerPair, database: Database) -> None:
    before = await server_pids(database)
    await asyncio.sleep(YOUNG_SECONDS)
    with demoted_server(pair.primary):
        await run_statement(database, "SELECT 1")
    assert not before & await server_pids(database)


@pytest.mark.quiet
async def test_the_new_primary_is_found_within_seconds(pair: ServerPair, database: Database) -> None:
    await server_pids(database)
    with demoted_server(pair.primary):
        run_as_superuser(pair.standby, "SELECT pg_promote(true, 30)")
        assert await seconds_until_written(database) < 3
        assert (
            await asyncio.gather(*(run_statement(database, "SHOW transaction_read_only") for _ in range(3)))
            == ["off"] * 3
        )
