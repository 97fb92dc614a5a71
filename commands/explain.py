"""`pri explain`: what a failure is and what would happen, without any settings; or a recorded decision again."""

import asyncio

import catalog
from commands.database import open_database
from core.classifier.classify import classify
from core.classifier.taxonomy import Classification
from core.errors import InvalidInput, NotFound
from core.events import Record
from core.payments import Failure
from core.retry.recheck import RECHECKED_EVENTS, rederive_segment_or_fraud
from core.retry.rederive import Rederivation, rederive_decision
from db.repositories import event_log
from providers.base import load_providers
from settings import Settings


def classify_code(provider: str, failure: Failure) -> Classification:
    """The classification by the shipped tables. Raises InvalidInput for a provider that isn't installed."""
    providers = load_providers({})
    if provider not in providers:
        raise InvalidInput(f"There is no provider {provider!r}; installed: {', '.join(sorted(providers))}.")
    tables = catalog.load_decline_tables({name: one.decline_codes for name, one in providers.items()})
    return classify(failure, tables, provider=provider)


def rederive_stored_decision(settings: Settings, recovery_id: str, sequence: int) -> tuple[Record, Rederivation]:
    """The row and how it compares with the same decision made now. Raises NotFound, StoreUnavailable."""
    record, provider = asyncio.run(_read_decision_row(settings, recovery_id, sequence))
    strategies = catalog.installed_strategies()
    policy = catalog.PolicyFile(settings.policy_file, strategies).current_policy()
    if record.type in RECHECKED_EVENTS:
        return record, rederive_segment_or_fraud(record, policy)
    tables = catalog.load_decline_tables({name: one.decline_codes for name, one in load_providers({}).items()})
    return record, rederive_decision(record, provider, strategies, policy, tables)


async def _read_decision_row(settings: Settings, recovery_id: str, sequence: int) -> tuple[Record, str]:
    async with open_database(settings) as database, database.begin() as session:
        rows = await event_log.load_rows(session, recovery_id)
    found = next((row for row in rows if row["sequence"] == sequence), None)
    if found is None:
        raise NotFound(f"There is no row {sequence} of {recovery_id}.")
    return event_log.record_of(found), found["provider"]
