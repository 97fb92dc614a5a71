"""Writes verified webhooks into the inbox, those of many requests by one statement."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from core.payments import ProviderEvent
from db import chain
from db.repositories.inbox import HEAD_START, WebhookOutcome
from db.session import Session

# Erased: the customer was, or that of the invoice's recovery. What is delivered needs its normalised event no more.
# Sorted by key for every writer: two that store the same events would deadlock otherwise.
_INSERT_WEBHOOKS: Final = text("""
WITH new AS MATERIALIZED (
    SELECT given.*, EXISTS (SELECT FROM contact WHERE contact.provider = given.provider
                            AND contact.customer_id = given.customer_id AND contact.erased_at IS NOT NULL)
                 OR EXISTS (SELECT FROM recovery JOIN contact USING (provider, customer_id)
                            WHERE recovery.provider = given.provider AND recovery.invoice_id = given.invoice_id
                            AND contact.erased_at IS NOT NULL) AS erased
    FROM ROWS FROM (
        json_to_recordset(CAST(:rows AS json)) AS (
            provider text, event_id text, event_type text, received_at timestamptz, next_try_at timestamptz,
            event jsonb, customer_id text, invoice_id text, outcome text, reason text),
        unnest(CAST(:bodies AS bytea[]))
    ) WITH ORDINALITY AS given (provider, event_id, event_type, received_at, next_try_at, event, customer_id,
                                invoice_id, outcome, reason, body, position)
)
INSERT INTO webhook_inbox (provider, event_id, event_type, received_at, next_try_at, event, customer_id, invoice_id,
                           outcome, reason, delivered_at, body, erased_at)
SELECT provider, event_id, event_type, received_at, next_try_at,
       CASE WHEN outcome IS NULL OR NOT erased THEN event END, customer_id, invoice_id,
       outcome, reason, CASE WHEN outcome IS NOT NULL THEN received_at END,
       CASE WHEN erased THEN CAST('' AS bytea) ELSE body END, CASE WHEN erased THEN received_at END
FROM new
ORDER BY provider, event_id, position
ON CONFLICT DO NOTHING
RETURNING provider, event_id
""")


class NewWebhook(NamedTuple):
    """A verified event that is to be stored, with its outcome where that is decided already."""

    provider: str
    event_id: str
    event_type: str
    received_at: datetime
    body: bytes
    event: ProviderEvent | None = None
    outcome: WebhookOutcome | None = None
    reason: str | None = None


async def insert_webhooks(session: Session, webhooks: Sequence[NewWebhook]) -> list[bool]:
    """Stores verified events by one statement; False, with nothing written, for an id that is stored already.

    Of two with one id the first is stored. Without its body where it is about an erased customer. Raises InvalidInput
    for a normalised event that jsonb can't hold.
    """
    rows = [_new_row(one) for one in webhooks]
    bodies = [one.body for one in webhooks]
    done = await session.execute(_INSERT_WEBHOOKS, {"rows": json.dumps(rows), "bodies": bodies})
    stored = {tuple(key) for key in done}
    news = []
    for row in rows:
        news.append((row["provider"], row["event_id"]) in stored)
        stored.discard((row["provider"], row["event_id"]))
    return news


def _new_row(webhook: NewWebhook) -> dict[str, Any]:
    """The columns that are sent as JSON."""
    event = webhook.event
    normalised = chain.to_json_value(event.model_dump(mode="json", exclude_none=True)) if event else {}
    return {
        "provider": webhook.provider,
        "event_id": chain.replace_unstorable(webhook.event_id),
        "event_type": chain.replace_unstorable(webhook.event_type),
        "received_at": webhook.received_at.isoformat(),
        "next_try_at": (webhook.received_at + HEAD_START).isoformat(),
        "event": normalised or None,
        "customer_id": normalised.get("customer_id"),
        "invoice_id": normalised.get("invoice_id"),
        "outcome": webhook.outcome and webhook.outcome.value,
        "reason": webhook.reason and chain.replace_unstorable(webhook.reason),
    }
