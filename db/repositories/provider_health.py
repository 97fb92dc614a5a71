"""How each provider has answered our charges lately, out of the log: one row there is one answer."""

from datetime import datetime
from typing import Final

from sqlalchemy import text

from core.base import Value
from db.session import Session

# The request stands in the same recovery, a row or two before its answer; recoveries are found by the day they opened.
ANSWERS_QUERY: Final = text("""
    SELECT answer.provider,
           count(*) FILTER (WHERE answer.type = 'charge.succeeded') AS succeeded,
           count(*) FILTER (WHERE answer.type = 'charge.declined') AS declined,
           count(*) FILTER (WHERE answer.type = 'charge.unknown') AS unknown,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM answer.recorded_at - requested.recorded_at))
               FILTER (WHERE answer.type <> 'charge.unknown') AS median
    FROM event_log AS answer
    LEFT JOIN LATERAL (
        SELECT recorded_at FROM event_log
        WHERE opened_on = answer.opened_on AND recovery_id = answer.recovery_id AND sequence < answer.sequence
          AND type = 'charge.requested'
        ORDER BY sequence DESC LIMIT 1
    ) AS requested ON true
    WHERE answer.type IN ('charge.succeeded', 'charge.declined', 'charge.unknown')
      AND answer.recorded_at >= :since AND answer.recorded_at < :until
    GROUP BY answer.provider
    ORDER BY answer.provider
""")


class ProviderHealth(Value):
    """A provider's answers to our charges in some time."""

    provider: str
    succeeded: int
    declined: int
    unknown: int
    """Time-outs, lost connections, errors of the provider: no definite answer."""
    median_seconds: float | None
    """From the request's row to that of the definite answer; None where there was none."""

    @property
    def unknown_rate(self) -> float:
        """The share of charges without a definite answer."""
        return self.unknown / (self.succeeded + self.declined + self.unknown)


async def load_provider_health(session: Session, since: datetime, until: datetime) -> list[ProviderHealth]:
    """Answers written in [since, until), by provider; one without any is left out."""
    rows = (await session.execute(ANSWERS_QUERY, {"since": since, "until": until})).mappings()
    return [
        ProviderHealth(
            **{name: row[name] for name in ("provider", "succeeded", "declined", "unknown")},
            median_seconds=None if row["median"] is None else round(float(row["median"]), 3),
        )
        for row in rows
    ]
