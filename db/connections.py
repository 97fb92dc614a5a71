"""How a connection is made, whatever stands between us and PostgreSQL, and which connections are kept.

Poolers refuse what they can't pass on: PgBouncer every startup parameter that it doesn't track
(https://www.pgbouncer.org/config.html#ignore_startup_parameters), RDS Proxy all `options`. Behind one nothing may be
kept in the session, since each transaction may meet another server: settings go with each transaction, and nothing is
prepared (https://www.pgbouncer.org/features.html#sql-feature-map-for-pooling-modes).
"""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, event, exc
from sqlalchemy.engine import ExceptionContext

from db.address import Address, settings_of
from db.errors import is_connection_lost

CONNECT_SECONDS: Final = 2
"""The least that libpq takes; also the wait for a free connection of the pool."""
PING_SECONDS: Final = 3
"""A pooler without a server keeps its clients waiting for minutes."""
YOUNG_SECONDS: Final = 2.0
"""An older connection that can't write makes room for a new one, which is taken as it is: it can be read."""
READ_WRITE: Final = "read-write"
_BEHIND_POOLER: Final = "behind_pooler"
_FRESH: Final = "fresh"
_MADE_AT: Final = "made_at"
_LISTS: Final = frozenset({"search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries"})
_REFUSES_OPTIONS: Final = re.compile("startup parameter|command-line options")


class _Session(psycopg.AsyncConnection[Any]):
    """A connection that knows what it goes through."""

    behind_pooler = False

    async def detect_pooler(self) -> None:
        """A pooler shows itself by the process id: the one that it told at the start is not the server's."""
        self.behind_pooler = await self.query_value("SELECT pg_backend_pid()") != self.info.backend_pid
        if self.behind_pooler:
            self.prepare_threshold = None

    async def query_value(self, question: LiteralString) -> object:
        """One value, outside of transactions. Raises psycopg.Error, TimeoutError."""
        async with asyncio.timeout(PING_SECONDS):
            await self.set_autocommit(True)
            answer = await (await self.execute(question)).fetchone()
            await self.set_autocommit(False)
        return answer[0] if answer else None


class Connector:
    """Makes connections to one address, with `settings` in force: for the session, or behind a pooler in each
    transaction. What the address itself sets comes first; `fixed` ones are ours alone.
    """

    def __init__(self, address: Address, settings: Mapping[str, str], fixed: Mapping[str, str]) -> None:
        self._address = address
        given = settings_of(address.options)
        self.settings = {**settings, **(given or {}), **fixed}
        """What each transaction must find."""
        merged = [_as_options(settings), address.options, _as_options(fixed)]
        self._options = " ".join(filter(None, merged))
        self._bare_options = "" if given is not None else address.options
        self._options_refused = False

    async def connect(self) -> psycopg.AsyncConnection[Any]:
        """A new connection, to a server that takes writes where there is one. Raises psycopg.OperationalError."""
        parameters = self._connection_parameters()
        while True:
            try:
                return await _detect_pooler(await _Session.connect(**parameters))
            except (psycopg.Error, OSError, ValueError) as error:
                parameters = self._fallback_parameters(parameters, error)

    def connect_waiting(self) -> psycopg.Connection[Any]:
        """As `connect`, for whoever has no loop. Nothing is prepared."""
        parameters = self._connection_parameters()
        while True:
            try:
                return psycopg.connect(**parameters, prepare_threshold=None)
            except (psycopg.Error, OSError, ValueError) as error:
                parameters = self._fallback_parameters(parameters, error)

    def _connection_parameters(self) -> dict[str, Any]:
        """What libpq is told. The TCP settings find a server that vanished without a word."""
        ours = {
            "connect_timeout": str(CONNECT_SECONDS),
            "application_name": "pri",
            "keepalives_idle": "10",
            "keepalives_interval": "5",
            "keepalives_count": "3",
            "tcp_user_timeout": "10000",
            "target_session_attrs": READ_WRITE,
        }
        options = self._bare_options if self._options_refused else self._options
        return {**ours, **self._address.parameters, "options": options}

    def _fallback_parameters(self, tried: dict[str, Any], error: Exception) -> dict[str, Any]:
        """What to try next, after this failed. Raises psycopg.OperationalError where nothing is left."""
        if tried["options"] != self._bare_options and _REFUSES_OPTIONS.search(str(error)):
            self._options_refused = True
            return {**tried, "options": self._bare_options}
        chosen = "target_session_attrs" in self._address.parameters
        if not chosen and tried["target_session_attrs"] == READ_WRITE and "session is read-only" in str(error):
            return {**tried, "target_session_attrs": "any"}  # it can still be read
        if isinstance(error, psycopg.OperationalError):
            raise error
        raise psycopg.OperationalError(str(error) or "no answer in time") from error


async def _detect_pooler(session: _Session) -> _Session:
    try:
        await session.detect_pooler()
    except BaseException:
        await session.close()
        raise
    return session


def _as_options(settings: Mapping[str, str]) -> str:
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def watch_connections(engine: Engine, settings: Mapping[str, str]) -> None:
    """Keep only connections of the engine that live and can write. Behind a pooler each transaction sets `settings`."""
    event.listen(engine, "connect", _note_connection)
    event.listen(engine, "checkout", _ping_connection)
    event.listen(engine, "handle_error", _mark_disconnected)

    def set_settings(connection: Connection) -> None:
        if connection.info.get(_BEHIND_POOLER):
            apply_settings(connection, settings)

    event.listen(engine, "begin", set_settings)


def apply_settings(connection: Connection, settings: Mapping[str, str]) -> None:
    """The settings, until the transaction ends. SET, not set_config(): after a query it would be too late for others to
    choose the transaction's isolation.
    """
    statements = (_set_local(name, value).as_string(None) for name, value in settings.items())
    connection.exec_driver_sql("; ".join(statements), execution_options={"no_parameters": True})


def _set_local(name: str, value: str) -> sql.Composed:
    """At the start of a session a list of names is one text; SET would take that for one name."""
    parts = [part.strip().strip('"') for part in value.split(",")] if name.lower() in _LISTS else [value]
    values = sql.SQL(", ").join(map(sql.Literal, parts))
    return sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(*name.split(".")), values)


def _note_connection(adapted: Any, record: Any) -> None:
    record.info[_MADE_AT], record.info[_FRESH] = time.monotonic(), True
    record.info[_BEHIND_POOLER] = adapted.driver_connection.behind_pooler


def _ping_connection(adapted: Any, record: Any, _: Any) -> None:
    """Another connection in the place of one that is dead, or whose server takes no writes any more."""
    if record.info.pop(_FRESH, False):
        return
    try:
        read_only = adapted.run_async(_is_read_only)
    except (psycopg.Error, TimeoutError) as error:
        raise exc.InvalidatePoolError from error
    if read_only and time.monotonic() - record.info[_MADE_AT] > YOUNG_SECONDS:
        raise exc.InvalidatePoolError


async def _is_read_only(session: _Session) -> bool:
    """On a standby it is always on (https://www.postgresql.org/docs/current/hot-standby.html)."""
    return await session.query_value("SHOW transaction_read_only") == "on"


def _mark_disconnected(context: ExceptionContext) -> None:
    """All connections of a server that said good-bye or takes no writes any more, as they were made before that."""
    if context.original_exception is not None and is_connection_lost(context.original_exception):
        context.is_disconnect = True
