"""The attempt ledger: the tries of each card as the networks count them, written with the log and made of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select, text
from sqlalchemy.dialects.postgresql import Insert, insert

from core.base import Value
from core.card_networks.rules import AttemptOutcome, Credential, LedgerEntry, NetworkRules
from core.events import Record
from core.recovery.network_ledger import build_ledger_entries
from core.recovery.state import Recovery
from db.models import network_attempt as table
from db.session import Session

LOOK_BACK: Final = timedelta(days=200)
"""Longer than any window; answers that forbid every further try are looked for without a limit."""
LATEST: Final = 20
LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:card, 1))")


class Fees(Value):
    """What tries too many cost, and what those that were held back would have cost. Minor units of one currency."""

    currency: str
    caused: int = 0
    avoided: int = 0


async def save_attempts(session: Session, before: Recovery, records: Sequence[Record]) -> None:
    """Writes what these rows of the log, behind `before`, say of tries. Safe to repeat."""
    for entry in build_ledger_entries(before, records):
        await session.execute(UPSERT, entry.model_dump())


def _build_upsert() -> Insert:
    """A later word completes an earlier one: an answer seldom names the card that the request already named."""
    fresh = insert(table)
    keep = ("fingerprint", "network", "fee_amount", "fee_currency")
    kept = {name: func.coalesce(fresh.excluded[name], table.c[name]) for name in keep}
    told = {name: fresh.excluded[name] for name in ("outcome", "code", "network_code", "network_advice")}
    return fresh.on_conflict_do_update(index_elements=[table.c.recovery_id, table.c.key], set_=kept | told)


UPSERT: Final = _build_upsert()


async def lock_card(session: Session, card: Credential) -> None:
    """Wait for every other transaction that is about to charge this card. A statement of its own: see event_log."""
    await session.execute(LOCK, {"card": f"{card.provider}\n{card.fingerprint or card.recovery_id}"})


async def load_attempts(
    session: Session, card: Credential, rules: NetworkRules, now: datetime
) -> tuple[LedgerEntry, ...]:
    """The tries that matter for the next one, oldest first. Of an unknown card, those of its recovery with one."""
    wanted = and_(_is_of_card(card), or_(table.c.at > now - LOOK_BACK, _is_stopping(rules)))
    return await _load_entries(session, wanted, table.c.outcome != AttemptOutcome.HELD.value)


def _is_of_card(card: Credential) -> ColumnElement[bool]:
    if card.fingerprint is None:
        return and_(table.c.recovery_id == card.recovery_id, table.c.fingerprint.is_(None))
    return and_(table.c.provider == card.provider, table.c.fingerprint == card.fingerprint)


def _is_stopping(rules: NetworkRules) -> ColumnElement[bool]:
    """Spelled as `stopped` reads codes; what is found too much here, it sorts out."""

    def stop_codes(kind: str) -> list[str]:
        return [stop.code for stop in rules.stops if stop.kind == kind]

    def plain_code(code: ColumnElement[str | None]) -> ColumnElement[str]:
        return func.lpad(func.upper(func.trim(code)), 2, "0")

    by_code = plain_code(table.c.network_code).in_(stop_codes("response_code"))
    return or_(by_code, plain_code(table.c.network_advice).in_(stop_codes("advice_code")))


async def _load_entries(session: Session, *conditions: ColumnElement[bool]) -> tuple[LedgerEntry, ...]:
    query = select(*table.columns).where(*conditions).order_by(table.c.at, table.c.recovery_id, table.c.key)
    return tuple(LedgerEntry.model_validate(dict(row)) for row in (await session.execute(query)).mappings())


async def latest_attempts(session: Session, provider: str, fingerprint: str) -> tuple[LedgerEntry, ...]:
    """The newest tries of a card, those held back among them, newest first."""
    mine = (table.c.provider == provider, table.c.fingerprint == fingerprint)
    query = select(*table.columns).where(*mine).order_by(table.c.at.desc(), table.c.key.desc()).limit(LATEST)
    return tuple(LedgerEntry.model_validate(dict(row)) for row in (await session.execute(query)).mappings())


async def card_provider(session: Session, fingerprint: str) -> str | None:
    """The provider whose try of this card is the newest."""
    query = select(table.c.provider).where(table.c.fingerprint == fingerprint).order_by(table.c.at.desc()).limit(1)
    found: str | None = await session.scalar(query)
    return found


async def card_network(session: Session, provider: str, fingerprint: str) -> str | None:
    """The card's network as its newest try that knows it says."""
    mine = (table.c.provider == provider, table.c.fingerprint == fingerprint, table.c.network.is_not(None))
    query = select(table.c.network).where(*mine).order_by(table.c.at.desc(), table.c.key.desc()).limit(1)
    found: str | None = await session.scalar(query)
    return found


async def sum_fees(session: Session, since: datetime, until: datetime) -> tuple[Fees, ...]:
    """Fees of all cards from `since` on and before `until`, per currency in which the networks publish them."""
    return await _sum_fees(session, (table.c.at >= since, table.c.at < until))


async def sum_card_fees(session: Session, provider: str, fingerprint: str) -> tuple[Fees, ...]:
    """Fees of one card, per currency."""
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
