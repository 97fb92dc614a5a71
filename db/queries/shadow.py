"""How a shadow policy's plans compare with the decisions they stand beside: sums over the event log."""

from datetime import datetime
from typing import Any, Final

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
"""A month of the log is read; somebody sits before it and waits."""


class Comparison(Value):
    """Decisions of one kind, and what a version of a shadow policy would have done instead."""

    version: str
    active: str
    """`retry`, or what came instead of one."""
    shadow: str
    plans: int
    agreeing: int
    earlier: int
    """Retries that would have come sooner."""
    later: int
    median_seconds: int | None = None
    """By which those moved; negative: sooner. None where none moved."""


class ShadowReport(Value):
    """All of them in a time."""

    decisions: int
    """With a shadow's plan beside them or without."""
    comparisons: tuple[Comparison, ...]


async def compare_shadow(session: Session, since: datetime, until: datetime) -> ShadowReport:
    """Decisions written in [since, until)."""
    await session.execute(NO_TIMEOUT)
    span = {"since": since, "until": until}
    rows = (await session.execute(COMPARISON_QUERY, span)).mappings().all()
    decisions = (await session.execute(DECISIONS_QUERY, span)).scalar_one()
    return ShadowReport(
        decisions=decisions,
        comparisons=tuple(
            Comparison(
                **{key: row[key] for key in ("version", "active", "shadow", "plans", "agreeing", "earlier", "later")},
                median_seconds=None if row["median"] is None else round(row["median"]),
            )
            for row in rows
        ),
    )


class ShadowTotal(Value):
    """All plans of one version of a shadow policy in a time."""

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
RECOVERY_QUERY: Final = text("""
    SELECT shadow.sequence, shadow.occurred_at, shadow.data AS shadow, decision.type, decision.data AS decision
    FROM event_log AS shadow
    JOIN event_log AS decision
      ON decision.opened_on = shadow.opened_on AND decision.recovery_id = shadow.recovery_id
     AND decision.sequence = shadow.sequence - 1
    WHERE shadow.recovery_id = :recovery_id AND shadow.type = 'shadow.planned'
      AND shadow.opened_on = (SELECT opened_on FROM recovery WHERE recovery_id = :recovery_id)
    ORDER BY shadow.sequence
""")


async def shadow_totals(session: Session, since: datetime, until: datetime) -> list[ShadowTotal]:
    """Plans written in [since, until), by version; quick where `compared` reads every decision."""
    rows = (await session.execute(TOTALS_QUERY, {"since": since, "until": until})).mappings()
    return [ShadowTotal.model_validate(dict(row)) for row in rows]


async def shadow_plans_of(session: Session, recovery_id: str) -> list[dict[str, Any]]:
    """A recovery's shadow plans in order: `sequence`, `occurred_at`, `shadow` (data), `type` and `decision` (data)."""
    rows = (await session.execute(RECOVERY_QUERY, {"recovery_id": recovery_id})).mappings()
    return [dict(row) for row in rows]
