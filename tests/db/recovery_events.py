"""Events for tests, and hypothesis strategies that build whole recoveries of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from core.events import Event, EventType, format_timestamp
from core.recovery.state import Recovery

NOW = datetime(2026, 9, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = format_timestamp(NOW + timedelta(hours=3))
TEXTS = st.text(st.characters(), max_size=12)
"""Any unicode, NUL and lone surrogates among it."""

DATA: dict[EventType, dict[str, Any]] = {
    EventType.FAILURE_CLASSIFIED: {"category": "SOFT_DECLINE", "cause": "GENERIC", "code": "x", "source": "test"},
    EventType.CUSTOMER_SEGMENTED: {"segment": "default", "attempts_allowed": 4, "window_ends_at": LATER},
    EventType.FRAUD_ASSESSED: {"level": "clear"},
    EventType.RETRY_PLANNED: {"at": LATER, "strategy": "fixed_ladder", "policy_version": "abc"},
    EventType.RETRY_SKIPPED: {"action": "ask_customer", "until": LATER, "reason": "authentication"},
    EventType.CHARGE_REQUESTED: {"trigger": "scheduled", "idempotency_key": "k", "amount": 500, "currency": "EUR"},
    EventType.CHARGE_SUCCEEDED: {"charge_id": "ch_won"},
    EventType.CHARGE_DECLINED: {"charge_id": "ch_lost", "failure": {"code": "generic_decline"}},
    EventType.CHARGE_UNKNOWN: {"reason": "timeout"},
    EventType.CHARGE_RECONCILED: {"outcome": "declined", "failure": {"charge_id": "ch_late"}},
    EventType.RETRY_REQUESTED: {"actor": "ann", "reason": "asked"},
    EventType.PAUSED: {"actor": "ann", "reason": "\N{SNOWMAN}"},
    EventType.RESUMED: {"actor": "ann", "reason": "back"},
    EventType.METHOD_UPDATED: {"method_id": "pm_2", "method_version": "pm_2:1"},
    EventType.NOTIFICATION_SENT: {"template": "link"},
    EventType.SHADOW_PLANNED: {"at": LATER},
}


def blank_recovery(invoice_id: str, provider: str = "stripe") -> Recovery:
    """A recovery before its first row."""
    return Recovery(provider=provider, invoice_id=invoice_id)


def failed_event(at: datetime = NOW, **data: Any) -> Event:
    """A failed payment of 5.00 EUR by cus_1."""
    return Event(
        type=EventType.PAYMENT_FAILED,
        occurred_at=at,
        data={"amount": 500, "currency": "EUR", "customer_id": "cus_1", "event_id": "evt_1"} | data,
    )


def event_of(kind: EventType, /, **data: Any) -> Event:
    """An event of this type, now, with valid data."""
    return Event(type=kind, occurred_at=NOW, data=DATA.get(kind, {}) | data)


def part_payment(amount: int, remaining: int) -> Event:
    """A partial payment from elsewhere, with what remains open."""
    return event_of(EventType.PAID_ELSEWHERE, amount=amount, remaining=remaining)


def canceled_event() -> Event:
    """The event that cancels a recovery."""
    return Event(type=EventType.CANCEL_REQUESTED, occurred_at=NOW, data={"actor": "ann", "reason": "enough"})


@st.composite
def transition_batches(draw: st.DrawFn) -> list[list[Event]]:
    """Batches of events as a workflow appends them: an opening, then any transitions in any order."""
    events_with_note = st.builds(lambda kind, note: event_of(kind, note=note), st.sampled_from(sorted(DATA)), TEXTS)
    following = st.lists(st.lists(events_with_note, min_size=1, max_size=4), max_size=4)
    return [[failed_event()], *draw(following)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(10**999), 10**999) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
