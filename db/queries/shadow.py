"""Compares the plans of shadow policies with the decisions that they were recorded with, from the event log."""

from datetime import datetime
from typing import Final

from sqlalchemy import text

from core.base import Value
from db.session import Session

COMPARISON_QUERY: Final = text("""
    SELECT shadow.data->>'policy_version' AS version,
           CASE decision.type WHEN 'retry.planned' THEN 'retry' ELSE decision.data->>'action' END AS active,
           shadow.data->>'action' AS shadow,
           count(*) AS plans,
           count(*) FILTER (WHERE (shadow.data->>'agrees')::boolean) AS agreeing,
           count(*) FILTER (WHERE later.seconds < 0) AS earlier,
           count(*) FILTER (WHERE later.seconds > 0) AS later,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY later.seconds) FILTER (WHERE later.seconds <> 0) AS median
    FROM event_log AS shadow
    JOIN event_log AS decision
      ON decision.opened_on = shadow.opened_on AND decision.recovery_id = shadow.recovery_id
     AND decision.sequence = shadow.sequence - 1
    CROSS JOIN LATERAL (
        SELECT extract(epoch FROM (shadow.data->>'at')::timestamptz - (decision.data->>'at')::timestamptz) AS seconds
    ) AS later
    WHERE shadow.type = 'shadow.planned' AND shadow.recorded_at >= :since AND shadow.recorded_at < :until
    GROUP BY 1, 2, 3
    ORDER BY 1, 4 DESC, 2, 3
""")
DECISIONS_QUERY: Final = text("""
    SELECT count(*) FROM event_log
    WHERE type IN ('retry.planned', 'retry.skipped') AND data ? 'policy_version'
      AND NOT COALESCE(data->'inputs' ? 'kept_at', false) AND recorded_at >= :since AND recorded_at < :until
""")


NO_TIMEOUT: Final = text("SET LOCAL statement_timeout = 0")
"""The report of a month reads many rows, for a person at a terminal who can interrupt it."""


class Comparison(Value):
    """Decisions with the same outcome, and what one version of a shadow policy would have done instead."""

    version: str
    active: str
    """What the active policy did: `retry` or a skip action."""
    shadow: str
    plans: int
    agreeing: int
    earlier: int
    """Number of retries that the shadow would have made earlier."""
    later: int
    median_seconds: int | None = None
    """Median shift of the retries that moved, negative if earlier; None if none moved."""


class ShadowReport(Value):
    """The comparisons of a period."""

    decisions: int
    """Number of decisions in the period, with or without a shadow plan."""
    comparisons: tuple[Comparison, ...]


async def compare_shadow(session: Session, since: datetime, until: datetime) -> ShadowReport:
    """Compares the decisions recorded in [since, until), by version of the shadow policy. May take minutes."""
    comparisons = await compare_plans(session, since, until)
    decisions = (await session.execute(DECISIONS_QUERY, {"since": since, "until": until})).scalar_one()
    return ShadowReport(decisions=decisions, comparisons=comparisons)


async def compare_plans(session: Session, since: datetime, until: datetime) -> tuple[Comparison, ...]:
    """The comparisons alone: reads shadow plans and their decisions, not every decision."""
    await session.execute(NO_TIMEOUT)
    rows = (await session.execute(COMPARISON_QUERY, {"since": since, "until": until})).mappings()
    return tuple(
        Comparison(
            **{key: row[key] for key in ("version", "active", "shadow", "plans", "agreeing", "earlier", "later")},
            median_seconds=None if row["median"] is None else round(row["median"]),
        )
        for row in rows
    )


class ShadowTotal(Value):
    """Numbers of plans of one version of a shadow policy in a period."""

    version: str
    plans: int
    agreeing: int


TOTALS_QUERY: Final = text("""
    SELECT data->>'policy_version' AS version, count(*) AS plans,
           count(*) FILTER (WHERE (data->>'agrees')::boolean) AS agreeing
    FROM event_log
    WHERE type = 'shadow.planned' AND recorded_at >= :since AND recorded_at < :until
    GROUP BY 1 ORDER BY 2 DESC, 1
""")


async def shadow_totals(session: Session, since: datetime, until: datetime) -> list[ShadowTotal]:
    """Shadow plans recorded in [since, until), by version. Fast, unlike `compare_shadow`, which reads all decisions."""
    rows = (await session.execute(TOTALS_QUERY, {"since": since, "until": until})).mappings()
    return [ShadowTotal.model_validate(dict(row)) for row in rows]
