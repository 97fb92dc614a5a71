"""Writes verified webhooks into the inbox, those of many requests by one statement."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pydantic_core import PydanticSerializationError

from core.payments import ProviderEvent
from db import chain
from db.repositories.inbox import HEAD_START, WebhookOutcome
from db.session import Session

# Erased: the customer was, or that of the invoice's recovery. What is delivered needs its normalised event no more.
# Sorted by key for every writer: two that store the same events would deadlock otherwise.
_INSERT_WEBHOOKS: Final = """
WITH new AS MATERIALIZED (
    SELECT given.*, EXISTS (SELECT FROM contact WHERE contact.provider = given.provider
                            AND contact.customer_id = given.customer_id AND contact.erased_at IS NOT NULL)
                 OR EXISTS (SELECT FROM recovery JOIN contact USING (provider, customer_id)
                            WHERE recovery.provider = given.provider AND recovery.invoice_id = given.invoice_id
                            AND contact.erased_at IS NOT NULL) AS erased
    FROM ROWS FROM (
        json_to_recordset(CAST(%s AS json)) AS (
            provider text, event_id text, event_type text, received_at timestamptz, next_try_at timestamptz,
            event jsonb, customer_id text, invoice_id text, outcome text, reason text),
        unnest(CAST(%b AS bytea[]))
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
"""


_NUL: Final = "\\u0000"
"""How JSON spells the one character that jsonb refuses."""

_SHORT: Final = 1000
"""Characters of an event that can hold no integer too long for `chain.to_json_value`."""


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
    # Past SQLAlchemy's text(), which would send each body as hexadecimal digits.
    done = await session.exec_driver_sql(_INSERT_WEBHOOKS, (f"[{','.join(rows)}]", bodies))
    stored = {tuple(key) for key in done}
    news = []
    for one in webhooks:
        key = one.provider, chain.replace_unstorable(one.event_id)
        news.append(key in stored)
        stored.discard(key)
    return news


def _new_row(webhook: NewWebhook) -> str:
    """The columns that are sent as JSON."""
    event, clean = webhook.event, chain.replace_unstorable
    row = {
        "provider": webhook.provider,
        "event_id": clean(webhook.event_id),
        "event_type": clean(webhook.event_type),
        "received_at": webhook.received_at.isoformat(),
        "next_try_at": (webhook.received_at + HEAD_START).isoformat(),
        "customer_id": event and event.customer_id and clean(event.customer_id),
        "invoice_id": event and event.invoice_id and clean(event.invoice_id),
        "outcome": webhook.outcome and webhook.outcome.value,
        "reason": webhook.reason and clean(webhook.reason),
    }
    return f'{json.dumps(row)[:-1]}, "event": {_event_json(event) if event else "null"}}}'


def _event_json(event: ProviderEvent) -> str:
    """The normalised event as JSON that jsonb can hold. Raises InvalidInput if it can't."""
    try:
        found = event.model_dump_json(exclude_none=True)
    except PydanticSerializationError:  # half of a surrogate pair
        found = _NUL  # has to be replaced as well
    if len(found) <= _SHORT and _NUL not in found:
        return found
    return json.dumps(chain.to_json_value(event.model_dump(mode="json", exclude_none=True)))
