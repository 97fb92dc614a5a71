"""How each type of record changes a recovery: one function per type, and the table `FOLDS` at the end."""

from collections.abc import Callable, Mapping
from typing import Final

from core.classification.taxonomy import Category, Chargeability
from core.events import CloseReason, DisputeKind, EventType, Record, ReviewDecision, SkipAction, State, Trigger
from core.events.data import ClosedElsewhere, DisputeOpened, EventLate, MethodUpdated, OperatorReviewed, RecoveryClosed
from core.events.decision_data import CustomerSegmented, FailureClassified, FraudAssessed, RetryPlanned, RetrySkipped
from core.events.money_data import PaymentFailed
from core.fraud.assessment import FraudLevel
from core.payments import Card, Failure
from core.recovery import charge_folds, money_folds
from core.recovery.charge_folds import end_recovery, remember_event
from core.recovery.messages import apply_message_plan, apply_message_result
from core.recovery.state import PROVIDER_REFUSED, Recovery, StandBack


def _apply_failure(recovery: Recovery, record: Record) -> Recovery:
    """The recovery after a failure the provider reported: its plan is void, since the next delay counts from here."""
    data = record.read(PaymentFailed)
    return remember_event(recovery, data.event_id).with_changes(
        opened_at=recovery.opened_at or record.occurred_at,
        rules=recovery.rules if recovery.sequence else data.rules,
        standing_back=None,
        customer_id=data.customer_id or recovery.customer_id,
        subscription_id=data.subscription_id or recovery.subscription_id,
        amount=_open_amount(recovery, data.amount),
        currency=data.currency or recovery.currency,
        provider_attempt=data.provider_attempt or recovery.provider_attempt,
        failed_at=max(recovery.failed_at or record.occurred_at, record.occurred_at),
        failure=data.failure or Failure(),
        card=data.card or Card(),
        next_provider_attempt=data.next_provider_attempt,
        next_attempt_at=None,
        window_ends_at=recovery.extend_deadline(recovery.window_ends_at, record.occurred_at),
        unread=True,
        undecided=True,
    )


def _open_amount(recovery: Recovery, failed: int | None) -> int:
    """The open amount, minor units: a failed attempt for the whole invoice doesn't undo partial payments."""
    amount = failed or recovery.amount
    return min(amount, recovery.amount) if recovery.paid else amount


def _apply_classification(recovery: Recovery, record: Record) -> Recovery:
    data = record.read(FailureClassified)
    card, failure = data.card or Card(), data.failure or recovery.failure
    network = card.network or (data.failure.network if data.failure else None)
    return recovery.with_changes(
        fingerprint=card.fingerprint or recovery.fingerprint,
        network=network or recovery.network,
        category=data.category,
        cause=data.cause,
        ability=data.ability or Chargeability.CHARGEABLE,
        failure=failure,
        default_methods=data.default_methods or recovery.default_methods,
        dead_methods=_refused_methods(recovery, data.category, failure),
        window_ends_at=recovery.extend_deadline(recovery.window_ends_at, record.occurred_at),
        standing_back=None,
        policy_version=data.policy_version or recovery.policy_version,
        unread=False,
        stage=State.CLASSIFIED,
    )


def _refused_methods(recovery: Recovery, category: Category, failure: Failure) -> tuple[str, ...]:
    """`dead_methods`, with the declined method added if it was a hard decline."""
    method = failure.method_id or recovery.method_in_use
    hard = category is Category.HARD_DECLINE
    return (*recovery.dead_methods, method) if hard and method else recovery.dead_methods


def _apply_segment(recovery: Recovery, record: Record) -> Recovery:
    data = record.read(CustomerSegmented)
    return recovery.with_changes(
        segment=data.segment,
        country=data.profile.country if data.profile else None,
        time_zone=data.profile.time_zone if data.profile else None,
        experiment=data.experiment,
        arm=data.arm,
        attempts_allowed=data.attempts_allowed,
        window_ends_at=data.window_ends_at,
        important=data.important,
        customer_id=data.customer_id or recovery.customer_id,
        stage=State.SEGMENTED,
    )


def _apply_fraud_assessment(recovery: Recovery, record: Record) -> Recovery:
    """The recovery with a fraud hold if the level isn't CLEAR; only an operator lifts a hold."""
    suspicious = record.read(FraudAssessed).level != FraudLevel.CLEAR
    return recovery.with_changes(fraud_hold=recovery.fraud_hold or suspicious)


def _apply_plan(recovery: Recovery, record: Record) -> Recovery:
    data = record.read(RetryPlanned)
    if data.refused_method:
        unfit = (*recovery.unfit_methods, data.refused_method)
        recovery = recovery.restore_fallback(recovery.footing or recovery.charge_fallback).with_changes(
            unfit_methods=unfit
        )
    return apply_message_plan(recovery, data).with_changes(
        stage=State.WAITING,
        undecided=False,
        until=None,
        used_up=None,
        next_attempt_at=data.at,
        attempts_allowed=data.attempts_allowed if "attempts_allowed" in data else recovery.attempts_allowed,
        strategy=data.strategy,
        policy_version=data.policy_version or recovery.policy_version,
    )


def _apply_skip(recovery: Recovery, record: Record) -> Recovery:
    data = record.read(RetrySkipped)
    if data.reason == PROVIDER_REFUSED and recovery.in_flight:
        return recovery.with_changes(refusal_known=True)  # the charge must still be reconciled
    if aside := _SIDE_ACTIONS.get(data.action):
        return aside(recovery, data)
    decided = apply_message_plan(recovery, data).with_changes(
        undecided=False, unread=False, next_attempt_at=None, trigger=_remaining_trigger(recovery, data), used_up=None
    )
    match data.action:
        case SkipAction.POSTPONE:
            return decided.with_changes(stage=State.WAITING, next_attempt_at=data.at)
        case SkipAction.ASK_CUSTOMER | SkipAction.WAIT_FOR_METHOD:
            return decided.with_changes(stage=State.AWAITING_CUSTOMER, until=data.until)
        case SkipAction.REVIEW | SkipAction.TELL_OPERATORS:
            return _send_to_review(recovery, decided, data)
        case SkipAction.OUT_OF_SCOPE:
            return end_recovery(decided, State.CANCELED, CloseReason.OUT_OF_SCOPE, record)
        case SkipAction.STOP:
            return end_recovery(decided, State.BLOCKED, data.reason, record)
        case _ if decided.trigger:
            return decided.with_changes(stage=State.WAITING)
        case _ if data.until:
            return decided.with_changes(stage=State.AWAITING_CUSTOMER, until=data.until, used_up=data.reason)
        case _:
            return end_recovery(decided, State.EXHAUSTED, data.reason, record)


def _apply_refusal(recovery: Recovery, data: RetrySkipped) -> Recovery:
    """The recovery without the refused trigger; a method that caused the refusal counts as unfit."""
    unfit = (data.method_id,) if data.method_id else ()
    return recovery.with_changes(trigger=None, method_id=None, unfit_methods=(*recovery.unfit_methods, *unfit))


def _send_to_review(before: Recovery, decided: Recovery, data: RetrySkipped) -> Recovery:
    """The recovery in review. If the provider refuses the API key, schedule and pending read are kept for later."""
    deadlines = {"until": data.until, "customer_until": data.customer_until}
    review = decided.with_changes(stage=State.IN_REVIEW, **deadlines)
    if data.reason != PROVIDER_REFUSED:
        return review
    kept = {"next_attempt_at": before.next_attempt_at, "trigger": before.trigger, "used_up": before.used_up}
    return _apply_stand_back(review.with_changes(unread=True, **kept), data).with_changes(**deadlines)


def _apply_stand_back(recovery: Recovery, data: RetrySkipped) -> Recovery:
    """The recovery suspended until the next read, WAITING if it was undecided. Raises ValueError without its times."""
    if data.at is None or data.since is None:
        raise ValueError("a row that stands back says since when, and when to look")
    early = recovery.stage in {State.RECEIVED, State.CLASSIFIED, State.SEGMENTED}
    stage = State.WAITING if early else recovery.stage
    back = StandBack(reason=data.reason, since=data.since, look_at=data.at)
    ends = {name: recovery.extend_deadline(getattr(recovery, name), data.since) for name in ("until", "window_ends_at")}
    return recovery.with_changes(standing_back=back, stage=stage, **ends)


_SIDE_ACTIONS: Final[Mapping[SkipAction, Callable[[Recovery, RetrySkipped], Recovery]]] = {
    SkipAction.REFUSE: _apply_refusal,
    SkipAction.DECIDE_ANEW: lambda recovery, _: recovery.with_changes(
        next_attempt_at=None, unread=True, undecided=True
    ),
    SkipAction.STAND_BACK: _apply_stand_back,
}
"""Actions that are no decision about the failure: they leave stage and plan to these functions."""


def _remaining_trigger(recovery: Recovery, data: RetrySkipped) -> Trigger | None:
    """The trigger that stays after a skipped retry: None if this row skipped it, or if the new facts rule it out.

    A manual trigger ends with a fraud hold or a hard decline, which the operator may not have known. A payment-method
    change stays: it is another card.
    """
    hopeless = recovery.fraud_hold or recovery.category is Category.HARD_DECLINE
    if data.trigger or (hopeless and recovery.trigger is Trigger.MANUAL):
        return None
    return recovery.trigger


def _apply_retry_request(recovery: Recovery, _: Record) -> Recovery:
    return recovery.with_changes(trigger=Trigger.MANUAL)


def _apply_cancel_request(recovery: Recovery, record: Record) -> Recovery:
    return end_recovery(recovery, State.CANCELED, CloseReason.OPERATOR, record)


def _apply_pause(recovery: Recovery, _: Record) -> Recovery:
    return recovery.with_changes(paused=True)


def _apply_resume(recovery: Recovery, _: Record) -> Recovery:
    return recovery.with_changes(paused=False)


def _apply_review(recovery: Recovery, record: Record) -> Recovery:
    """Rejected: the recovery ends BLOCKED. Approved: a fraud case waits for a new method, any other is charged now."""
    if record.read(OperatorReviewed).decision != ReviewDecision.APPROVE:
        return end_recovery(recovery, State.BLOCKED, CloseReason.REJECTED, record)
    if recovery.standing_back and recovery.standing_back.reason == PROVIDER_REFUSED:
        return recovery.with_changes(standing_back=None)
    approved = recovery.with_changes(fraud_hold=False, stage=State.AWAITING_CUSTOMER, until=recovery.customer_until)
    return approved if recovery.fraud_hold else approved.with_changes(trigger=Trigger.MANUAL)


def _apply_method_update(recovery: Recovery, record: Record) -> Recovery:
    data = record.read(MethodUpdated)
    return remember_event(recovery, data.event_id).with_changes(
        trigger=Trigger.METHOD_CHANGE,
        method_id=data.method_id,
        no_method=False,
        unfit_methods=tuple(one for one in recovery.unfit_methods if one != data.method_id),
        dead_methods=tuple(one for one in recovery.dead_methods if one != data.method_id),
        methods_seen=(*recovery.methods_seen, data.method_version or data.method_id),
    )


def _apply_closed_elsewhere(recovery: Recovery, record: Record) -> Recovery:
    data = record.read(ClosedElsewhere)
    return end_recovery(remember_event(recovery, data.event_id), State.CANCELED, data.why, record)


def _apply_dispute(recovery: Recovery, record: Record) -> Recovery:
    """Ending BLOCKED, except for an inquiry, which moves no money."""
    data = record.read(DisputeOpened)
    seen = remember_event(recovery, data.event_id)
    return seen if data.kind is DisputeKind.INQUIRY else end_recovery(seen, State.BLOCKED, data.kind, record)


def _remember_late_event(recovery: Recovery, record: Record) -> Recovery:
    """The recovery with the event's id stored; a late event has no other effect."""
    return remember_event(recovery, record.read(EventLate).event_id)


def _apply_close(recovery: Recovery, record: Record) -> Recovery:
    """The closed recovery. Without a charge in flight, a reconcile that is still running can't add rows to it."""
    data = record.read(RecoveryClosed)
    return recovery.with_changes(
        stage=data.state,
        closed_at=record.occurred_at,
        close_reason=data.reason,
        next_attempt_at=None,
        until=None,
        trigger=None,
        in_flight=None,
        in_flight_trigger=None,
        request_seconds=None,
        standing_back=None,
    )


FOLDS: Final[Mapping[EventType, Callable[[Recovery, Record], Recovery]]] = {
    EventType.PAYMENT_FAILED: _apply_failure,
    EventType.FAILURE_CLASSIFIED: _apply_classification,
    EventType.CUSTOMER_SEGMENTED: _apply_segment,
    EventType.FRAUD_ASSESSED: _apply_fraud_assessment,
    EventType.RETRY_PLANNED: _apply_plan,
    EventType.RETRY_SKIPPED: _apply_skip,
    EventType.CHARGE_REQUESTED: charge_folds.apply_charge_request,
    EventType.CHARGE_SUCCEEDED: charge_folds.apply_charge_success,
    EventType.CHARGE_DECLINED: charge_folds.apply_charge_decline,
    EventType.CHARGE_UNKNOWN: charge_folds.apply_charge_unknown,
    EventType.CHARGE_RECONCILED: charge_folds.apply_charge_reconciled,
    EventType.RETRY_REQUESTED: _apply_retry_request,
    EventType.CANCEL_REQUESTED: _apply_cancel_request,
    EventType.PAUSED: _apply_pause,
    EventType.RESUMED: _apply_resume,
    EventType.REVIEWED: _apply_review,
    EventType.METHOD_UPDATED: _apply_method_update,
    EventType.PAID_ELSEWHERE: money_folds.apply_paid_elsewhere,
    EventType.CLOSED_ELSEWHERE: _apply_closed_elsewhere,
    EventType.DISPUTE_OPENED: _apply_dispute,
    EventType.NOTIFICATION_SENT: apply_message_result,
    EventType.NOTIFICATION_FAILED: apply_message_result,
    EventType.RECOVERY_CLOSED: _apply_close,
    EventType.PAYMENT_REFUNDED: money_folds.apply_refund,
    EventType.PAYMENT_REVERSED: money_folds.apply_reversal,
    EventType.PAYMENT_LATE: money_folds.apply_late_payment,
    EventType.EVENT_LATE: _remember_late_event,
}
