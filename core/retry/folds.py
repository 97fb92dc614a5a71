"""What each type of record changes in a recovery: one small function a type, the table of them at the end."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from core.classifier.taxonomy import Category, Cause
from core.events import EventType, Record, State, Trigger, moment
from core.payments import Card, ChargeOrder, Failure, Outcome
from core.retry.message_folds import message_told, messages_planned
from core.retry.recovery import Ending, Recovery


def _end(recovery: Recovery, state: State, reason: str) -> Recovery:
    """The first ending stands, but money that came in beats them all."""
    if recovery.ending and state is not State.RECOVERED:
        return recovery
    return recovery.having(ending=Ending(state=state, reason=reason))


def _payment_failed(recovery: Recovery, record: Record) -> Recovery:
    """A failure that the provider caused: the next delay counts from it, so whatever was planned is void."""
    data = record.data
    return _having_seen(recovery, data).having(
        opened_at=recovery.opened_at or record.occurred_at,
        customer_id=data.get("customer_id") or recovery.customer_id,
        subscription_id=data.get("subscription_id") or recovery.subscription_id,
        amount=data.get("amount") or recovery.amount,
        currency=data.get("currency") or recovery.currency,
        provider_attempt=data.get("provider_attempt") or recovery.provider_attempt,
        failed_at=max(recovery.failed_at or record.occurred_at, record.occurred_at),
        failure=Failure.model_validate(data.get("failure") or {}),
        card=Card.model_validate(data.get("card") or {}),
        next_provider_attempt=moment(data.get("next_provider_attempt")),
        next_attempt_at=None,
        unread=True,
        undecided=True,
    )


def _having_seen(recovery: Recovery, data: Mapping[str, Any]) -> Recovery:
    event_id = data.get("event_id")
    return recovery if event_id is None else recovery.having(event_ids=(*recovery.event_ids, event_id))


def _classified(recovery: Recovery, record: Record) -> Recovery:
    card = record.data.get("card") or {}
    return recovery.having(
        fingerprint=card.get("fingerprint") or recovery.fingerprint,
        network=card.get("network") or (record.data.get("failure") or {}).get("network") or recovery.network,
        category=Category(record.data["category"]),
        cause=Cause(record.data["cause"]),
        failure=Failure.model_validate(record.data.get("failure") or recovery.failure),
        policy_version=record.data.get("policy_version") or recovery.policy_version,
        unread=False,
        stage=State.CLASSIFIED,
    )


def _segmented(recovery: Recovery, record: Record) -> Recovery:
    data, profile = record.data, record.data.get("profile") or {}
    return recovery.having(
        segment=data["segment"],
        country=profile.get("country"),
        time_zone=profile.get("time_zone"),
        experiment=data.get("experiment"),
        arm=data.get("arm"),
        attempts_allowed=data.get("attempts_allowed"),
        window_ends_at=moment(data.get("window_ends_at")),
        important=data.get("important", False),
        customer_id=data.get("customer_id") or recovery.customer_id,
        stage=State.SEGMENTED,
    )


def _assessed(recovery: Recovery, record: Record) -> Recovery:
    """Only a person lifts a hold."""
    return recovery.having(fraud_hold=recovery.fraud_hold or record.data.get("level") != "clear")


def _planned(recovery: Recovery, record: Record) -> Recovery:
    return messages_planned(recovery, record.data).having(
        stage=State.WAITING,
        undecided=False,
        until=None,
        next_attempt_at=moment(record.data["at"]),
        attempts_allowed=record.data.get("attempts_allowed", recovery.attempts_allowed),
        strategy=record.data.get("strategy"),
        policy_version=record.data.get("policy_version") or recovery.policy_version,
    )


def _skipped(recovery: Recovery, record: Record) -> Recovery:
    data = record.data
    if data["action"] == "refuse":
        return recovery.having(trigger=None, method_id=None)
    decided = messages_planned(recovery, data).having(
        undecided=False, unread=False, next_attempt_at=None, trigger=_still_wanted(recovery, data)
    )
    match data["action"]:
        case "postpone":
            return decided.having(stage=State.WAITING, next_attempt_at=moment(data["at"]))
        case "ask_customer" | "wait_for_method":
            return decided.having(stage=State.AWAITING_CUSTOMER, until=moment(data.get("until")))
        case "review" | "tell_operators":
            review = decided.having(stage=State.IN_REVIEW, until=moment(data.get("until")))
            return review.having(customer_until=moment(data.get("customer_until")))
        case "stop":
            return _end(decided, State.BLOCKED, data["reason"])
        case _ if decided.trigger:
            return decided.having(stage=State.WAITING)
        case _:
            return _end(decided, State.EXHAUSTED, data["reason"])


def _still_wanted(recovery: Recovery, data: Mapping[str, Any]) -> Trigger | None:
    """Not any more, where it was held back just before it happened, or what was found out speaks against it.

    An operator may have asked before it was known that the card is refused for good, or held; a new method is
    another card.
    """
    hopeless = recovery.fraud_hold or recovery.category is Category.HARD_DECLINE
    if data.get("trigger") or (hopeless and recovery.trigger is Trigger.MANUAL):
        return None
    return recovery.trigger


def _requested(recovery: Recovery, record: Record) -> Recovery:
    data, trigger = record.data, Trigger(record.data["trigger"])
    order = ChargeOrder(
        provider=recovery.provider,
        invoice_id=recovery.invoice_id,
        attempt=record.attempt or recovery.attempt + 1,
        idempotency_key=data["idempotency_key"],
        amount=data["amount"],
        currency=data["currency"],
        method_id=data.get("method_id"),
        customer_id=data.get("customer_id"),
        last_method_id=data.get("last_method_id"),
        charge_before=data.get("charge_before"),
        requested_at=record.occurred_at,
    )
    return recovery.having(
        stage=State.CHARGING,
        in_flight=order,
        in_flight_trigger=trigger,
        unsettled=False,
        attempt=order.attempt,
        attempts_used=recovery.attempts_used + int(trigger.uses_budget),
        amount=order.amount,
        next_attempt_at=None if trigger.uses_budget else recovery.next_attempt_at,
        trigger=None,
        method_id=None,
        last_charge_from=record.occurred_at,
        last_charge_to=None,
    )


def _landed(recovery: Recovery, record: Record) -> Recovery:
    """No charge is in flight any more."""
    charge_id = record.data.get("charge_id")
    made = (*recovery.charge_ids, charge_id) if charge_id else recovery.charge_ids
    return _having_seen(recovery, record.data).having(
        in_flight=None,
        in_flight_trigger=None,
        unsettled=False,
        last_charge_to=record.occurred_at,
        charge_ids=made,
    )


def _succeeded(recovery: Recovery, record: Record) -> Recovery:
    return _end(_landed(recovery, record), State.RECOVERED, "charged")


def _declined(recovery: Recovery, record: Record) -> Recovery:
    """The attempt's moment is what the next delay counts from."""
    failure = Failure.model_validate(record.data.get("failure") or {})
    failed_at = recovery.in_flight.requested_at if recovery.in_flight else record.occurred_at
    return _landed(recovery, record).having(
        failure=failure,
        card=Card.model_validate(record.data.get("card") or recovery.card),
        next_provider_attempt=moment(record.data.get("next_provider_attempt")) or recovery.next_provider_attempt,
        failed_at=failed_at,
        undecided=True,
    )


def _unknown(recovery: Recovery, _: Record) -> Recovery:
    return recovery.having(unsettled=True)


def _reconciled(recovery: Recovery, record: Record) -> Recovery:
    match Outcome(record.data["outcome"]):
        case Outcome.SUCCEEDED:
            return _succeeded(recovery, record)
        case Outcome.DECLINED:
            return _declined(recovery, record)
        case _:
            tried = recovery.in_flight.requested_at if recovery.in_flight else record.occurred_at
            return _landed(recovery, record).having(failed_at=tried, undecided=True, unread=True)


def _retry_requested(recovery: Recovery, _: Record) -> Recovery:
    return recovery.having(trigger=Trigger.MANUAL)


def _cancel_requested(recovery: Recovery, _: Record) -> Recovery:
    return _end(recovery, State.CANCELED, "operator")


def _paused(recovery: Recovery, _: Record) -> Recovery:
    return recovery.having(paused=True)


def _resumed(recovery: Recovery, _: Record) -> Recovery:
    return recovery.having(paused=False)


def _reviewed(recovery: Recovery, record: Record) -> Recovery:
    """Rejected ends it. Approved, a fraud case waits for another method, anything else is tried once, now."""
    if record.data.get("decision") != "approve":
        return _end(recovery, State.BLOCKED, "rejected")
    approved = recovery.having(fraud_hold=False, stage=State.AWAITING_CUSTOMER, until=recovery.customer_until)
    return approved if recovery.fraud_hold else approved.having(trigger=Trigger.MANUAL)


def _method_updated(recovery: Recovery, record: Record) -> Recovery:
    method = record.data["method_id"]
    return _having_seen(recovery, record.data).having(
        trigger=Trigger.METHOD_CHANGE,
        method_id=method,
        methods_seen=(*recovery.methods_seen, record.data["method_version"]),
    )


def _paid_elsewhere(recovery: Recovery, record: Record) -> Recovery:
    return _end(_having_seen(recovery, record.data), State.RECOVERED, "paid_elsewhere")


def _closed_elsewhere(recovery: Recovery, record: Record) -> Recovery:
    return _end(_having_seen(recovery, record.data), State.CANCELED, record.data["why"])


def _disputed(recovery: Recovery, record: Record) -> Recovery:
    return _end(_having_seen(recovery, record.data), State.BLOCKED, record.data["kind"])


def _late(recovery: Recovery, record: Record) -> Recovery:
    """Without effect, but known when it comes again."""
    return _having_seen(recovery, record.data)


def _closed(recovery: Recovery, record: Record) -> Recovery:
    return recovery.having(
        stage=State(record.data["state"]),
        closed_at=record.occurred_at,
        close_reason=record.data["reason"],
        next_attempt_at=None,
        until=None,
        trigger=None,
    )


FOLDS: Final[Mapping[EventType, Callable[[Recovery, Record], Recovery]]] = {
    EventType.PAYMENT_FAILED: _payment_failed,
    EventType.FAILURE_CLASSIFIED: _classified,
    EventType.CUSTOMER_SEGMENTED: _segmented,
    EventType.FRAUD_ASSESSED: _assessed,
    EventType.RETRY_PLANNED: _planned,
    EventType.RETRY_SKIPPED: _skipped,
    EventType.CHARGE_REQUESTED: _requested,
    EventType.CHARGE_SUCCEEDED: _succeeded,
    EventType.CHARGE_DECLINED: _declined,
    EventType.CHARGE_UNKNOWN: _unknown,
    EventType.CHARGE_RECONCILED: _reconciled,
    EventType.RETRY_REQUESTED: _retry_requested,
    EventType.CANCEL_REQUESTED: _cancel_requested,
    EventType.PAUSED: _paused,
    EventType.RESUMED: _resumed,
    EventType.REVIEWED: _reviewed,
    EventType.METHOD_UPDATED: _method_updated,
    EventType.PAID_ELSEWHERE: _paid_elsewhere,
    EventType.CLOSED_ELSEWHERE: _closed_elsewhere,
    EventType.DISPUTE_OPENED: _disputed,
    EventType.NOTIFICATION_SENT: message_told,
    EventType.NOTIFICATION_FAILED: message_told,
    EventType.RECOVERY_CLOSED: _closed,
    EventType.EVENT_LATE: _late,
}
