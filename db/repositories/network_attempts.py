"""The attempt ledger: attempts of each card as the card networks count them, derived from the log and written with it.

Fees are in minor units of the currency in which the network publishes them.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, any_, bindparam, func, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from core.base import Value
from core.card_networks.rules import AttemptOutcome, Credential, LedgerEntry, NetworkRules
from core.events import Record
from core.recovery.network_ledger import build_ledger_entries
from core.recovery.state import Recovery
from db.models import network_attempt as table
from db.session import Session
from db.statements import HotStatement

LOOK_BACK: Final = timedelta(days=200)
"""Longer than any network's window. Answers that forbid every further attempt are searched without a time limit."""
LATEST: Final = 20
LOCK: Final = HotStatement(text("SELECT pg_advisory_xact_lock(hashtextextended(:card, 1))"))


class Fees(Value):
    """Network fees in minor units of one currency: `caused` by excess attempts, `avoided` by attempts not made."""

    currency: str
    caused: int = 0
    avoided: int = 0


_KEPT: Final = ("fingerprint", "network", "fee_amount", "fee_currency")
"""Columns in which an earlier value stays where a later entry has none: an answer seldom names the card."""
_REPLACED: Final = ("outcome", "code", "network_code", "network_advice")
_COLUMNS: Final = ", ".join(column.name for column in table.columns)
_CHANGES: Final = ", ".join(
    [f"{name} = coalesce(excluded.{name}, network_attempt.{name})" for name in _KEPT]
    + [f"{name} = excluded.{name}" for name in _REPLACED]
)
SAVE: Final = f"""
    INSERT INTO network_attempt ({_COLUMNS})
    SELECT {_COLUMNS} FROM jsonb_populate_recordset(NULL::network_attempt, CAST(:attempts AS jsonb))
    ON CONFLICT (recovery_id, key) DO UPDATE SET {_CHANGES}
"""
"""Saves entries, each key once, as `save_parameters` gives them; also a part of the statement for a transition."""
_SAVE: Final = text(SAVE)


async def save_attempts(session: Session, before: Recovery, records: Sequence[Record]) -> None:
    """Writes the ledger entries that follow from these records after `before`. Repeating a call is safe."""
    if entries := merge_entries(before, records):
        await session.execute(_SAVE, save_parameters(entries))


def save_parameters(entries: Sequence[LedgerEntry]) -> dict[str, Any]:
    """The parameters of SAVE; without entries it changes nothing."""
    return {"attempts": json.dumps([entry.model_dump(mode="json") for entry in entries])}


def merge_entries(before: Recovery, records: Sequence[Record]) -> tuple[LedgerEntry, ...]:
    """The ledger entries that follow from these records after `before`, one for each key, as SAVE would merge them."""
    merged: dict[str, LedgerEntry] = {}
    for entry in build_ledger_entries(before, records):
        earlier = merged.get(entry.key)
        merged[entry.key] = _merge_entry(earlier, entry) if earlier else entry
    return tuple(merged.values())


def _merge_entry(earlier: LedgerEntry, later: LedgerEntry) -> LedgerEntry:
    kept = {name: value for name in _KEPT if (value := getattr(later, name)) is not None}
    return earlier.model_copy(update=kept | {name: getattr(later, name) for name in _REPLACED})


async def lock_card(session: Session, card: Credential) -> None:
    """Makes this transaction the only one that may reserve an attempt of this card until it ends; waits for another.

    Read the attempts in a later statement: it sees what the previous holder committed (see `event_log.lock_recovery`).
    """
    await LOCK.fetch(session, {"card": f"{card.provider}\n{card.fingerprint or card.recovery_id}"})


async def load_attempts(
    session: Session, card: Credential, rules: NetworkRules, now: datetime
) -> tuple[LedgerEntry, ...]:
    """The attempts that count for the next one, oldest first; attempts that a rule forbade are left out.

    Where the card's fingerprint is not known, the recovery's attempts without a fingerprint.
    """
    given: dict[str, Any] = {"since": now - LOOK_BACK}
    given |= {f"{kind}s": [stop.code for stop in rules.stops if stop.kind == kind] for kind in _STOP_COLUMNS}
    if card.fingerprint is None:
        rows = await _OF_RECOVERY.fetch(session, given | {"recovery_id": card.recovery_id})
    else:
        rows = await _OF_CARD.fetch(session, given | {"provider": card.provider, "fingerprint": card.fingerprint})
    return tuple(map(LedgerEntry.model_validate, rows))


_STOP_COLUMNS: Final = {"response_code": table.c.network_code, "advice_code": table.c.network_advice}


def _is_stopping(kind: str) -> ColumnElement[bool]:
    """Whether an answer's code may be a stop instruction. Rows that only look like one are sorted out by `core`."""
    plain_code = func.lpad(func.upper(func.trim(_STOP_COLUMNS[kind])), 2, "0")
    return plain_code == any_(bindparam(f"{kind}s", type_=ARRAY(TEXT)))


def _counting_attempts(*of_card: ColumnElement[bool]) -> HotStatement:
    counts = (table.c.outcome != AttemptOutcome.HELD.value, or_(table.c.at > bindparam("since"), *_STOPPING))
    query = select(*table.columns).where(*of_card, *counts)
    return HotStatement(query.order_by(table.c.at, table.c.recovery_id, table.c.key))


_STOPPING: Final = [_is_stopping(kind) for kind in _STOP_COLUMNS]
_OF_CARD: Final = _counting_attempts(
    table.c.provider == bindparam("provider"), table.c.fingerprint == bindparam("fingerprint")
)
_OF_RECOVERY: Final = _counting_attempts(table.c.recovery_id == bindparam("recovery_id"), table.c.fingerprint.is_(None))


async def latest_attempts(session: Session, provider: str, fingerprint: str) -> tuple[LedgerEntry, ...]:
    """The newest 20 attempts of a card, newest first, including those that a rule forbade."""
    mine = (table.c.provider == provider, table.c.fingerprint == fingerprint)
    query = select(*table.columns).where(*mine).order_by(table.c.at.desc(), table.c.key.desc()).limit(LATEST)
    return tuple(LedgerEntry.model_validate(dict(row)) for row in (await session.execute(query)).mappings())


async def card_provider(session: Session, fingerprint: str) -> str | None:
    """The provider of this card's newest attempt; None for an unknown fingerprint."""
    query = select(table.c.provider).where(table.c.fingerprint == fingerprint).order_by(table.c.at.desc()).limit(1)
    found: str | None = await session.scalar(query)
    return found


async def card_network(session: Session, provider: str, fingerprint: str) -> str | None:
    """The card's network, from its newest attempt that names one; None if none does."""
    mine = (table.c.provider == provider, table.c.fingerprint == fingerprint, table.c.network.is_not(None))
    query = select(table.c.network).where(*mine).order_by(table.c.at.desc(), table.c.key.desc()).limit(1)
    found: str | None = await session.scalar(query)
    return found


async def sum_fees(session: Session, since: datetime, until: datetime) -> tuple[Fees, ...]:
    """Fees of all cards in [since, until), one entry per currency, by currency code."""
    return await _sum_fees(session, (table.c.at >= since, table.c.at < until))


async def sum_card_fees(session: Session, provider: str, fingerprint: str) -> tuple[Fees, ...]:
    """Fees of one card, one entry per currency, by currency code."""
    return await _sum_fees(session, (table.c.provider == provider, table.c.fingerprint == fingerprint))


async def _sum_fees(session: Session, conditions: Iterable[ColumnElement[bool]]) -> tuple[Fees, ...]:
    held = table.c.outcome == AttemptOutcome.HELD.value
    currency = func.upper(table.c.fee_currency).label("currency")
    amount = func.coalesce(func.sum(table.c.fee_amount).filter(held), 0)
    caused = func.coalesce(func.sum(table.c.fee_amount).filter(~held), 0)
    query = select(currency, amount.label("avoided"), caused.label("caused"))
    known = query.where(*conditions, table.c.fee_amount.is_not(None)).group_by(currency).order_by(currency)
    rows: list[Any] = [*(await session.execute(known)).mappings()]
    return tuple(Fees(currency=row["currency"], caused=int(row["caused"]), avoided=int(row["avoided"])) for row in rows)
