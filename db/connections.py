"""Makes connections to PostgreSQL, directly or through a pooler, and drops those that died or became read-only.

Poolers refuse what they can't pass on: PgBouncer every startup parameter that it doesn't track
(https://www.pgbouncer.org/config.html#ignore_startup_parameters), RDS Proxy all `options`. Behind a pooler nothing may
be kept in the session, since each transaction may run on another server connection: settings are sent with each
transaction, and nothing is prepared (https://www.pgbouncer.org/features.html#sql-feature-map-for-pooling-modes).
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
from sqlalchemy.ext.asyncio import AsyncConnection

from db.address import Address, settings_of
from db.errors import is_connection_lost

CONNECT_SECONDS: Final = 2
"""Time limit for connecting to one server, the smallest that libpq accepts; also for a free connection of the pool."""
PING_SECONDS: Final = 3
"""Time limit for checking a pooled connection: a pooler without a server keeps clients waiting for minutes."""
YOUNG_SECONDS: Final = 2.0
"""A read-only connection older than this is replaced. A younger one is used as it is: reading still works."""
READ_WRITE: Final = "read-write"
_BEHIND_POOLER: Final = "behind_pooler"
CHECK_SECONDS: Final = 1.0
"""A pooled connection that was checked so recently is used as it is: under load, checks would be a third of all calls.
What breaks in this second fails one transaction, after which the whole pool is replaced."""
_CHECKED_AT: Final = "checked_at"
_MADE_AT: Final = "made_at"
_LISTS: Final = frozenset({"search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries"})
_REFUSES_OPTIONS: Final = re.compile("startup parameter|command-line options")


class _Session(psycopg.AsyncConnection[Any]):
    """A connection that knows whether a pooler stands between it and the server."""

    behind_pooler = False

    async def detect_pooler(self) -> None:
        """Sets `behind_pooler`: the process id that a pooler sent at connect is not that of the server. Raises as
        `query_value`.
        """
        self.behind_pooler = await self.query_value("SELECT pg_backend_pid()") != self.info.backend_pid
        if self.behind_pooler:
            self.prepare_threshold = None

    async def query_value(self, question: LiteralString) -> object:
        """The first value of a query outside of transactions; None without rows. Raises psycopg.Error, TimeoutError."""
        async with asyncio.timeout(PING_SECONDS):
            await self.set_autocommit(True)
            answer = await (await self.execute(question)).fetchone()
            await self.set_autocommit(False)
        return answer[0] if answer else None


class Connector:
    """Makes connections to one address with server settings: for the session, or behind a pooler per transaction.

    The address's own settings take precedence over `settings`, and `fixed` over both.
    """

    def __init__(self, address: Address, settings: Mapping[str, str], fixed: Mapping[str, str]) -> None:
        self._address = address
        given = settings_of(address.options)
        self.settings = {**settings, **(given or {}), **fixed}
        """The settings that hold in each transaction."""
        merged = [_as_options(settings), address.options, _as_options(fixed)]
        self._options = " ".join(filter(None, merged))
        self._bare_options = "" if given is not None else address.options
        self._options_refused = False

    async def connect(self) -> psycopg.AsyncConnection[Any]:
        """A new connection, to a server that accepts writes if there is one. Raises psycopg.OperationalError."""
        parameters = self._connection_parameters()
        while True:
            try:
                return await _detect_pooler(await _Session.connect(**parameters))
            except (psycopg.Error, OSError, ValueError) as error:
                parameters = self._fallback_parameters(parameters, error)

    def connect_waiting(self) -> psycopg.Connection[Any]:
        """As `connect`, blocking, for callers without an event loop. Nothing is prepared."""
        parameters = self._connection_parameters()
        while True:
            try:
                return psycopg.connect(**parameters, prepare_threshold=None)
            except (psycopg.Error, OSError, ValueError) as error:
                parameters = self._fallback_parameters(parameters, error)

    def _connection_parameters(self) -> dict[str, Any]:
        """Parameters for libpq; those of the address take precedence over ours."""
        # Keepalives and the TCP timeout notice a server that vanished without closing its connections.
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
        """Parameters for the next try after this error. Raises psycopg.OperationalError if nothing is left to try."""
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
    """Makes the engine check its connections before use, and set `settings` in each transaction behind a pooler."""
    event.listen(engine, "connect", _note_connection)
    event.listen(engine, "checkout", _ping_connection)
    event.listen(engine, "handle_error", _mark_disconnected)

    def set_settings(connection: Connection) -> None:
        if connection.info.get(_BEHIND_POOLER):
            apply_settings(connection, settings)

    event.listen(engine, "begin", set_settings)


def is_behind_pooler(session: AsyncConnection) -> bool:
    """Whether a pooler stands between this connection and the server."""
    return bool(session.sync_connection and session.sync_connection.info.get(_BEHIND_POOLER))


def apply_settings(connection: Connection, settings: Mapping[str, str]) -> None:
    """Sets the settings until the transaction ends."""
    # SET, not set_config(): after a SELECT the caller could no longer choose the transaction's isolation level.
    statements = (_set_local(name, value).as_string(None) for name, value in settings.items())
    connection.exec_driver_sql("; ".join(statements), execution_options={"no_parameters": True})


def _set_local(name: str, value: str) -> sql.Composed:
    # As a startup parameter a list of names is one text; SET would take that text for a single name.
    parts = [part.strip().strip('"') for part in value.split(",")] if name.lower() in _LISTS else [value]
    values = sql.SQL(", ").join(map(sql.Literal, parts))
    return sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(*name.split(".")), values)


def _note_connection(adapted: Any, record: Any) -> None:
    record.info[_MADE_AT] = record.info[_CHECKED_AT] = time.monotonic()
    record.info[_BEHIND_POOLER] = adapted.driver_connection.behind_pooler


def _ping_connection(adapted: Any, record: Any, _: Any) -> None:
    """Checks a pooled connection before use. InvalidatePoolError makes SQLAlchemy replace it, and older ones too."""
    if time.monotonic() - record.info[_CHECKED_AT] < CHECK_SECONDS:
        return
    try:
        read_only = adapted.run_async(_is_read_only)
    except (psycopg.Error, TimeoutError) as error:
        raise exc.InvalidatePoolError from error
    if read_only and time.monotonic() - record.info[_MADE_AT] > YOUNG_SECONDS:
        raise exc.InvalidatePoolError
    record.info[_CHECKED_AT] = time.monotonic()


async def _is_read_only(session: _Session) -> bool:
    """Whether writes are refused; always so on a standby (https://www.postgresql.org/docs/current/hot-standby.html)."""
    return await session.query_value("SHOW transaction_read_only") == "on"


def _mark_disconnected(context: ExceptionContext) -> None:
    """Invalidates all pooled connections after an error that says the server shuts down or became read-only."""
    if context.original_exception is not None and is_connection_lost(context.original_exception):
        context.is_disconnect = True
