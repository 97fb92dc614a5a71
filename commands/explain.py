"""`pri explain`: what a failure is and what would happen, without any settings; or a recorded decision again."""

import asyncio

import catalog
from commands.database import opened
from core.classifier.classify import classify
from core.classifier.taxonomy import Classification
from core.errors import InvalidInput, NotFound
from core.events import Record
from core.payments import Failure
from core.retry.recheck import CHECKED, recheck
from core.retry.rederive import Rederived, rederive
from db.repositories import event_log
from providers.base import installed
from settings import Settings


def explained(provider: str, failure: Failure) -> Classification:
    """The classification by the shipped tables. Raises InvalidInput for a provider that isn't installed."""
    providers = installed({})
    if provider not in providers:
        raise InvalidInput(f"There is no provider {provider!r}; installed: {', '.join(sorted(providers))}.")
    tables = catalog.tables({name: one.decline_codes for name, one in providers.items()})
    return classify(failure, tables, provider=provider)


def derived_again(settings: Settings, recovery_id: str, sequence: int) -> tuple[Record, Rederived]:
    """The row and how it compares with the same decision made now. Raises NotFound, StoreUnavailable."""
    record, provider = asyncio.run(_row(settings, recovery_id, sequence))
    strategies = catalog.strategies()
    policy = catalog.PolicyFile(settings.policy_file, strategies).current()
    if record.type in CHECKED:
        return record, recheck(record, policy)
    tables = catalog.tables({name: one.decline_codes for name, one in installed({}).items()})
    return record, rederive(record, provider, strategies, policy, tables)


async def _row(settings: Settings, recovery_id: str, sequence: int) -> tuple[Record, str]:
    async with opened(settings) as database, database.begin() as session:
        rows = await event_log.rows(session, recovery_id)
    found = next((row for row in rows if row["sequence"] == sequence), None)
    if found is None:
        raise NotFound(f"There is no row {sequence} of {recovery_id}.")
    return event_log.record_of(found), found["provider"]
