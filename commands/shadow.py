"""`pri policy shadow`: how often and how the shadow policy would have done something else."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from rich.table import Table

from commands.database import open_database
from db.repositories.shadow import Comparison, ShadowReport, compare_shadow
from settings import Settings


def read_shadow_report(settings: Settings, days: int) -> ShadowReport:
    """Decisions of the last days. Raises StoreUnavailable."""
    return asyncio.run(_read_report(settings, days))


async def _read_report(settings: Settings, days: int) -> ShadowReport:
    now = datetime.now(UTC)
    async with open_database(settings) as database, database.begin() as session:
        return await compare_shadow(session, now - timedelta(days=days), now)


def shadow_table(found: ShadowReport) -> Table:
    """For people: one line a kind of decision and what the shadow makes of it."""
    made = Table("shadow policy", "active policy", "shadow policy would", "decisions", "agreeing", "when")
    for one in found.comparisons:
        made.add_row(
            one.version,
            one.active,
            one.shadow,
            str(one.plans),
            _format_share(one.agreeing, one.plans),
            _format_shift(one),
        )
    return made


def shadow_sentences(found: ShadowReport) -> Iterator[str]:
    """What it comes to, by version."""
    for version in dict.fromkeys(one.version for one in found.comparisons):
        mine = [one for one in found.comparisons if one.version == version]
        plans, agreeing = sum(one.plans for one in mine), sum(one.agreeing for one in mine)
        yield f"{version}: agrees with {_format_share(agreeing, plans)} of {plans} decisions"
    planned = sum(one.plans for one in found.comparisons)
    if planned < found.decisions:
        yield f"{found.decisions - planned} of {found.decisions} decisions have no shadow plan beside them"


def _format_share(some: int, of: int) -> str:
    return f"{100 * some / of:.1f} %" if of else "-"


def _format_shift(one: Comparison) -> str:
    if one.median_seconds is None:
        return "-"
    word = "earlier" if one.median_seconds < 0 else "later"
    moved = f"{one.earlier} earlier, {one.later} later"
    return f"{moved}; median {timedelta(seconds=abs(one.median_seconds))} {word}"
