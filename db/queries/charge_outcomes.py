"""Outcomes of charges, counted over the log: for the adaptive strategy, and for the health of providers."""

from datetime import date, datetime
from typing import Final

from sqlalchemy import text

from core.base import Value
from core.strategies.experience import RetryCell
from db.session import Session

COUNT_SECONDS: Final = 60
"""Time limit for the count. It may take longer than other statements, since no request waits for it."""

# One row of the log per scheduled charge, joined with its answer, its failure and its plan in the same recovery. The
# laterals carry opened_on, so that each is one look-up by the unique index in one partition.
RETRIES_QUERY: Final = text("""
    SELECT cause, retry, hour_of_week, delay_hours, count(*) AS tried, count(*) FILTER (WHERE won) AS won
    FROM (
        SELECT failed.data->>'cause' AS cause,
               coalesce((planned.data->>'retry')::int, 1) AS retry,
               CAST(extract(isodow FROM requested.occurred_at AT TIME ZONE 'UTC') - 1 AS int) * 24
                   + CAST(extract(hour FROM requested.occurred_at AT TIME ZONE 'UTC') AS int) AS hour_of_week,
               CAST(floor(greatest(extract(epoch FROM requested.occurred_at - failed.occurred_at), 0) / 3600) AS int)
                   AS delay_hours,
               coalesce(ended.data->>'outcome', ended.type) IN ('succeeded', 'charge.succeeded') AS won
        FROM event_log AS requested
        JOIN LATERAL (
            SELECT type, data FROM event_log
            WHERE opened_on = requested.opened_on AND recovery_id = requested.recovery_id
              AND sequence > requested.sequence AND attempt = requested.attempt
              AND (type IN ('charge.succeeded', 'charge.declined')
                   OR type = 'charge.reconciled' AND data->>'outcome' IN ('succeeded', 'declined'))
            ORDER BY sequence LIMIT 1
        ) AS ended ON true
        JOIN LATERAL (
            SELECT data, occurred_at FROM event_log
            WHERE opened_on = requested.opened_on AND recovery_id = requested.recovery_id
              AND sequence < requested.sequence AND type = 'failure.classified'
            ORDER BY sequence DESC LIMIT 1
        ) AS failed ON true
        LEFT JOIN LATERAL (
            SELECT data FROM event_log
            WHERE opened_on = requested.opened_on AND recovery_id = requested.recovery_id
              AND sequence < requested.sequence AND type = 'retry.planned'
            ORDER BY sequence DESC LIMIT 1
        ) AS planned ON true
        WHERE requested.type = 'charge.requested' AND requested.data->>'trigger' = 'scheduled'
          AND requested.opened_on >= :since
    ) AS retries
    GROUP BY cause, retry, hour_of_week, delay_hours
""")


async def count_retries(session: Session, since: date) -> list[RetryCell]:
    """Scheduled charges with a definite answer, of recoveries opened on or after `since`, counted per cell.

    A cell is one cause, retry number, hour of the week (0 is Monday 00:00 UTC) and delay in whole hours.
    """
    await session.execute(text(f"SET LOCAL statement_timeout = '{COUNT_SECONDS}s'"))
    found = await session.execute(RETRIES_QUERY, {"since": since})
    return [RetryCell(*row) for row in found.all()]


SAMPLED: Final = 100
"""Answers of each provider, the newest, that the median time is taken from."""
# Counting reads one index entry per answer; a look-up of its request would cost ten times as much, so that is made for
# a sample. The request is a row or two before its answer. opened_on confines the look-up to the answer's own partition.
ANSWERS_QUERY: Final = text("""
    WITH answers AS MATERIALIZED (
        SELECT provider, type, opened_on, recovery_id, sequence, recorded_at,
               row_number() OVER (PARTITION BY provider, type = 'charge.unknown' ORDER BY recorded_at DESC) AS newest
        FROM event_log
        WHERE type IN ('charge.succeeded', 'charge.declined', 'charge.unknown')
          AND recorded_at >= :since AND recorded_at < :until
    ), times AS (
        SELECT answer.provider, percentile_cont(0.5) WITHIN GROUP (
            ORDER BY extract(epoch FROM answer.recorded_at - requested.recorded_at)
        ) AS median
        FROM answers AS answer
        CROSS JOIN LATERAL (
            SELECT recorded_at FROM event_log
            WHERE opened_on = answer.opened_on AND recovery_id = answer.recovery_id AND sequence < answer.sequence
              AND type = 'charge.requested'
            ORDER BY sequence DESC LIMIT 1
        ) AS requested
        WHERE answer.newest <= :sampled AND answer.type <> 'charge.unknown'
        GROUP BY answer.provider
    )
    SELECT answers.provider,
           count(*) FILTER (WHERE type = 'charge.succeeded') AS succeeded,
           count(*) FILTER (WHERE type = 'charge.declined') AS declined,
           count(*) FILTER (WHERE type = 'charge.unknown') AS unknown,
           max(times.median) AS median
    FROM answers LEFT JOIN times ON times.provider = answers.provider
    GROUP BY answers.provider
    ORDER BY answers.provider
""")


class ProviderHealth(Value):
    """A provider's answers to our charges in a period."""

    provider: str
    succeeded: int
    declined: int
    unknown: int
    """No definite answer: time-outs, lost connections, errors of the provider."""
    median_seconds: float | None
    """Median time from the request's row to that of a definite answer, of the newest SAMPLED; None without any."""


async def load_provider_health(session: Session, since: datetime, until: datetime) -> list[ProviderHealth]:
    """Answers written in [since, until) by provider, in order of name; providers without answers are left out."""
    asked = {"since": since, "until": until, "sampled": SAMPLED}
    rows = (await session.execute(ANSWERS_QUERY, asked)).mappings()
    return [
        ProviderHealth(
            **{name: row[name] for name in ("provider", "succeeded", "declined", "unknown")},
            median_seconds=None if row["median"] is None else round(float(row["median"]), 3),
        )
        for row in rows
    ]
