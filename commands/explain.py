"""`pri explain`: classifies a decline code without any settings, or rederives a recorded decision."""

import asyncio

import catalog
from commands import console
from commands.database import open_database
from core.classification.classify import classify, summarize_classification
from core.classification.taxonomy import Classification
from core.errors import InvalidInput, NotFound
from core.events import Record
from core.payments import Failure
from core.planning.rederivation import RECHECKED_EVENTS, Rederivation, rederive_decision, rederive_segment_or_fraud
from db.queries import recovery_rows
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
    """The row of a decision, and how it compares with the same decision made again from it.

    Raises NotFound for an unknown row, InvalidPolicy, StoreUnavailable.
    """
    record, provider = asyncio.run(_read_decision_row(settings, recovery_id, sequence))
    strategies = catalog.installed_strategies()
    policy = catalog.PolicyFile(settings.policy_file, strategies).current_policy()
    if record.type in RECHECKED_EVENTS:
        return record, rederive_segment_or_fraud(record, policy)
    tables = catalog.load_decline_tables({name: one.decline_codes for name, one in load_providers({}).items()})
    return record, rederive_decision(record, provider, strategies, policy, tables)


async def _read_decision_row(settings: Settings, recovery_id: str, sequence: int) -> tuple[Record, str]:
    async with open_database(settings) as database, database.begin() as session:
        rows = await recovery_rows.load_rows(session, recovery_id)
    found = next((row for row in rows if row["sequence"] == sequence), None)
    if found is None:
        raise NotFound(f"There is no row {sequence} of {recovery_id}.")
    return event_log.record_of(found), found["provider"]


def print_classification(provider: str, failure: Failure, as_json: bool) -> None:
    """Prints how a code is classified. Raises InvalidInput for a provider that isn't installed."""
    found = classify_code(provider, failure)
    if as_json:
        return console.print_json(summarize_classification(found))
    said = f"{found.category} / {found.cause}, by {found.decided_by} ({found.source})"
    return console.print_result(f"{said}\nnext: {found.cause.next_action.value.replace('_', ' ')}")


def print_rederivation(settings: Settings, recovery_id: str, sequence: int, as_json: bool) -> None:
    """Prints whether a recorded decision gives the same result again. Raises as `rederive_stored_decision`."""
    record, answer = rederive_stored_decision(settings, recovery_id, sequence)
    if as_json:
        return console.print_json({"type": record.type.value, **answer.model_dump(mode="json")})
    agrees = {True: "agrees", False: "DISAGREES", None: "can't be said"}[answer.agrees]
    lines = [f"{record.type.value}, row {sequence}: {agrees}: {answer.why}"]
    if answer.agrees is False:
        lines += [f"recorded: {dict(answer.recorded)}", f"derived:  {dict(answer.derived)}"]
    if answer.today:
        lines.append(f"today: {answer.today}")
    return console.print_result("\n".join(lines))
