"""PostgreSQL from a wheel, in a data directory: no installation, no container, data kept over restarts.

    with running_cluster(data_dir) as cluster:
        connect(cluster.writer_url)

It listens on a Unix socket only, in a folder that no other user may enter. Started by root it runs as a service
account, and the parents of its folders then get o+x so that this account can reach them.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from devstack import _postgres_files as files
from devstack.errors import DevstackError
from devstack.processes import (
    Child,
    Identity,
    Program,
    command_line,
    end_process,
    exclusive_lock,
    last_log_line,
    launch_prefix,
    pid_exists,
    spawn,
    start_mark,
    wait_until,
)

DATABASE, OWNER, WRITER = "pri", "pri_owner", "pri_writer"
SERVER_SETTINGS = ("listen_addresses=", "max_connections=200", "timezone=UTC", "log_timezone=UTC")
INITDB_OPTIONS = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
          "--builtin-locale=C.UTF-8", "--username=postgres")  # fmt: skip


class Cluster:
    """The PostgreSQL of one data directory, running or not. Raises DevstackError if no user or socket can be used."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir.resolve() / "postgres"
        self.log = data_dir.resolve() / "logs" / "postgres.log"
        self.user = files.service_account(self.folder)
        self.sockets = files.socket_dir(self.folder, self.user)

    @property
    def writer_url(self) -> str:
        """SQLAlchemy address of the services' role, which owns no tables."""
        return self.role_url(WRITER)

    @property
    def owner_url(self) -> str:
        """SQLAlchemy address of the role that owns the database and runs migrations."""
        return self.role_url(OWNER)

    def role_url(self, role: str, database: str = DATABASE) -> str:
        """SQLAlchemy address of a role over the socket. There is no password: the socket's folder is private."""
        return f"postgresql+psycopg://{role}@/{database}?host={quote(str(self.sockets), safe='/')}"

    def server_program(self) -> Program:
        """The server as a foreground process; its stop signal SIGINT is PostgreSQL's fast shutdown."""
        postgres = str(files.program_folder() / "postgres")
        options = [word for setting in SERVER_SETTINGS for word in ("-c", setting)]
        argv = (postgres, "-D", str(self.folder), "-k", str(self.sockets), *options)
        return Program("postgres", argv, self.log, cwd=Path("/"), stop_signal=signal.SIGINT, user=self.user)

    def prepare(self) -> None:
        """Creates the cluster on first use, and ends a server that an earlier start left running on it.

        Raises DevstackError if initdb fails or processes of the earlier server don't end.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self.user:
            files.open_parents(self.folder)
            files.open_parents(files.program_folder() / "postgres")
        if not (self.folder / "PG_VERSION").exists():
            self._create_cluster()
        self._end_left_over()

    def _create_cluster(self) -> None:
        """Creates the cluster under a temporary name, then renames it: an interrupted start leaves no partial one."""
        fresh = self.folder.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self.user:
            os.chown(fresh, *self.user)
        self._run_initdb(fresh)
        with suppress(FileNotFoundError):
            self.folder.rmdir()
        fresh.rename(self.folder)

    def _run_initdb(self, folder: Path) -> None:
        command = [
            *launch_prefix(self.user),
            str(files.program_folder() / "initdb"),
            *INITDB_OPTIONS,
            "-D",
            str(folder),
        ]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, start_new_session=True)
        if done.returncode:
            raise DevstackError(f"PostgreSQL could not make {folder}: {done.stderr.strip()[-400:]}")

    def _end_left_over(self) -> None:
        """Ends a running server of this folder, and waits for the remaining processes of one that was killed."""
        note = self.folder / "postmaster.pid"
        pid = _first_number(note) or 0
        line, mark = command_line(pid), start_mark(pid)
        # The number may be another program's by now: only a command line that names this folder is the server's.
        if mark and str(self.folder) in line:
            end_process(Identity(pid, mark, line), signal.SIGINT, 20.0)
        if not wait_until(lambda: not files.processes_in(self.folder), 20):
            raise DevstackError(
                f"processes {files.processes_in(self.folder)} of an earlier PostgreSQL still use {self.folder}"
            )
        for stale in (note, self.sockets / f"{files.SOCKET_FILE}.lock"):
            _discard_stale_note(stale)

    def wait_ready(self, exit_code: Callable[[], int | None], stopping: Callable[[], bool] = lambda: False) -> None:
        """Returns when it accepts connections. `exit_code` returns the server's exit code, None while it runs.

        Raises DevstackError if it ended or takes longer than 60 seconds, and StackInterrupted on `stopping`.
        """
        settled = wait_until(lambda: exit_code() is not None or self.is_answering(), 60, stopping)
        if not settled or exit_code() is not None:
            raise DevstackError(f"PostgreSQL did not start: {last_log_line(self.log)} (log: {self.log})")

    def is_answering(self) -> bool:
        """Whether it accepts a connection now."""
        try:
            psycopg.connect(self._admin_conninfo(), connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def ensure_database(self) -> None:
        """Creates the owner, the writer and the database, as far as they don't exist."""
        with psycopg.connect(self._admin_conninfo(), autocommit=True) as admin:
            for role in (OWNER, WRITER):
                if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                names = map(sql.Identifier, (DATABASE, OWNER))
                admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))

    def _admin_conninfo(self) -> str:
        return f"host='{self.sockets}' user=postgres dbname=postgres"


def _discard_stale_note(note: Path) -> None:
    """Removes a dead server's note if its process number is in use again.

    PostgreSQL itself ignores a note whose process is gone. If the number now belongs to another process, or to a zombie
    in a container without an init, it would assume a running server and refuse to start.
    """
    pid = _first_number(note)
    if pid and pid_exists(pid):
        note.unlink(missing_ok=True)


def _first_number(note: Path) -> int | None:
    try:
        return int(note.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


@contextmanager
def running_cluster(data_dir: Path) -> Iterator[Cluster]:
    """A running cluster with database and roles, stopped when the context is left.

    Raises DevstackError if another process uses the directory, or if the server doesn't start.
    """
    cluster = Cluster(data_dir)
    with exclusive_lock(data_dir / "postgres.lock", f"another process runs PostgreSQL in {data_dir}"):
        cluster.prepare()
        child = spawn(cluster.server_program())
        try:
            _open_cluster(cluster, child)
            yield cluster
        finally:
            child.stop()


def _open_cluster(cluster: Cluster, child: Child) -> None:
    cluster.wait_ready(child.exit_code)
    cluster.ensure_database()
