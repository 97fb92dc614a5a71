"""PostgreSQL in memory: tables, transactions that commit at once or not at all, and locks that end with them.

A transaction reads what is committed, and its own writes take effect at the commit, as far as the service's
transactions can tell: none of them reads what it wrote.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from datetime import datetime
from typing import Any, Final

from core.errors import StoreUnavailable
from core.events import Record
from core.payments import ProviderEvent
from db.repositories import event_log
from db.session import IDLE_SECONDS
from tests.deterministic.faults import Faults
from tests.deterministic.loop import PROCESS, Process, VirtualLoop

STATEMENT_SECONDS: Final = 5.0
Row = dict[str, Any]


class StoredRow(dict[str, Any]):
    """A row of the event log, which never changes."""

    record: Record | None = None
    """As the service reads it; None: nobody did yet."""


class Tables:
    """What is committed."""

    def __init__(self) -> None:
        self.event_log: dict[str, list[Row]] = {}
        self.inbox: dict[tuple[str, str], Row] = {}
        self.events: dict[tuple[str, str], ProviderEvent] = {}
        self.recoveries: dict[str, Row] = {}
        self.attempts: dict[tuple[str, str], Any] = {}
        self.signals: dict[tuple[str, str], Row] = {}
        self.notices: dict[Any, Any] = {}


class Locks:
    """Locks of keys; whoever waits gets one in the order of asking."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._holders: dict[Hashable, Any] = {}
        self._queues: dict[Hashable, deque[tuple[Any, asyncio.Future[None]]]] = {}

    def is_free(self, key: Hashable, session: Any) -> bool:
        """Whether nobody else holds the lock."""
        return self._holders.get(key, session) is session

    async def take(self, key: Hashable, session: Any) -> None:
        """Returns once the session holds the lock. Raises StoreUnavailable after the limit of a statement."""
        if self.is_free(key, session):
            self._holders[key] = session
            return
        turn = self._loop.create_future()
        self._queues.setdefault(key, deque()).append((session, turn))
        timer = self._loop.call_later(STATEMENT_SECONDS, _give_up, turn)
        try:
            await turn
        finally:
            timer.cancel()

    def release_all(self, session: Any) -> None:
        """Ends what the session holds."""
        for key in [key for key, holder in self._holders.items() if holder is session]:
            del self._holders[key]
            self._pass_on(key)

    def _pass_on(self, key: Hashable) -> None:
        waiting = self._queues.get(key)
        while waiting:
            session, turn = waiting.popleft()
            if not turn.done() and not session.is_over:
                self._holders[key] = session
                turn.set_result(None)
                return


def _give_up(turn: "asyncio.Future[None]") -> None:
    if not turn.done():
        turn.set_exception(StoreUnavailable("simulated: canceling statement due to statement timeout"))


class MemoryDatabase:
    """`db.session.Database` in memory."""

    def __init__(self, loop: VirtualLoop, draw: random.Random, clock: Callable[[], datetime], faults: Faults) -> None:
        self.loop, self.draw, self.clock, self.faults = loop, draw, clock, faults
        self.tables, self.locks = Tables(), Locks(loop)
        self.away_until = 0.0
        self.on_commit: Callable[[str, Row], None] = lambda _, __: None
        """Hears of each committed row of the event log."""
        self.on_change: Callable[[], None] = lambda: None
        """Hears of each commit."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["MemorySession"]:
        """One transaction, as `Database.begin`. Raises StoreUnavailable."""
        session = MemorySession(self, PROCESS.get())
        try:
            yield session
            await session.commit()
        finally:
            session.end()

    begin_statement = begin
    """As `Database.begin_statement`: the one statement and its commit."""

    def abort_all(self, process: Process) -> None:
        """Rolls back what a dead process left open."""
        for session in list(process.sessions):
            session.end()

    def abort_idle(self, process: Process, seconds: float) -> None:
        """Rolls back what a process that is stopped for so long has open, once it was idle for too long."""
        if seconds > IDLE_SECONDS:
            for session in process.sessions:
                self.loop.call_later(IDLE_SECONDS, session.end, context=Context())


class MemorySession:
    """An open transaction."""

    def __init__(self, database: MemoryDatabase, process: Process | None) -> None:
        self.database, self.tables, self._process = database, database.tables, process
        self._writes: list[Callable[[], Any]] = []
        self.is_over = False
        if process:
            process.sessions.append(self)

    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        """What PostgreSQL answers to the statements of `db.repositories.event_log`; others are not in the model."""
        await self.pause()
        if statement is event_log.LOCK:
            await self.lock(("recovery", parameters["recovery_id"]))
            return Answer([], self.database.clock())
        assert statement is event_log.READ, f"not in the model: {statement}"
        return Answer(self.tables.event_log.get(parameters["recovery_id"], [])[parameters["first"] - 1 :])

    async def pause(self) -> None:
        """The way to PostgreSQL and back. Raises StoreUnavailable where the transaction or the server is lost."""
        database = self.database
        # Every statement may fail; not at every one something else gets its turn, which would double the cost.
        if (way := database.draw.random()) < 0.4:
            await database.loop.sleep(way * 0.01)
        if kind := database.faults.visit("statement"):
            await database.faults.strike_statement(kind, database.draw)
        self._check_usable()

    def _check_usable(self) -> None:
        if self.is_over or self.database.away_until > self.database.loop.time():
            raise StoreUnavailable("simulated: server closed the connection")

    async def lock(self, key: Hashable) -> None:
        """Returns once this transaction holds the lock. Raises StoreUnavailable."""
        await self.database.locks.take(key, self)
        self._check_usable()

    def write(self, effect: Callable[..., Any], *values: Any) -> None:
        """Has this done at the commit."""
        self._writes.append(lambda: effect(*values))

    async def commit(self) -> None:
        """Makes the writes visible, all at once. Raises StoreUnavailable, before or after."""
        database = self.database
        await database.loop.sleep(database.draw.random() * 0.003 + 0.0002)
        if not self._writes:
            return self.end()
        kind = database.faults.visit("commit")
        if kind in {"away", "kill_before", "stop_before"}:
            await _strike_commit(database, kind)
        self._check_usable()
        for effect in self._writes:
            effect()
        self.end()
        database.on_change()
        if kind in {"lost", "kill_after", "stop_after"}:
            await _strike_commit(database, kind)
        return None

    def end(self) -> None:
        """Releases the locks; what is not committed is gone."""
        if not self.is_over:
            self.is_over = True
            self.database.locks.release_all(self)
            if self._process:
                self._process.sessions.remove(self)

    def insert_rows(self, rows: Sequence[Mapping[Any, Any]]) -> None:
        """Adds rows of one recovery to the event log."""
        recovery_id = rows[0]["recovery_id"]
        stored = self.tables.event_log.setdefault(recovery_id, [])
        for new in rows:
            assert new["sequence"] == len(stored) + 1, f"duplicate key: row {new['sequence']} of {recovery_id}"
            row = StoredRow(new)
            row["data"] = json.loads(json.dumps(row["data"]))
            stored.append(row)
            self.database.on_commit(recovery_id, row)


async def _strike_commit(database: MemoryDatabase, kind: str) -> None:
    if kind in {"kill_before", "kill_after"}:
        return await database.faults.die()
    if kind in {"stop_before", "stop_after"}:
        return await database.faults.stop(database.draw.uniform(3.0, 90.0))
    raise StoreUnavailable("simulated: the connection was lost during COMMIT")


class Answer:
    """The result of a statement."""

    def __init__(self, rows: list[Row], scalar: Any = None) -> None:
        self._rows, self._scalar = rows, scalar

    def mappings(self) -> list[Row]:
        """The rows."""
        return self._rows

    def scalar_one(self) -> Any:
        """The one value."""
        return self._scalar
