"""A real PostgreSQL for the tests: one server per session, one cloned database per module."""

import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import sql

from db import schema
from db.session import Database
from devstack.postgres import OWNER, WRITER, Cluster, running_cluster

TEMPLATE = "template_pri"


class Addresses(NamedTuple):
    """One database as three roles."""

    writer: str
    owner: str
    superuser: str


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A server of its own in a temporary folder, without durability."""
    folder = Path(tempfile.mkdtemp(prefix="pri-db-"))
    try:
        with running_cluster(folder) as server:
            run_as_superuser(server, "ALTER SYSTEM SET fsync = off")
            run_as_superuser(server, "SELECT pg_reload_conf()")
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_as_superuser(
    server: Cluster, statement: str, database: str = "postgres", **names: str
) -> list[tuple[Any, ...]]:
    """Runs one statement as the superuser; `{name}` in it is replaced by a quoted identifier."""
    quoted = sql.SQL(statement).format(**{key: sql.Identifier(name) for key, name in names.items()})
    address = server.role_url("postgres", database).replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as connection:
        result = connection.execute(quoted)
        return result.fetchall() if result.description else []


def set_read_only(server: Cluster, *, on: bool) -> None:
    """Has all sessions refuse writes, or take them; waits until new ones see it: the reload only sends a signal."""
    change = "SET default_transaction_read_only = on" if on else "RESET default_transaction_read_only"
    run_as_superuser(server, f"ALTER SYSTEM {change}")
    run_as_superuser(server, "SELECT pg_reload_conf()")
    while run_as_superuser(server, "SHOW default_transaction_read_only") != [("on" if on else "off",)]:
        time.sleep(0.02)


def run_as_owner(addresses: Addresses, *statements: str) -> None:
    """What the writer's role may not do."""
    with psycopg.connect(addresses.owner.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture(scope="session")
def fresh_database(cluster: Cluster) -> Callable[..., Addresses]:
    """Creates an empty database, or a copy of another one."""
    names: list[str] = []

    def make_database(template: str = "template0", name: str | None = None) -> Addresses:
        name = name or f"test_{len(names)}"
        names.append(name)
        run_as_superuser(cluster, "CREATE DATABASE {name} OWNER {owner} TEMPLATE {template}", name=name, owner=OWNER,
              template=template)  # fmt: skip
        return Addresses(*(cluster.role_url(role, name) for role in (WRITER, OWNER, "postgres")))

    return make_database


@pytest.fixture(scope="session")
def migrated(fresh_database: Callable[..., Addresses]) -> str:
    """The name of a migrated database to copy."""
    schema.upgrade_schema(fresh_database(name=TEMPLATE).owner, WRITER)
    return TEMPLATE


@pytest.fixture(scope="module")
def addresses(fresh_database: Callable[..., Addresses], migrated: str) -> Addresses:
    """The addresses of a migrated database for this module."""
    return fresh_database(migrated)


@pytest.fixture(scope="module")
async def database(addresses: Addresses) -> AsyncIterator[Database]:
    """That database in the writer's role, as the service uses it."""
    opened = Database(addresses.writer)
    yield opened
    await opened.close()
