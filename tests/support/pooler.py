"""A real PgBouncer in front of the tests' PostgreSQL."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from devstack._postgres_files import open_parents
from devstack.errors import DevstackError
from devstack.ports import free_port
from devstack.postgres import OWNER, WRITER, Cluster
from devstack.processes import Program, spawn, wait_until
from tests.tools import pgbouncer


@contextmanager
def run_pooler(cluster: Cluster, settings: Mapping[str, str]) -> Iterator[int]:
    """The port of a PgBouncer with these settings, else its defaults."""
    try:
        program = pgbouncer.ensure_pgbouncer()
    except DevstackError as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="pri-pooler-") as name:
        folder, port = Path(name), free_port()
        _write_config(folder, cluster, {"listen_port": str(port), **settings})
        argv = (str(program), "-q", str(folder / "pgbouncer.ini"))
        child = spawn(Program("pgbouncer", argv, folder / "log", cwd=folder, user=cluster.user))
        try:
            assert wait_until(lambda: _is_answering(port), 10), (folder / "log").read_text()
            yield port
        finally:
            child.stop()


def _write_config(folder: Path, cluster: Cluster, settings: Mapping[str, str]) -> None:
    """Readable for the account that runs the server, as PgBouncer doesn't run as root either."""
    options = {
        "listen_addr": "127.0.0.1",
        "auth_type": "trust",
        "auth_file": str(folder / "users"),
        "unix_socket_dir": "",
    }
    lines = "\n".join(f"{name} = {value}" for name, value in {**options, **settings}.items())
    (folder / "pgbouncer.ini").write_text(f"[databases]\n* = host={cluster.sockets}\n[pgbouncer]\n{lines}\n")
    (folder / "users").write_text(f'"{WRITER}" ""\n"{OWNER}" ""\n')
    if cluster.user:
        open_parents(folder)
        for path in (folder, *folder.iterdir()):
            os.chown(path, *cluster.user)


def _is_answering(port: int) -> bool:
    """A database that isn't there is refused by PgBouncer or PostgreSQL, but both have answered."""
    try:
        psycopg.connect(f"postgresql://{WRITER}@127.0.0.1:{port}/postgres", connect_timeout=3).close()
    except psycopg.OperationalError as error:
        return "refused" not in str(error)
    return True
