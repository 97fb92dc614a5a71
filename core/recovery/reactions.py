"""Turns a provider's event into the events of the log that a recovery writes for it, often none."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from core.events import (
    CloseReason,
    DisputeKind,
    Event,
    EventType,
    State,
    format_timestamp,
)
from core.payments import EventKind, Outcome, ProviderEvent
from core.recovery.invoice_check import part_payment_event
from core.recovery.outside_events import (
    event_source,
    is_payment_counted,
    late_event,
    method_update_events,
    money_event,
)
from core.recovery.state import CURRENT_RULES, Recovery

ECHO_TOLERANCE: Final = timedelta(seconds=2)
"""Providers stamp events in whole seconds: a failure this close to our own charge is its echo."""


def opening_event(event: ProviderEvent) -> Event:
    """The first row of a recovery, or the row of a later failure that the provider announced."""
    failure = event.failure.model_dump(mode="json", exclude_none=True) if event.failure else {}
    card = {"card": event.card.model_dump(mode="json", exclude_none=True)} if event.card else {}
    return Event(
        type=EventType.PAYMENT_FAILED,
        occurred_at=event.occurred_at,
        data=event_source(event)
        | {
            "provider_attempt": event.provider_attempt,
            "amount": event.amount or event.returned_amount,
            "currency": event.currency,
            "customer_id": event.customer_id,
            "subscription_id": event.subscription_id,
            "next_provider_attempt": format_timestamp(event.next_provider_attempt)
            if event.next_provider_attempt
            else None,
            "failure": failure,
            "rules": CURRENT_RULES,
        }
        | card,
    )


def react_to_event(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """The events to write for a provider's event; empty for one that repeats known facts."""
    if event.event_id in recovery.event_ids:
        return ()
    if recovery.stage.is_final:
        return () if _is_old_news(recovery, event) else (late_event(recovery, event),)
    if (told := _reconcile_own_charge(recovery, event)) is not None:
        return told
    reaction = _REACTIONS.get(event.kind)
    return reaction(recovery, event) if reaction else ()


_CHARGE_OUTCOMES: Final = {
    EventKind.PAYMENT_FAILED: Outcome.DECLINED,
    EventKind.ACTION_REQUIRED: Outcome.DECLINED,
    EventKind.INVOICE_PAID: Outcome.SUCCEEDED,
}
"""Outcome of our charge, by the kind of the event that carries its idempotency key."""


def _reconcile_own_charge(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...] | None:
    """`charge.reconciled` for an event with the key of the charge in flight; None for an event about something else.

    A decline of an older charge is known already. A success of one is not: its money still has to be counted.
    """
    outcome, order = _CHARGE_OUTCOMES.get(event.kind), recovery.in_flight
    if event.idempotency_key is None or outcome is None:
        return None
    if order is None or event.idempotency_key != order.idempotency_key:
        return None if outcome is Outcome.SUCCEEDED else _react_to_provider_schedule(recovery, event)
    part = event.paid_amount if event.paid_amount is not None and event.paid_amount < order.amount else None
    data = event_source(event) | {
        "outcome": outcome.value,
        "evidence": "webhook",
        "charge_id": event.payment_id,
        "amount": part,
        "currency": order.currency if part is not None else None,
        "failure": event.failure.model_dump(mode="json", exclude_none=True) if event.failure else None,
        "card": event.card.model_dump(mode="json", exclude_none=True) if event.card else None,
        "next_provider_attempt": format_timestamp(event.next_provider_attempt) if event.next_provider_attempt else None,
    }
    known = {key: value for key, value in data.items() if value is not None}
    at = max(event.occurred_at, order.requested_at)
    return (Event(type=EventType.CHARGE_RECONCILED, occurred_at=at, attempt=order.attempt, data=known),)


def _react_to_provider_schedule(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """`payment.failed` if the decline of a finished charge announces a later retry of the provider; else empty."""
    at = event.next_provider_attempt
    news = at and at > (recovery.next_provider_attempt or event.occurred_at) and not _is_known_failure(recovery, event)
    return (opening_event(event),) if news else ()


def _is_old_news(recovery: Recovery, event: ProviderEvent) -> bool:
    """Whether an event after the end only confirms it or echoes our own charge."""
    if event.kind is EventKind.INVOICE_PAID:
        return recovery.stage is State.RECOVERED or is_payment_counted(recovery, event)
    if event.kind in _CLOSE_REASONS:
        return recovery.close_reason == _CLOSE_REASONS[event.kind]
    if event.kind is EventKind.METHOD_UPDATED:
        return not method_update_events(recovery, event)
    return event.kind not in _REACTIONS or bool(
        _REACTIONS[event.kind] is _react_to_failure and _is_echo(recovery, event)
    )


_CLOSE_REASONS: Final = {
    EventKind.INVOICE_VOIDED: CloseReason.VOIDED,
    EventKind.INVOICE_UNCOLLECTIBLE: CloseReason.UNCOLLECTIBLE,
}
"""Stripe sends each of these twice: as an update and as the closing of the invoice."""


def _react_to_failure(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    return () if _is_known_failure(recovery, event) or _is_echo(recovery, event) else (opening_event(event),)


def _is_known_failure(recovery: Recovery, event: ProviderEvent) -> bool:
    """One failure is one (invoice, provider attempt): without a newer attempt there is no new failure."""
    if recovery.sequence == 0:
        return False
    if event.provider_attempt is None:
        return True
    return recovery.provider_attempt is not None and event.provider_attempt <= recovery.provider_attempt


def _is_echo(recovery: Recovery, event: ProviderEvent) -> bool:
    """Whether the event reports our own failed charge, by key, charge id or time."""
    if event.idempotency_key:
        return True
    charge_id = event.failure.charge_id if event.failure else None
    if charge_id and charge_id in recovery.charge_ids:
        return True
    if recovery.last_charge_from is None or event.occurred_at < recovery.last_charge_from - ECHO_TOLERANCE:
        return False
    return recovery.last_charge_to is None or event.occurred_at <= recovery.last_charge_to + ECHO_TOLERANCE


def _react_to_provider_stop(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """`payment.failed` for a provider that ended its own retries; known failure details fill the gaps of the event."""
    told = event.failure and (event.failure.code or event.failure.network_code)
    refused = event.failure if told else None
    known = {"failure": refused or recovery.failure or event.failure, "card": event.card or recovery.card}
    return (opening_event(event.model_copy(update=known | {"next_provider_attempt": None})),)


def _react_to_payment(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """`invoice.paid_elsewhere`, once per payment: providers confirm one payment in several events."""
    if (recovery.ending and recovery.ending.state is State.RECOVERED) or is_payment_counted(recovery, event):
        return ()
    if event.paid_amount is not None and event.paid_amount < recovery.amount and event.currency == recovery.currency:
        named = event_source(event) | ({"payment_id": event.payment_id} if event.payment_id else {})
        return (part_payment_event(recovery, event.paid_amount, event.occurred_at, **named),)
    return (Event(type=EventType.PAID_ELSEWHERE, occurred_at=event.occurred_at, data=event_source(event)),)


def _closing_reaction(why: CloseReason) -> Callable[[Recovery, ProviderEvent], tuple[Event, ...]]:
    def react_to_closing(_: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
        data = event_source(event) | {"why": why.value}
        return (Event(type=EventType.CLOSED_ELSEWHERE, occurred_at=event.occurred_at, data=data),)

    return react_to_closing


def _react_to_subscription_end(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """`invoice.closed_elsewhere` if the recovery's own subscription ended; else empty."""
    if recovery.subscription_id is None or event.subscription_id != recovery.subscription_id:
        return ()
    return _closing_reaction(CloseReason.SUBSCRIPTION_ENDED)(recovery, event)


def _react_to_refund(_: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    return (money_event(EventType.PAYMENT_REFUNDED, event),)


def _react_to_reversal(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """`payment.reversed`; as a recovery's first event, `payment.failed` if it has the bank's reason, else empty."""
    if recovery.sequence == 0:
        return (opening_event(event),) if event.opens_recovery else ()
    return (money_event(EventType.PAYMENT_REVERSED, event),)


def _dispute_reaction(kind: DisputeKind) -> Callable[[Recovery, ProviderEvent], tuple[Event, ...]]:
    def react_to_dispute(_: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
        money = {"amount": event.returned_amount, "currency": event.currency} if event.returned_amount else {}
        data = event_source(event) | {"kind": kind.value, "detail": event.detail} | money
        return (Event(type=EventType.DISPUTE_OPENED, occurred_at=event.occurred_at, data=data),)

    return react_to_dispute


_REACTIONS: Final[Mapping[EventKind, Callable[[Recovery, ProviderEvent], tuple[Event, ...]]]] = {
    EventKind.PAYMENT_FAILED: _react_to_failure,
    EventKind.ACTION_REQUIRED: _react_to_failure,
    EventKind.PROVIDER_STOPPED: _react_to_provider_stop,
    EventKind.INVOICE_PAID: _react_to_payment,
    EventKind.INVOICE_VOIDED: _closing_reaction(_CLOSE_REASONS[EventKind.INVOICE_VOIDED]),
    EventKind.INVOICE_UNCOLLECTIBLE: _closing_reaction(_CLOSE_REASONS[EventKind.INVOICE_UNCOLLECTIBLE]),
    EventKind.SUBSCRIPTION_ENDED: _react_to_subscription_end,
    EventKind.METHOD_UPDATED: method_update_events,
    EventKind.DISPUTE_OPENED: _dispute_reaction(DisputeKind.DISPUTE),
    EventKind.FRAUD_WARNING: _dispute_reaction(DisputeKind.EARLY_FRAUD_WARNING),
    EventKind.DISPUTE_INQUIRY: _dispute_reaction(DisputeKind.INQUIRY),
    EventKind.PAYMENT_RESTORED: lambda _, __: (),  # before the end the money of a dispute blocks it already
    EventKind.CUSTOMER_DELETED: _closing_reaction(CloseReason.CUSTOMER_DELETED),
    EventKind.PAYMENT_REFUNDED: _react_to_refund,
    EventKind.PAYMENT_REVERSED: _react_to_reversal,
}
