"""Statements that every recovery runs, given to the driver as they are.

SQLAlchemy builds, looks up and wraps each statement anew, which costs more than the driver's work. Here a statement is
made into SQL once. It runs in the session's transaction, and its errors are handled as SQLAlchemy handles its own.
"""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import ClauseElement, Connection
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg

from db.session import Session

_DIALECT: Final = PGDialectAsync_psycopg()  # type: ignore[no-untyped-call]


class _Execution:
    """One execution, as far as listeners ask for it. Tracers keep their span on it until it is over."""

    dialect = _DIALECT
    executemany = False

    def handle_dbapi_exception(self, error: BaseException) -> None:
        """Called by SQLAlchemy's handler of errors."""


class HotStatement:
    """A statement of SQLAlchemy as SQL for the driver, with the values that are part of it.

    Lists are arrays there: `IN` would need as many parameters as it has values.
    """

    def __init__(self, statement: ClauseElement) -> None:
        compiled = _DIALECT.statement_compiler(_DIALECT, statement)
        self.sql: Final = str(compiled)
        self._query = self.sql.encode()
        self._constants = {name: bind.value for bind, name in compiled.bind_names.items() if not bind.required}

    async def fetch(self, session: Session, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows by column name. Raises as `Session.execute`; psycopg.ProgrammingError where a value is missing."""
        return await (await self._send(session, values)).fetchall()

    async def execute(self, session: Session, values: Mapping[str, Any]) -> int:
        """The number of rows written, of a statement that returns none. Raises as `fetch`."""
        return (await self._send(session, values)).rowcount

    async def _send(self, session: Session, values: Mapping[str, Any]) -> psycopg.AsyncCursor[dict[str, Any]]:
        connection, parameters, execution = _connection_of(session), {**self._constants, **values}, _Execution()
        driver: psycopg.AsyncConnection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
        cursor = driver.cursor(row_factory=dict_row)
        # Who listens to the engine hears of these statements as well: they are traced, counted, and plans checked.
        events, heard = connection.engine.dispatch, (connection, cursor, self.sql, parameters, execution, False)
        events.before_cursor_execute(*heard)
        try:
            await cursor.execute(self._query, parameters)
        except BaseException as error:
            # Cancellations too: what the server made of the statement is not known then.
            await session.run_sync(self._handle_error, error, execution)
        events.after_cursor_execute(*heard)
        return cursor

    def _handle_error(self, connection: Connection, error: BaseException, execution: _Execution) -> NoReturn:
        """Has SQLAlchemy translate the error, and drop this connection or all of the pool where they are dead."""
        # Without the values: they may be personal data.
        statement = self.sql if isinstance(error, psycopg.Error) else None
        try:
            raise error
        except BaseException:
            connection._handle_dbapi_exception(error, statement, None, None, execution)  # type: ignore[arg-type]


def _connection_of(session: Session) -> Connection:
    connection = session.sync_connection
    assert connection is not None, "the session is open"
    return connection
