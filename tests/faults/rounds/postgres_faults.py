"""Faults of PostgreSQL that are no crash: an orderly restart, a read-only server, a full disk, deadlocks."""

import asyncio
from contextlib import suppress
from typing import ClassVar, Final

import psycopg

from tests.faults.rounds.database import run_as_superuser, server_conninfo
from tests.faults.rounds.faults import Fault, ShortFault, Target
from tests.faults.rounds.small_disk import SmallDisk, find_disk_obstacle

SERVICE: Final = "pri"
"""The service's database."""


class PostgresRestarted(Fault):
    """PostgreSQL is shut down in order, which ends all sessions, and started again."""

    name = "postgres-restarted"

    async def inject(self) -> None:
        """SIGINT, PostgreSQL's fast shutdown, and a start."""
        self.target.service.stack.restart("postgres")


class _RefusedWrites(ShortFault):
    """What PostgreSQL refuses writes for; its log must say so in these words."""

    refusal: ClassVar[str]

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._url = target.service.stack.addresses.owner_url
        self._log = target.service.stack.data_dir / "logs" / "postgres.log"
        self._logged = self._log.stat().st_size

    async def find_problems(self) -> list[str]:
        """That no write was refused."""
        said = self._log.read_bytes()[self._logged :].decode(errors="replace")
        return [] if self.refusal in said else [f"PostgreSQL never said: {self.refusal}"]


class PostgresReadOnly(_RefusedWrites):
    """The server takes no writes, as a primary that a failover has demoted; its sessions go on."""

    name = "postgres-read-only"
    refusal = "in a read-only transaction"

    async def inject(self) -> None:
        """Every transaction from now on is read-only, those of open sessions too."""
        reload = "SELECT pg_reload_conf()"
        run_as_superuser(self._url, "ALTER SYSTEM SET default_transaction_read_only = on", reload)

    async def heal(self) -> None:
        """Writes are taken again."""
        reload = "SELECT pg_reload_conf()"
        run_as_superuser(self._url, "ALTER SYSTEM RESET default_transaction_read_only", reload)


class PostgresDiskFull(_RefusedWrites):
    """The disk of log and inbox is full (SQLSTATE 53100).

    As root on Linux it is a small one to which these tables are moved. Elsewhere a trigger raises the same error.
    """

    name = "postgres-disk-full"
    refusal = "No space left on device"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._disk: SmallDisk | None = None

    async def inject(self) -> None:
        """Inserts fail from now on."""
        if find_disk_obstacle():
            run_as_superuser(self._url, *FULL_BY_TRIGGER, database=SERVICE)
        else:
            self._disk = SmallDisk(self.target.service.stack.data_dir)
            self._disk.mount()
            run_as_superuser(self._url, self._disk.create_tablespace)
            self._move_tables(self._disk.tablespace)
            self._disk.fill()

    async def heal(self) -> None:
        """There is room again."""
        if self._disk:
            self._disk.free()
            try:
                self._move_tables("pg_default")
                run_as_superuser(self._url, self._disk.drop_tablespace)
            finally:
                self._disk.unmount()
        else:
            run_as_superuser(self._url, "DROP FUNCTION full_disk() CASCADE", database=SERVICE)

    def _move_tables(self, tablespace: str) -> None:
        tables = run_as_superuser(self._url, WRITTEN_TABLES, database=SERVICE)
        moves = [f"ALTER TABLE {name} SET TABLESPACE {tablespace}" for (name,) in tables]
        run_as_superuser(self._url, *moves, database=SERVICE)


WRITTEN_TABLES: Final = """
    SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'event_log'::regclass
    UNION ALL SELECT 'webhook_inbox'"""
FULL_BY_TRIGGER: Final = (
    """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
    END $$""",
    "CREATE TRIGGER full_disk BEFORE INSERT ON event_log FOR EACH ROW EXECUTE FUNCTION full_disk()",
    "CREATE TRIGGER full_disk BEFORE INSERT ON webhook_inbox FOR EACH ROW EXECUTE FUNCTION full_disk()",
)


class PostgresDeadlocks(ShortFault):
    """A second session locks what the service's transactions write, in the opposite order; often they are the victim.

    PostgreSQL cancels the session whose `deadlock_timeout` is over first: ours has a very long or a very short one.
    """

    name = "postgres-deadlocks"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._url = target.service.stack.addresses.owner_url
        self._running: asyncio.Task[None] | None = None
        self._victims = 0

    async def inject(self) -> None:
        """One deadlock after another from now on."""
        self._running = asyncio.create_task(self._cause_deadlocks())

    async def heal(self) -> None:
        """No more of them."""
        assert self._running, "not injected"
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running

    async def find_problems(self) -> list[str]:
        """That PostgreSQL never chose a transaction of the service."""
        return [] if self._victims else ["no transaction of the service was a deadlock's victim"]

    async def _cause_deadlocks(self) -> None:
        conninfo = server_conninfo(self._url, SERVICE)
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as session:
            while True:
                patience = self.target.draw.choice(("10ms", "1min", "1min"))
                with suppress(psycopg.errors.DeadlockDetected):
                    async with session.transaction():
                        await self._cross_locks(session, patience)
                await asyncio.sleep(0.3)

    async def _cross_locks(self, session: psycopg.AsyncConnection, patience: str) -> None:
        """A step writes the log first and then its read model: the read model is locked first here, and then the log.

        When the second lock is granted, everybody who held the log while waiting for the read model has been canceled.
        """
        await session.execute(f"SET LOCAL deadlock_timeout = '{patience}'".encode())
        await session.execute("LOCK TABLE recovery IN SHARE ROW EXCLUSIVE MODE")
        for _ in range(100):
            await asyncio.sleep(0.02)
            if await (await session.execute(WAITING_WRITERS)).fetchone():
                await session.execute("LOCK TABLE event_log IN SHARE ROW EXCLUSIVE MODE")
                self._victims += 1
                return


WAITING_WRITERS: Final = b"""
    SELECT 1 FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))
    AND relation = 'event_log'::regclass AND mode = 'RowExclusiveLock' AND granted"""
"""Sessions that have written to the log and wait for us."""
