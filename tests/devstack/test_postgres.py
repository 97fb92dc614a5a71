"""The embedded PostgreSQL: two roles, persistent data, and a start that recovers from a crash."""

import os
import signal
import stat
import tempfile
from pathlib import Path

import psycopg
import pytest

from devstack import _postgres_files as files
from devstack.errors import DevstackError
from devstack.postgres import Cluster, running_cluster
from devstack.processes import spawn, start_mark, wait_until


def connect_to(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def fetch_value(url: str, query: str) -> object:
    with connect_to(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row and row[0]


def test_data_and_roles_survive_restarts_and_a_killed_server(folder: Path) -> None:
    with running_cluster(folder) as cluster:
        assert str(fetch_value(cluster.owner_url, "SHOW server_version")).startswith("18.")
        with connect_to(cluster.owner_url) as owner:
            owner.execute("CREATE TABLE kept AS SELECT 7 AS n")
            owner.execute("GRANT SELECT ON kept TO pri_writer")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            fetch_value(cluster.writer_url, "CREATE TABLE mine (n int)")
        first = int((cluster.folder / "postmaster.pid").read_text().splitlines()[0])
        with pytest.raises(DevstackError, match="another process"), running_cluster(folder):
            pytest.fail("two servers on one folder")
    assert start_mark(first) is None

    crashed = Cluster(folder)
    crashed.prepare()
    child = spawn(crashed.server_program())
    crashed.wait_ready(child.exit_code)
    os.kill(child.pid, signal.SIGKILL)
    assert wait_until(lambda: child.exit_code() is not None, 5)

    with running_cluster(folder) as cluster:
        assert fetch_value(cluster.writer_url, "SELECT n FROM kept") == 7
        assert fetch_value(cluster.writer_url, "SHOW fsync") == "on"


def test_leftover_server_is_stopped_and_a_foreign_process_is_not(folder: Path) -> None:
    leftover = Cluster(folder)
    leftover.prepare()
    child = spawn(leftover.server_program())
    leftover.wait_ready(child.exit_code)
    with running_cluster(folder) as cluster:
        assert cluster.is_answering()
        assert child.exit_code() is not None
    (cluster.folder / "postmaster.pid").write_text(f"{os.getpid()}\n")
    with running_cluster(folder) as cluster:
        assert cluster.is_answering()


def test_a_long_path_gets_a_short_private_socket_folder(folder: Path) -> None:
    long = folder / ("x" * 120)
    with running_cluster(long) as cluster:
        assert fetch_value(cluster.writer_url, "SELECT 1") == 1
        assert len(str(cluster.sockets)) < 60
        assert stat.S_IMODE(cluster.sockets.stat().st_mode) == 0o700
    cluster.sockets.rmdir()


def test_invalid_socket_paths_are_refused(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert files.fits_socket(folder)
    assert not files.fits_socket(folder / "a,b")
    assert not files.fits_socket(folder / "a b")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp/" + "y" * 120)
    with pytest.raises(DevstackError, match="no socket fits"):
        files.socket_dir(folder / ("x" * 120), None)


def test_failed_start_gives_its_reason(folder: Path) -> None:
    with running_cluster(folder) as cluster:
        pass
    (cluster.folder / "postgresql.conf").write_text("nonsense here\n")
    with pytest.raises(DevstackError, match=r"PostgreSQL did not start: .*log: "), running_cluster(folder):
        pytest.fail("it started")
