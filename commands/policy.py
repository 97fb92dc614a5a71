"""`pri policy check`, `pri policy show`, `pri experiments`."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path

from rich.table import Table

import catalog
from api.summary import load_arm_reports
from commands.database import open_database
from core.classification.taxonomy import Cause
from core.errors import InvalidPolicy
from core.experiment_report import ArmReport
from core.formatting import format_amount, format_duration, format_percent
from core.policy.policy import Policy, parse_policy
from core.rates import Interval
from db.queries.shadow import Comparison, ShadowReport, compare_shadow
from providers.base import load_providers
from settings import Settings


def read_policy_file(path: Path) -> Policy:
    """The policy in this file, with its strategies constructed once as a check.

    Raises InvalidPolicy, naming file, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidPolicy(f"{path}: {error}") from error
    return parse_policy(text, str(path), catalog.installed_strategies(), catalog.network_rules().limit_ceilings())


def find_warnings(policy: Policy) -> list[str]:
    """Warnings about a valid policy: overrides of unknown codes, and plug-ins that are not installed."""
    providers = load_providers({})
    tables = catalog.load_decline_tables({name: one.decline_codes for name, one in providers.items()})
    rows = (*tables.providers.values(), *tables.networks.values())
    known = {f"{row.table}.{row.code}".lower() for row in rows if row.cause is not Cause.STOP_INSTRUCTION}
    said = "no table has such a row that may be changed; a code that all networks share is written any.CODE"
    unknown = [f"overrides.{key}: {said}" for key in policy.overrides if key not in known]
    scorer = policy.fraud.scorer
    if scorer and scorer not in catalog.installed_fraud_scorers():
        unknown.append(f"fraud.scorer: {scorer!r} is not installed; payments are assessed without it")
    channels = {point.name for point in entry_points(group="pri.channels")}
    for campaign in policy.campaigns.values():
        used = {name for steps in campaign.messages.values() for step in steps for name in step.channels}
        gone = sorted({*campaign.channels, *used} - channels)
        unknown += [f"campaigns.{campaign.name}: no channel is installed as {name!r}" for name in gone]
    return unknown


def dump_policy(policy: Policy) -> Mapping[str, object]:
    """The policy as JSON values, with defaults and inherited values filled in."""
    return policy.model_dump(mode="json")


async def read_experiment_arms(settings: Settings, days: int) -> dict[str, tuple[ArmReport, ...]]:
    """Reports on the arms of every experiment by currency, over recoveries that opened in the last `days`.

    Raises StoreUnavailable.
    """
    now = datetime.now(UTC)
    async with open_database(settings) as database, database.begin() as session:
        return await load_arm_reports(session, now - timedelta(days=days), now)


def compare_experiments(settings: Settings, days: int) -> dict[str, tuple[ArmReport, ...]]:
    """As `read_experiment_arms`, blocking. Raises StoreUnavailable."""
    return asyncio.run(read_experiment_arms(settings, days))


def experiments_table(found: Mapping[str, tuple[ArmReport, ...]]) -> Table:
    """The arms as a table for the terminal."""
    made = Table("experiment", "arm", "recovered", "lost", "amount", "rate", "difference")
    for currency, reports in found.items():
        for one in reports:
            counts = (str(one.recovered), str(one.lost), format_amount(one.recovered_amount, currency))
            made.add_row(
                one.experiment,
                one.arm,
                *counts,
                _format_interval(one.recovery_rate),
                _format_interval(one.difference),
            )
    return made


def _format_interval(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{format_percent(interval.estimate)} ({format_percent(interval.low)} to {format_percent(interval.high)})"


def read_shadow_report(settings: Settings, days: int) -> ShadowReport:
    """Compares shadow plans with the decisions of the last `days`. Raises StoreUnavailable."""
    return asyncio.run(_read_report(settings, days))


async def _read_report(settings: Settings, days: int) -> ShadowReport:
    now = datetime.now(UTC)
    async with open_database(settings) as database, database.begin() as session:
        return await compare_shadow(session, now - timedelta(days=days), now)


def shadow_table(found: ShadowReport) -> Table:
    """The comparisons as a table for the terminal, one line each."""
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
    """Yields a sentence per version of the shadow policy, and one about decisions without a shadow plan."""
    for version in dict.fromkeys(one.version for one in found.comparisons):
        mine = [one for one in found.comparisons if one.version == version]
        plans, agreeing = sum(one.plans for one in mine), sum(one.agreeing for one in mine)
        yield f"{version}: agrees with {_format_share(agreeing, plans)} of {plans} decisions"
    planned = sum(one.plans for one in found.comparisons)
    if planned < found.decisions:
        yield f"{found.decisions - planned} of {found.decisions} decisions have no shadow plan beside them"


def _format_share(some: int, of: int) -> str:
    return format_percent(some / of) if of else "-"


def _format_shift(one: Comparison) -> str:
    if one.median_seconds is None:
        return "-"
    word = "earlier" if one.median_seconds < 0 else "later"
    moved = f"{one.earlier} earlier, {one.later} later"
    return f"{moved}; median {format_duration(abs(one.median_seconds))} {word}"
