"""What the event log tells of recoveries, for dry runs: few columns of few types of rows, over a streaming cursor.

Read in the order of recoveries, so that one of them is in memory at a time, and as text that says the same for what is
the same: who reads it needs to parse every distinct text only once.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Final, NamedTuple

from sqlalchemy import text

from core.events import EventType
from db.session import Session

BATCH: Final = 5_000
"""Rows that travel together."""
PATIENCE_SECONDS: Final = 300
"""For one batch: the first may have to wait until the rows are sorted."""


class RecordedLine(NamedTuple):
    """One row of the log. What `one` to `five` hold depends on the type; see `SELECT`."""

    opens: bool
    """The first row of a recovery."""
    type: str
    at: int
    """Whole seconds since 1970."""
    one: str | None
    two: str | None
    three: str | None
    four: str | None
    five: str | None


class ProviderCount(NamedTuple):
    """How many recoveries the log has of a provider."""

    provider: str
    recoveries: int


READ_TYPES: Final = tuple(
    kind.value
    for kind in (
        EventType.PAYMENT_FAILED,
        EventType.FAILURE_CLASSIFIED,
        EventType.CUSTOMER_SEGMENTED,
        EventType.FRAUD_ASSESSED,
        EventType.CHARGE_REQUESTED,
        EventType.CHARGE_SUCCEEDED,
        EventType.CHARGE_DECLINED,
        EventType.CHARGE_RECONCILED,
        EventType.METHOD_UPDATED,
        EventType.PAID_ELSEWHERE,
        EventType.RECOVERY_CLOSED,
        EventType.PAYMENT_LATE,
        EventType.EVENT_LATE,
    )
)
"""All types that matter; plans are left out, since what became of them stands in the charges."""

# Ids of charges and methods, last digits and fingerprints would make every text another one.
LINES_QUERY: Final = text("""
    SELECT sequence = 1 AS opens, type, CAST(floor(extract(epoch FROM occurred_at)) AS bigint) AS at,
        CASE type WHEN 'payment.failed' THEN invoice_id
                  WHEN 'failure.classified' THEN data->>'cause'
                  WHEN 'customer.segmented' THEN data->>'customer_id'
                  WHEN 'fraud.assessed' THEN CAST(jsonb_build_object('level', data->'radar_level',
                      'score', data->'radar_score', 'early_warning', data->'early_warning',
                      'disputed', data->'disputed') AS text)
                  WHEN 'charge.requested' THEN data->>'trigger'
                  WHEN 'charge.reconciled' THEN data->>'outcome'
                  WHEN 'invoice.paid_elsewhere' THEN data->>'remaining'
                  WHEN 'recovery.closed' THEN data->>'state'
                  WHEN 'payment.late' THEN data->>'amount'
                  WHEN 'event.late' THEN data->>'kind' END AS one,
        CASE type WHEN 'payment.failed' THEN data->>'customer_id'
                  WHEN 'failure.classified' THEN CAST((data->'failure') - 'charge_id' - 'method_id' AS text)
                  WHEN 'customer.segmented' THEN CAST(data->'profile' AS text)
                  WHEN 'fraud.assessed' THEN data->'countries'->>'customer'
                  WHEN 'charge.reconciled' THEN data->>'reason'
                  WHEN 'recovery.closed' THEN data->>'reason' END AS two,
        CASE type WHEN 'payment.failed' THEN data->>'amount'
                  WHEN 'customer.segmented' THEN data->>'window_ends_at'
                  WHEN 'failure.classified' THEN CAST((data->'card') - 'last4' - 'fingerprint' AS text) END AS three,
        CASE type WHEN 'payment.failed' THEN data->>'currency'
                  WHEN 'failure.classified' THEN data->'card'->>'fingerprint' END AS four,
        CASE type WHEN 'payment.failed' THEN data->>'units'
                  WHEN 'failure.classified' THEN data->>'policy_version' END AS five
    FROM event_log
    WHERE opened_on >= :since AND provider = :provider AND type = ANY(:types)
    ORDER BY opened_on, recovery_id, sequence
""")
BATCH_TIMEOUT: Final = text(f"SET LOCAL statement_timeout = '{PATIENCE_SECONDS}s'")
PROVIDERS_QUERY: Final = text("""
    SELECT provider, count(*) AS recoveries FROM event_log
    WHERE sequence = 1 AND opened_on >= :since GROUP BY provider ORDER BY count(*) DESC, provider
""")


async def count_by_provider(session: Session, since: date) -> list[ProviderCount]:
    """The providers of recoveries that opened on or after that day, the most frequent first."""
    await session.execute(BATCH_TIMEOUT)
    return [ProviderCount(*row) for row in (await session.execute(PROVIDERS_QUERY, {"since": since})).all()]


async def stream_lines(session: Session, provider: str, since: date) -> AsyncIterator[Sequence[RecordedLine]]:
    """All that matters of one provider's recoveries that opened on or after that day, in batches."""
    await session.execute(BATCH_TIMEOUT)
    asked = {"since": since, "provider": provider, "types": list(READ_TYPES)}
    async with session.stream(LINES_QUERY, asked, execution_options={"yield_per": BATCH}) as found:
        async for batch in found.partitions(BATCH):
            yield batch  # type: ignore[misc]  # rows name the same fields
