"""What our own log says of a customer, for the profile that segments look at."""

from collections.abc import Awaitable, Callable

from db.queries.customer_history import CustomerHistory, customer_history
from db.session import Database

HistoryLookup = Callable[[str, str, str], Awaitable[CustomerHistory]]
"""Loads a customer's payment history: takes provider, customer id, and the recovery id to leave out."""


def stored_history_lookup(database: Database) -> HistoryLookup:
    """The history as PostgreSQL holds it."""

    async def look_up(provider: str, customer_id: str, but_not: str) -> CustomerHistory:
        async with database.begin() as session:
            return await customer_history(session, provider, customer_id, but_not)

    return look_up
