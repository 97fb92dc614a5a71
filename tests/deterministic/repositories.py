# ruff: noqa: ARG001  (the parameters are those of the originals)
"""What the service's repositories answer, over the tables in memory; the event log's own code runs as it is.

Each function has the name, the parameters and the promise of the one whose place it takes (`REPLACED`).
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from types import ModuleType
from typing import Any, Final

from core.card_networks.rules import AttemptOutcome, Credential, LedgerEntry, NetworkRules
from core.events import Record
from core.messages.recipients import ContactUpdate
from core.notices import Notice
from core.operators import Command
from core.payments import INVOICE_AND_CUSTOMER_KINDS, ProviderEvent
from db.due_rows import LONGEST_WAIT
from db.repositories import (
    contacts,
    event_log,
    inbox,
    network_attempts,
    new_webhooks,
    notices,
    operator_signals,
    recoveries,
    transitions,
)
from db.repositories.inbox import HEAD_START, StoredWebhook, WebhookOutcome
from db.repositories.new_webhooks import NewWebhook
from db.repositories.operator_signals import OperatorSignal
from tests.deterministic.store import MemorySession, Row, StoredRow

Session = MemorySession


# --- event_log ----------------------------------------------------------------------------------------------

_read_record = event_log.record_of


def record_of(row: Mapping[Any, Any]) -> Record:
    """As the original, which runs once for each row: what it reads never changes."""
    if not isinstance(row, StoredRow):
        return _read_record(row)
    if row.record is None:
        row.record = _read_record(row)
    return row.record


async def lock_and_read(
    session: Session, recovery_id: str, first: int, likely_day: date | None
) -> tuple[datetime, Sequence[Mapping[Any, Any]]]:
    await session.pause()
    await session.lock(("recovery", recovery_id))
    return session.database.clock(), session.tables.event_log.get(recovery_id, [])[first - 1 :]


async def store_transition(
    session: Session, rows: Sequence[Any], attempts: Sequence[LedgerEntry], recovery: Mapping[str, Any]
) -> None:
    await session.pause()
    session.write(session.insert_rows, rows)
    for entry in attempts:
        session.write(_save_attempt, session, entry)
    session.write(_save_recovery, session, recovery)


# --- webhook_inbox ------------------------------------------------------------------------------------------


async def insert_webhooks(session: Session, webhooks: Sequence[NewWebhook]) -> list[bool]:
    # In the order of their keys, as the original.
    for key in sorted({(one.provider, one.event_id) for one in webhooks}):
        await session.pause()
        await session.lock(("inbox", key))
    stored, news = set(session.tables.inbox), list[bool]()
    for one in webhooks:
        key = (one.provider, one.event_id)
        news.append(key not in stored)
        if news[-1]:
            stored.add(key)
            _write_webhook(session, one)
    return news


def _write_webhook(session: Session, new: NewWebhook) -> None:
    row: Row = {name: None for name in StoredWebhook.model_fields}
    names = ("provider", "event_id", "event_type", "received_at", "event", "outcome", "reason")
    row |= {name: getattr(new, name) for name in names}
    row |= {"tries": 0, "next_try_at": new.received_at + HEAD_START}
    row |= {"delivered_at": new.received_at if new.outcome else None}
    if new.event:
        row |= {"invoice_id": new.event.invoice_id, "customer_id": new.event.customer_id}
    session.write(session.tables.inbox.__setitem__, (new.provider, new.event_id), row)


async def blank_shared_body(session: Session, provider: str, event_ids: Sequence[str], received_at: datetime) -> None:
    await session.pause()


async def load_webhook(session: Session, provider: str, event_id: str) -> StoredWebhook | None:
    await session.pause()
    row = session.tables.inbox.get((provider, event_id))
    return StoredWebhook.model_construct(**row) if row else None


async def claim_due(session: Session, now: datetime) -> StoredWebhook | None:
    await session.pause()
    row = _claim_oldest(session, "inbox", session.tables.inbox, inbox.FIRST_WAIT, now)
    return StoredWebhook.model_construct(**row) if row else None


def _claim_oldest(
    session: Session, name: str, table: Mapping[Any, Row], first_wait: timedelta, now: datetime
) -> Row | None:
    locks = session.database.locks
    due = [
        (row["next_try_at"], row.get("received_at", now), key)
        for key, row in table.items()
        if row["delivered_at"] is None and row["next_try_at"] <= now and locks.is_free((name, key), session)
    ]
    if not due:
        return None
    key = min(due)[2]
    locks._holders[name, key] = session
    wait = min(first_wait * 2 ** min(table[key]["tries"], 10), LONGEST_WAIT)
    columns = {"tries": table[key]["tries"] + 1, "next_try_at": now + wait}
    session.write(table[key].update, columns)
    return table[key] | columns


async def has_earlier_undelivered(session: Session, row: StoredWebhook) -> bool:
    await session.pause()
    named = [(name, value) for name in ("invoice_id", "customer_id") if (value := getattr(row, name))]
    return any(
        other["received_at"] < row.received_at and any(other[name] == value for name, value in named)
        for other in session.tables.inbox.values()
        if other["delivered_at"] is None and other["provider"] == row.provider
    )


async def count_undelivered(session: Session) -> int:
    await session.pause()
    return sum(row["delivered_at"] is None for row in session.tables.inbox.values())


async def conclude_delivery(
    session: Session,
    provider: str,
    event_id: str,
    outcome: WebhookOutcome,
    now: datetime,
    *,
    reason: str | None = None,
    recovery_id: str | None = None,
) -> None:
    await session.pause()
    columns = _outcome_columns(outcome, now, reason, recovery_id)
    session.write(_update_undelivered, session, [(provider, event_id)], columns)


def _outcome_columns(outcome: WebhookOutcome, now: datetime, reason: str | None, recovery_id: str | None) -> Row:
    known = {"outcome": outcome, "reason": reason, "recovery_id": recovery_id, "delivered_at": now}
    return known | {"last_error": None}


def _update_undelivered(session: Session, keys: Iterable[tuple[str, str]], columns: Row, fresh: bool = False) -> None:
    for key in keys:
        row = session.tables.inbox.get(key)
        if row and row["delivered_at"] is None and (not fresh or row["tries"] == 0):
            row.update(columns)


async def conclude_recorded(
    session: Session, provider: str, invoice_id: str, event_ids: Sequence[str], recovery_id: str, now: datetime
) -> None:
    await session.pause()
    mine = [
        key
        for event_id in event_ids
        if (row := session.tables.inbox.get(key := (provider, event_id)))
        and row["invoice_id"] == invoice_id
        and row["event"].kind not in INVOICE_AND_CUSTOMER_KINDS
    ]
    session.write(_update_undelivered, session, mine, _outcome_columns(WebhookOutcome.ACCEPTED, now, None, recovery_id))


async def mark_handed_over(session: Session, provider: str, event_id: str, now: datetime) -> None:
    await session.pause()
    columns = {"tries": 1, "next_try_at": now + inbox.FIRST_WAIT}
    session.write(_update_undelivered, session, [(provider, event_id)], columns, True)


async def note_problem(session: Session, provider: str, event_id: str, why: str) -> None:
    await session.pause()
    session.write(_update_undelivered, session, [(provider, event_id)], {"last_error": why[:500]})


async def save_owner(session: Session, row: StoredWebhook, event: ProviderEvent) -> None:
    await session.pause()
    columns = {"event": event, "invoice_id": event.invoice_id, "customer_id": event.customer_id}
    session.write(_update_undelivered, session, [(row.provider, row.event_id)], columns)


def _oldest_first(rows: Iterable[Row]) -> list[StoredWebhook]:
    return [StoredWebhook.model_construct(**row) for row in sorted(rows, key=lambda row: row["received_at"])]


async def webhooks_about(
    session: Session, provider: str, invoice_id: str, customer_id: str | None
) -> list[StoredWebhook]:
    await session.pause()
    rows = [row for row in session.tables.inbox.values() if row["provider"] == provider]
    of_customer = (
        row for row in rows if customer_id and (row["customer_id"], row["invoice_id"]) == (customer_id, None)
    )
    return _oldest_first(row for row in rows if row["invoice_id"] == invoice_id) + _oldest_first(of_customer)


async def events_without_log(session: Session, provider: str, customer_id: str, since: datetime) -> list[ProviderEvent]:
    await session.pause()
    written = {(row["provider"], row["invoice_id"]) for row in session.tables.recoveries.values()}
    rows = [
        row
        for row in session.tables.inbox.values()
        if (row["provider"], row["customer_id"]) == (provider, customer_id)
        and row["received_at"] > since
        and row["invoice_id"] is not None
        and row["outcome"] != WebhookOutcome.IGNORED
        and (provider, row["invoice_id"]) not in written
    ]
    return [row["event"] for row in sorted(rows, key=lambda row: row["received_at"])]


# --- recovery -----------------------------------------------------------------------------------------------


def _save_recovery(session: Session, row: Mapping[str, Any]) -> None:
    session.tables.recoveries.setdefault(row["recovery_id"], {"checked_at": None}).update(row)


def _by_opening(rows: Iterable[Row]) -> list[Row]:
    return sorted((dict(row) for row in rows), key=lambda row: row["opened_at"])


async def load_recovery_row(session: Session, recovery_id: str) -> dict[str, Any] | None:
    await session.pause()
    row = session.tables.recoveries.get(recovery_id)
    return dict(row) if row else None


async def open_recoveries_of(session: Session, provider: str, customer_id: str) -> list[dict[str, Any]]:
    await session.pause()
    rows = session.tables.recoveries.values()
    mine = (row for row in rows if (row["provider"], row["customer_id"]) == (provider, customer_id))
    return _by_opening(row for row in mine if row["closed_at"] is None)


async def recoveries_by_charge(session: Session, provider: str, charge_ids: Sequence[str]) -> list[dict[str, Any]]:
    await session.pause()
    rows = session.tables.recoveries.values()
    return _by_opening(row for row in rows if row["provider"] == provider and set(row["charge_ids"]) & set(charge_ids))


async def overdue_recoveries(session: Session, now: datetime, grace: timedelta, limit: int) -> list[dict[str, Any]]:
    await session.pause()
    late = [row for row in session.tables.recoveries.values() if row["due_at"] and row["due_at"] < now - grace]
    return [dict(row) for row in sorted(late, key=lambda row: row["due_at"])[:limit]]


async def least_recently_checked(session: Session, limit: int) -> list[dict[str, Any]]:
    await session.pause()
    mine = [row for row in session.tables.recoveries.values() if row["closed_at"] is None]
    mine.sort(key=lambda row: (row["checked_at"] is not None, row["checked_at"] or 0))
    return [dict(row) for row in mine[:limit]]


async def mark_checked(session: Session, recovery_ids: Sequence[str], now: datetime) -> None:
    await session.pause()
    for name in recovery_ids:
        session.write(session.tables.recoveries[name].__setitem__, "checked_at", now)


# --- network_attempt ----------------------------------------------------------------------------------------


def _save_attempt(session: Session, entry: LedgerEntry) -> None:
    table, key = session.tables.attempts, (entry.recovery_id, entry.key)
    if earlier := table.get(key):
        known = {name: getattr(entry, name) or getattr(earlier, name) for name in ("fingerprint", "network")}
        told = {name: getattr(entry, name) for name in ("outcome", "code", "network_code", "network_advice")}
        entry = earlier.model_copy(update=known | told)
    table[key] = entry


async def lock_card(session: Session, card: Credential) -> None:
    await session.pause()
    await session.lock(("card", card.provider, card.fingerprint or card.recovery_id))


async def load_attempts(
    session: Session, card: Credential, rules: NetworkRules, now: datetime
) -> tuple[LedgerEntry, ...]:
    await session.pause()
    entries = [one for one in session.tables.attempts.values() if _is_of_card(one, card)]
    counted = [one for one in entries if one.outcome is not AttemptOutcome.HELD]
    return tuple(sorted(counted, key=lambda one: (one.at, one.recovery_id, one.key)))


def _is_of_card(entry: LedgerEntry, card: Credential) -> bool:
    if card.fingerprint is None:
        return entry.recovery_id == card.recovery_id and entry.fingerprint is None
    return (entry.provider, entry.fingerprint) == (card.provider, card.fingerprint)


# --- notice, contact, operator_signal -----------------------------------------------------------------------


async def add_notices(session: Session, notices: Iterable[Notice]) -> None:
    known = list(notices)
    if known:
        await session.pause()
    for one in known:
        session.write(session.tables.notices.setdefault, one.id, one)


async def learn_contacts(session: Session, provider: str, people: Iterable[ContactUpdate], now: datetime) -> None:
    assert not list(people), "not in the model"


async def store_signal(
    session: Session, provider: str, invoice_id: str, name: str, command: Command, now: datetime
) -> None:
    await session.pause()
    row: Row = {"recovery_id": name, "request_id": command.request_id, "provider": provider, "invoice_id": invoice_id}
    row |= {"command": command, "tries": 0, "stored_at": now, "delivered_at": None, "problem": None}
    row |= {"next_try_at": now + operator_signals.FIRST_WAIT}
    session.write(session.tables.signals.setdefault, (name, command.request_id), row)


async def claim_signal(session: Session, now: datetime) -> OperatorSignal | None:
    await session.pause()
    row = _claim_oldest(session, "signals", session.tables.signals, operator_signals.FIRST_WAIT, now)
    return OperatorSignal.model_construct(**row) if row else None


async def load_undelivered(session: Session, recovery_id: str) -> list[Command]:
    await session.pause()
    rows = [row for row in session.tables.signals.values() if row["recovery_id"] == recovery_id]
    waiting = [row for row in rows if row["delivered_at"] is None]
    return [row["command"] for row in sorted(waiting, key=lambda row: row["stored_at"])]


async def conclude_signal(session: Session, signal: OperatorSignal, now: datetime, problem: str | None = None) -> None:
    await session.pause()
    row = session.tables.signals[signal.recovery_id, signal.request_id]
    session.write(row.update, {"delivered_at": now, "problem": problem})


REPLACED: Final[Sequence[tuple[ModuleType, str, Callable[..., Any]]]] = (
    *(
        (inbox, function.__name__, function)
        for function in (
            blank_shared_body, load_webhook, claim_due, has_earlier_undelivered, count_undelivered,
            conclude_delivery, conclude_recorded, mark_handed_over, note_problem, save_owner, webhooks_about,
            events_without_log,
        )
    ),
    *(
        (recoveries, function.__name__, function)
        for function in (load_recovery_row, open_recoveries_of, recoveries_by_charge, overdue_recoveries,
                         least_recently_checked, mark_checked)
    ),
    *((network_attempts, function.__name__, function) for function in (lock_card, load_attempts)),
    (new_webhooks, "insert_webhooks", insert_webhooks), (event_log, "record_of", record_of),
    (event_log, "lock_and_read", lock_and_read), (transitions, "store_transition", store_transition),
    (notices, "add_notices", add_notices), (contacts, "learn_contacts", learn_contacts),
    (operator_signals, "store_signal", store_signal), (operator_signals, "claim_due", claim_signal),
    (operator_signals, "load_undelivered", load_undelivered), (operator_signals, "conclude_signal", conclude_signal),
)  # fmt: skip
"""Module, name, and what takes its place."""


@contextlib.contextmanager
def tables_in_memory() -> Iterator[None]:
    """Within the block the repositories work on the tables in memory."""
    originals = [(module, name, getattr(module, name)) for module, name, _ in REPLACED]
    for module, name, function in REPLACED:
        setattr(module, name, function)
    try:
        yield
    finally:
        for module, name, function in originals:
            setattr(module, name, function)
