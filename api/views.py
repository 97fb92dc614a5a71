"""The API's representation of recoveries and events."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, Field

from core.classification.taxonomy import Category, Cause
from core.events import EventType, State
from core.payments import ProviderEvent
from core.recovery.machine import append_event
from core.recovery.reactions import opening_event
from core.recovery.state import Recovery
from db.repositories.recoveries import view_recovery
from settings import Settings


class RecoveryView(BaseModel):
    """One recovery: the effort to collect one invoice whose payment failed. Times are RFC 3339 in UTC."""

    recovery_id: str
    workflow_id: str = Field(description="its workflow in Temporal")
    provider: str
    invoice_id: str
    customer_id: str | None
    amount: int = Field(
        description="open amount in minor units of `currency`; of a recovered one, the amount of its last payment"
    )
    currency: str = Field(description="ISO 4217; empty until the provider has named it")
    state: State
    category: Category | None = Field(description="category of the failure; null until it is classified")
    cause: Cause | None
    segment: str | None
    strategy: str | None
    policy_version: str | None = Field(None, description="version of the policy that made the latest decision")
    experiment: str | None = Field(None, description="experiment that the customer is part of")
    arm: str | None = Field(None, description="the customer's arm of that experiment")
    attempts_used: int = Field(description="charges that used the policy's budget")
    attempts_allowed: int | None
    next_attempt_at: datetime | None
    until: datetime | None = Field(None, description="deadline of the customer or of the review")
    opened_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None = None
    paid: int = Field(0, description="partial payments before the end that were not returned; not part of `amount`")
    paid_late: int = Field(0, description="payments after an end as unpaid")
    returned: int = Field(0, description="payments returned after the end: refunds, chargebacks, returned debits")
    temporal_url: str | None = Field(None, description="the workflow in Temporal's web UI, if `TEMPORAL_UI_URL` is set")


class RecoveryPage(BaseModel):
    """One page of recoveries, newest first."""

    items: list[RecoveryView]
    next_cursor: str | None = Field(description="pass it as `cursor` for the next page; null on the last one")


class EventView(BaseModel):
    """One row of `event_log`."""

    recovery_id: str
    sequence: int
    event_id: str
    type: EventType
    occurred_at: datetime
    recorded_at: datetime
    provider: str
    invoice_id: str
    customer_id: str | None
    attempt: int | None
    from_state: State | None
    to_state: State
    data: dict[str, Any]
    previous_hash: str = Field(description="hash of the row before it, hex")
    hash: str = Field(description="hash of this row, hex")
    opened_on: str


class EventList(BaseModel):
    """The log of one recovery in sequence order."""

    items: list[EventView]


def to_recovery_view(settings: Settings, row: dict[str, Any]) -> RecoveryView:
    """A row of the read model (`db.repositories.recoveries.view_recovery`) as the API shows it."""
    return RecoveryView.model_validate(row | {"temporal_url": _temporal_url(settings, row["workflow_id"])})


def to_announced_view(settings: Settings, event: ProviderEvent) -> RecoveryView:
    """A recovery whose first row is not written yet, as it follows from its stored webhook."""
    blank = Recovery(provider=event.provider, invoice_id=event.invoice_id or "")
    recovery, _ = append_event(blank, opening_event(event))
    return to_recovery_view(settings, view_recovery(recovery))


def to_event_view(row: dict[str, Any]) -> EventView:
    """A row of the log (`db.queries.recovery_rows.load_rows`) as the API shows it."""
    return EventView.model_validate(row | {"event_id": str(row["event_id"]), "opened_on": str(row["opened_on"])})


def _temporal_url(settings: Settings, workflow_id: str) -> str | None:
    base = settings.temporal_ui_url.rstrip("/")
    if not base:
        return None
    return f"{base}/namespaces/{quote(settings.temporal_namespace, safe='')}/workflows/{quote(workflow_id, safe='')}"
