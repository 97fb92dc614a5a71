"""Streams recorded recoveries from the event log for backtests: a few columns of the event types that matter.

Rows come in the order of recoveries, so that the reader holds one in memory at a time. JSON comes as text in which
equal content is equal text, so that the reader parses every distinct text only once.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Final, NamedTuple

from sqlalchemy import text

from core.events import EventType
from db.session import Session

BATCH: Final = 5_000
"""Rows fetched at a time."""
PATIENCE_SECONDS: Final = 300
"""Time limit for one batch: the first may have to wait until the rows are sorted."""


class RecordedLine(NamedTuple):
    """One row of the log. What `one` to `five` hold depends on the type; see LINES_QUERY."""

    opens: bool
    """Whether this is the first row of a recovery."""
    type: str
    at: int
    """Whole seconds since 1970."""
    one: str | None
    two: str | None
    three: str | None
    four: str | None
    five: str | None


class ProviderCount(NamedTuple):
    """Number of recoveries of a provider in the log."""

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
"""The event types that a backtest needs; plans are left out, since the charges say what became of them."""

# Ids of charges and methods, last digits and fingerprints are left out of the JSON: with them no two texts were equal.
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
    """Recoveries that opened on or after `since`, counted by provider, the most frequent first."""
    await session.execute(BATCH_TIMEOUT)
    return [ProviderCount(*row) for row in (await session.execute(PROVIDERS_QUERY, {"since": since})).all()]


async def stream_lines(session: Session, provider: str, since: date) -> AsyncIterator[Sequence[RecordedLine]]:
    """Yields batches of lines of one provider's recoveries that opened on or after `since`, one recovery after another.

    The transaction must stay open meanwhile: a pause beyond IDLE_SECONDS of `db.session` between batches ends it.
    """
    await session.execute(BATCH_TIMEOUT)
    asked = {"since": since, "provider": provider, "types": list(READ_TYPES)}
    async with session.stream(LINES_QUERY, asked, execution_options={"yield_per": BATCH}) as found:
        async for batch in found.partitions(BATCH):
            yield batch  # type: ignore[misc]  # rows name the same fields
