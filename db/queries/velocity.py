"""Velocity counts for the fraud rules: failures, cards and customers in a window, read from the event log by index."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from core.fraud.signals import Velocity
from db.session import Session
from db.statements import HotStatement

OPEN_BEFORE: Final = timedelta(days=62)
"""Recoveries that opened longer than this before the window are not read, so that few partitions are searched."""
MOST_ROWS: Final = 1000
"""Rows read per card and per customer; with more, every threshold is passed anyway."""

_FAILURES: Final = """
    SELECT recovery_id, customer_id, data->'card'->>'fingerprint' AS card, recorded_at
    FROM event_log
    WHERE type = 'failure.classified' AND provider = :provider AND {whose} AND recorded_at >= :since
      AND opened_on BETWEEN CAST(:since AS timestamptz)::date - :open_before
                        AND CAST(:now AS timestamptz)::date + 1
      AND recovery_id <> :recovery_id
    ORDER BY recorded_at DESC LIMIT :most
"""
VELOCITY_QUERY: Final = HotStatement(
    text(f"""
    WITH of_customer AS ({_FAILURES.format(whose="customer_id = :customer_id")}),
         of_card AS ({_FAILURES.format(whose="data->'card'->>'fingerprint' = :card")})
    SELECT (SELECT count(DISTINCT card) FROM of_customer WHERE card <> :card) AS cards,
           (SELECT count(DISTINCT customer_id) FROM of_card WHERE customer_id <> :customer_id) AS customers,
           greatest(
               (SELECT count(DISTINCT recovery_id) FROM of_customer WHERE recorded_at >= :burst_since),
               (SELECT count(DISTINCT recovery_id) FROM of_card WHERE recorded_at >= :burst_since)
           ) AS burst
""")
)


async def count_velocity(
    session: Session,
    provider: str,
    recovery_id: str,
    customer_id: str | None,
    fingerprint: str | None,
    now: datetime,
    window: timedelta,
    burst_window: timedelta,
) -> Velocity:
    """Velocity counts including this recovery's failure; `window` for cards and customers, `burst_window` for failures.

    `cards_of_customer` and `customers_on_card` are None where the customer or the card's fingerprint is not known.
    """
    asked = {
        "provider": provider,
        "recovery_id": recovery_id,
        "customer_id": customer_id or "",
        "card": fingerprint or "",
        "now": now,
        "since": now - max(window, burst_window),
        "burst_since": now - burst_window,
        "open_before": OPEN_BEFORE.days,
        "most": MOST_ROWS,
    }
    (found,) = await VELOCITY_QUERY.fetch(session, asked)
    return Velocity(
        cards_of_customer=found["cards"] + 1 if customer_id and fingerprint else None,
        customers_on_card=found["customers"] + 1 if customer_id and fingerprint else None,
        failures_in_burst=found["burst"] + 1,
    )
