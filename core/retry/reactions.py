"""What a word from outside means for a recovery: the events it amounts to, often none."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from core.classifier.taxonomy import Category
from core.contracts import Action, Command
from core.errors import Refused
from core.events import CloseReason, DisputeKind, Event, EventType, Record, ReviewDecision, SkipAction, State, stamp
from core.events.data import RetrySkipped
from core.payments import EventKind, Outcome, ProviderEvent
from core.retry.fresh_look import part_paid
from core.retry.late_events import counted, event_source, late, money_row
from core.retry.method_events import method_rows
from core.retry.recovery import RULES, Recovery

ECHO: Final = timedelta(seconds=2)
"""Providers stamp events in whole seconds: this close to a charge of ours, a failure is its echo."""


def opening(event: ProviderEvent) -> Event:
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
            "next_provider_attempt": stamp(event.next_provider_attempt) if event.next_provider_attempt else None,
            "failure": failure,
            "rules": RULES,
        }
        | card,
    )


OPENERS: Final = frozenset({EventKind.PAYMENT_FAILED, EventKind.ACTION_REQUIRED, EventKind.PROVIDER_STOPPED})
"""Kinds that tell of a failed payment."""


def opens_recovery(event: ProviderEvent) -> bool:
    """Whether a recovery begins with this event; a debit that came back is a failed payment, too."""
    returned = event.kind is EventKind.PAYMENT_REVERSED and event.failure is not None
    return event.kind in OPENERS or returned


def react(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """What a provider's event amounts to. Nothing, where it repeats what is known."""
    if event.event_id in recovery.event_ids:
        return ()
    if recovery.stage.final:
        return () if _says_nothing_new(recovery, event) else (late(recovery, event),)
    if (told := _of_our_charge(recovery, event)) is not None:
        return told
    reaction = _REACTIONS.get(event.kind)
    return reaction(recovery, event) if reaction else ()


_ENDS: Final = {
    EventKind.PAYMENT_FAILED: Outcome.DECLINED,
    EventKind.ACTION_REQUIRED: Outcome.DECLINED,
    EventKind.INVOICE_PAID: Outcome.SUCCEEDED,
}
"""What an event that carries the key of a charge of ours says of it."""


def _of_our_charge(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...] | None:
    """The end of the charge in flight, in the provider's own words; None for an event that is about something else.

    A decline of an older charge is known. Money is never: that of a charge which counted as failed is still money.
    """
    outcome, order = _ENDS.get(event.kind), recovery.in_flight
    if event.idempotency_key is None or outcome is None:
        return None
    if order is None or event.idempotency_key != order.idempotency_key:
        return None if outcome is Outcome.SUCCEEDED else _taken_over(recovery, event)
    part = event.paid_amount if event.paid_amount is not None and event.paid_amount < order.amount else None
    data = event_source(event) | {
        "outcome": outcome.value,
        "evidence": "webhook",
        "charge_id": event.payment_id,
        "amount": part,
        "currency": order.currency if part is not None else None,
        "failure": event.failure.model_dump(mode="json", exclude_none=True) if event.failure else None,
        "card": event.card.model_dump(mode="json", exclude_none=True) if event.card else None,
        "next_provider_attempt": stamp(event.next_provider_attempt) if event.next_provider_attempt else None,
    }
    known = {key: value for key, value in data.items() if value is not None}
    at = max(event.occurred_at, order.requested_at)
    return (Event(type=EventType.CHARGE_RECONCILED, occurred_at=at, attempt=order.attempt, data=known),)


def _taken_over(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """News in the decline of a charge that is over: the provider will try again by itself, where we meant to."""
    at = event.next_provider_attempt
    news = at and at > (recovery.next_provider_attempt or event.occurred_at) and not _known(recovery, event)
    return (opening(event),) if news else ()


def _says_nothing_new(recovery: Recovery, event: ProviderEvent) -> bool:
    """After the end, confirmations of it and echoes of our own tries are no news."""
    if event.kind is EventKind.INVOICE_PAID:
        return recovery.stage is State.RECOVERED or counted(recovery, event)
    if event.kind in _CLOSINGS:
        return recovery.close_reason == _CLOSINGS[event.kind]
    if event.kind is EventKind.METHOD_UPDATED:
        return not method_rows(recovery, event)
    return event.kind not in _REACTIONS or bool(_REACTIONS[event.kind] is _failed and _echo(recovery, event))


_CLOSINGS: Final = {
    EventKind.INVOICE_VOIDED: CloseReason.VOIDED,
    EventKind.INVOICE_UNCOLLECTIBLE: CloseReason.UNCOLLECTIBLE,
}
"""Told twice by Stripe, as the invoice's update and as its closing."""


def _failed(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    return () if _known(recovery, event) or _echo(recovery, event) else (opening(event),)


def _known(recovery: Recovery, event: ProviderEvent) -> bool:
    """One failure is one (invoice, provider attempt): without a newer attempt there is no new failure."""
    if recovery.sequence == 0:
        return False
    if event.provider_attempt is None:
        return True
    return recovery.provider_attempt is not None and event.provider_attempt <= recovery.provider_attempt


def _echo(recovery: Recovery, event: ProviderEvent) -> bool:
    """Whether a provider tells us about our own failed charge."""
    if event.idempotency_key:
        return True
    charge_id = event.failure.charge_id if event.failure else None
    if charge_id and charge_id in recovery.charge_ids:
        return True
    if recovery.last_charge_from is None or event.occurred_at < recovery.last_charge_from - ECHO:
        return False
    return recovery.last_charge_to is None or event.occurred_at <= recovery.last_charge_to + ECHO


def _stopped(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """Plan anew from here, with what is known of the failure where this event doesn't say it again."""
    told = event.failure and (event.failure.code or event.failure.network_code)
    refused = event.failure if told else None
    known = {"failure": refused or recovery.failure or event.failure, "card": event.card or recovery.card}
    return (opening(event.model_copy(update=known | {"next_provider_attempt": None})),)


def _paid(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """Told once: while a charge is in flight its ending waits, and providers confirm a payment in several events."""
    if (recovery.ending and recovery.ending.state is State.RECOVERED) or counted(recovery, event):
        return ()
    if event.paid_amount is not None and event.paid_amount < recovery.amount and event.currency == recovery.currency:
        named = event_source(event) | ({"payment_id": event.payment_id} if event.payment_id else {})
        return (part_paid(recovery, event.paid_amount, event.occurred_at, **named),)
    return (Event(type=EventType.PAID_ELSEWHERE, occurred_at=event.occurred_at, data=event_source(event)),)


def _closed_as(why: CloseReason) -> Callable[[Recovery, ProviderEvent], tuple[Event, ...]]:
    def closed(_: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
        data = event_source(event) | {"why": why.value}
        return (Event(type=EventType.CLOSED_ELSEWHERE, occurred_at=event.occurred_at, data=data),)

    return closed


def _unsubscribed(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """Another subscription of the same customer is none of this recovery's business."""
    if recovery.subscription_id is None or event.subscription_id != recovery.subscription_id:
        return ()
    return _closed_as(CloseReason.SUBSCRIPTION_ENDED)(recovery, event)


def _refunded(_: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    return (money_row(EventType.PAYMENT_REFUNDED, event),)


def _reversed(recovery: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
    """Money taken back: the first word of a recovery where a bank's reason makes it a failed payment."""
    if recovery.sequence == 0:
        return (opening(event),) if event.failure else ()
    return (money_row(EventType.PAYMENT_REVERSED, event),)


def _disputed_as(kind: DisputeKind) -> Callable[[Recovery, ProviderEvent], tuple[Event, ...]]:
    def disputed(_: Recovery, event: ProviderEvent) -> tuple[Event, ...]:
        money = {"amount": event.returned_amount, "currency": event.currency} if event.returned_amount else {}
        data = event_source(event) | {"kind": kind.value, "detail": event.detail} | money
        return (Event(type=EventType.DISPUTE_OPENED, occurred_at=event.occurred_at, data=data),)

    return disputed


_REACTIONS: Final[Mapping[EventKind, Callable[[Recovery, ProviderEvent], tuple[Event, ...]]]] = {
    EventKind.PAYMENT_FAILED: _failed,
    EventKind.ACTION_REQUIRED: _failed,
    EventKind.PROVIDER_STOPPED: _stopped,
    EventKind.INVOICE_PAID: _paid,
    EventKind.INVOICE_VOIDED: _closed_as(_CLOSINGS[EventKind.INVOICE_VOIDED]),
    EventKind.INVOICE_UNCOLLECTIBLE: _closed_as(_CLOSINGS[EventKind.INVOICE_UNCOLLECTIBLE]),
    EventKind.SUBSCRIPTION_ENDED: _unsubscribed,
    EventKind.METHOD_UPDATED: method_rows,
    EventKind.DISPUTE_OPENED: _disputed_as(DisputeKind.DISPUTE),
    EventKind.FRAUD_WARNING: _disputed_as(DisputeKind.EARLY_FRAUD_WARNING),
    EventKind.DISPUTE_INQUIRY: _disputed_as(DisputeKind.INQUIRY),
    EventKind.PAYMENT_RESTORED: lambda _, __: (),  # before the end the money of a dispute blocks it already
    EventKind.CUSTOMER_DELETED: _closed_as(CloseReason.CUSTOMER_DELETED),
    EventKind.PAYMENT_REFUNDED: _refunded,
    EventKind.PAYMENT_REVERSED: _reversed,
}


def obey(recovery: Recovery, command: Command, now: datetime) -> tuple[Event, ...]:
    """The event of an operator's wish. Raises Refused with the reason.

    Where things are so already only a signal has one, since nobody answers whoever sent it; not under older rules: what
    has run must replay.
    """
    refuse(recovery, command)
    idle = {Action.PAUSE: recovery.paused, Action.RESUME: not recovery.paused}
    if idle.get(command.action) and (command.signal is None or recovery.rules < 2):
        return ()
    return (commanded(command, now), *_found_out(recovery, command, now))


def _found_out(recovery: Recovery, command: Command, now: datetime) -> tuple[Event, ...]:
    """A charge that nobody could settle: whoever approves says that it never happened."""
    if recovery.in_flight is None or command.action is not Action.REVIEW or command.decision != ReviewDecision.APPROVE:
        return ()
    data = {"outcome": Outcome.NOT_CHARGED.value, "evidence": "operator", "reason": "reviewed"}
    attempt = recovery.in_flight.attempt
    return (Event(type=EventType.CHARGE_RECONCILED, occurred_at=now, attempt=attempt, data=data),)


def commanded(command: Command, now: datetime, refused: str | None = None) -> Event:
    """The row of a wish; with `refused`, of one that had no effect."""
    data = command.model_dump(mode="json", include=_TOLD, exclude_none=True)
    return Event(type=_ROWS[command.action], occurred_at=now, data=data | ({"refused": refused} if refused else {}))


_TOLD: Final = {"actor", "reason", "decision", "asked_by", "asked_reason", "request_id", "signal"}
_ROWS: Final[Mapping[Action, EventType]] = {
    Action.RETRY: EventType.RETRY_REQUESTED,
    Action.CANCEL: EventType.CANCEL_REQUESTED,
    Action.PAUSE: EventType.PAUSED,
    Action.RESUME: EventType.RESUMED,
    Action.REVIEW: EventType.REVIEWED,
}


def refuse(recovery: Recovery, command: Command) -> None:
    """Return when the wish can be followed now. Raises Refused with one of the contract's codes and a sentence."""
    if recovery.stage.final or recovery.ending:
        raise Refused("closed", f"This recovery has ended: {recovery.close_reason or 'it is being closed'}.")
    if command.action is Action.RETRY:
        _refuse_retry(recovery)
    if command.action is Action.REVIEW and recovery.stage is not State.IN_REVIEW:
        raise Refused("not_in_review", "There is nothing to review here.")
    if command.action is Action.REVIEW and command.decision not in set(ReviewDecision):
        raise Refused("no_decision", "A review needs a decision: approve or reject.")


def refusal_in(records: Iterable[Record]) -> Refused | None:
    """What these rows say to somebody who asked for a charge, where it was refused at the last moment."""
    said = (record.read(RetrySkipped) for record in records if record.type is EventType.RETRY_SKIPPED)
    refused = next((data for data in said if data.action is SkipAction.REFUSE), None)
    return Refused(refused.reason, refused.why or "") if refused else None


def _refuse_retry(recovery: Recovery) -> None:
    if recovery.in_flight:
        raise Refused("in_flight", "A charge is under way; its result is not known yet.")
    if recovery.standing_back and recovery.standing_back.stops_clock:
        raise Refused("in_flight", "A payment of this invoice is on its way at the provider.")
    if recovery.paused:
        raise Refused("paused", "This recovery is paused; resume it first.")
    if recovery.standing_back and recovery.stage is not State.IN_REVIEW:
        raise Refused("paused", "Its collection rests: the merchant paused it, or wrote the invoice off.")
    if recovery.fraud_hold or recovery.stage is State.IN_REVIEW:
        raise Refused("fraud_hold", "This recovery is held for review; approve it first.")
    if recovery.category is Category.HARD_DECLINE and not recovery.trigger:
        raise Refused("hard_decline", "The bank refused this card for good; only another payment method can help.")
