"""`pri migrate`, `pri rebuild`, `pri erase`, and the database of other commands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import Progress
from temporalio.service import RPCError

from commands import console
from core.errors import EngineUnavailable, InvalidInput
from db import address, schema
from db import rebuild as rebuilding
from db.erasure import erase_customer
from db.repositories import operator_actions
from db.repositories.operator_actions import AuditAction, AuditEntry
from db.session import Database
from settings import Settings, read_environment, secret_keys
from workflows import namespace
from workflows.client import connect_temporal

TEMPORAL_TIMEOUT_SECONDS = 10.0
COMMAND_LINE_ACTOR = "pri"
"""Actor of audit entries for commands on the server's command line, where people don't sign in."""


@asynccontextmanager
async def open_database(settings: Settings, address: str = "") -> AsyncIterator[Database]:
    """The database for one command, closed afterwards; as the writer where no other address is given.

    Raises InvalidInput if DATABASE_URL isn't set.
    """
    given = address or settings.database_url.get_secret_value()
    if not given:
        raise InvalidInput("DATABASE_URL is not set.")
    database = Database(given)
    try:
        yield database
    finally:
        await database.close()


def upgrade_database(settings: Settings) -> None:
    """Migrates the database to this release and registers Temporal's search attributes.

    Raises InvalidInput if no database is configured or its address is invalid, StoreUnavailable if a migration fails.
    """
    if not settings.owner_url:
        raise InvalidInput("Neither DATABASE_OWNER_URL nor DATABASE_URL is set.")
    given = settings.database_url.get_secret_value() or settings.owner_url
    _check_owner_url(settings)
    schema.upgrade_schema(settings.owner_url, address.parse_address(given).role)
    console.print_note("database: at the newest migration")
    console.print_note(asyncio.run(_register_search_attributes()))


def _check_owner_url(settings: Settings) -> None:
    """Raises InvalidInput, naming the setting, for an owner's address that is none."""
    given = settings.database_owner_url.get_secret_value()
    address.parse_address(settings.owner_url, "DATABASE_OWNER_URL" if given else "DATABASE_URL")


async def _register_search_attributes() -> str:
    """Registers the search attributes and returns a sentence about that. Never fails the command."""
    # Without them only the filters in Temporal's web UI are missing.
    try:
        async with asyncio.timeout(TEMPORAL_TIMEOUT_SECONDS):
            added = await namespace.register_attributes(await connect_temporal(read_environment()))
    except (TimeoutError, RPCError, EngineUnavailable) as error:
        return f"temporal: search attributes were not registered ({type(error).__name__}); see docs/operations.md"
    return f"temporal: search attributes registered{': ' + ', '.join(added) if added else ' before'}"


def progress_bar() -> Progress:
    """A progress bar on stderr, shown on terminals only."""
    # Elsewhere its empty last line would come before an error, whose message must be the only line.
    shown = Console(stderr=True)
    return Progress(console=shown, transient=True, disable=not shown.is_terminal)


def rebuild_from_log(settings: Settings) -> int:
    """Rebuilds read model and attempt ledger from the log, with a progress bar; returns the number of recoveries.

    Works as the owner, since the writer may not delete their rows. Raises StoreUnavailable, and InvalidInput where
    neither address is the owner's.
    """

    if settings.owner_url:
        _check_owner_url(settings)

    async def run_rebuild() -> int:
        with progress_bar() as bar:
            task = bar.add_task("recoveries rebuilt", total=None)
            async with open_database(settings, settings.owner_url) as database, database.begin() as session:
                if not await rebuilding.may_rebuild(session):
                    raise InvalidInput("Rebuilding takes the role that owns the tables: set DATABASE_OWNER_URL.")
                return await rebuilding.rebuild_read_model(session, lambda done: bar.update(task, completed=done))

    return asyncio.run(run_rebuild())


def erase_customer_data(settings: Settings, customer_id: str) -> int:
    """Erases what is stored of a customer; returns the number of webhooks. Raises StoreUnavailable."""

    async def blank_rows() -> int:
        async with open_database(settings) as database, database.begin() as session:
            now = datetime.now(UTC)
            erased = await erase_customer(session, customer_id, secret_keys(settings.customer_id_keys), now)
            # The audit log is never erased: it names the customer by the id that names nobody.
            subject = erased.customer_id
            done = AuditEntry(actor=COMMAND_LINE_ACTOR, action=AuditAction.CUSTOMER_ERASED, subject=subject)
            await operator_actions.record_entry(session, done, now)
            return erased.webhooks

    return asyncio.run(blank_rows())
