"""What each type of record changes in a recovery: one small function a type, the table of them at the end."""

from collections.abc import Callable, Mapping
from typing import Final

from core.classifier.taxonomy import Ability, Category
from core.events import CloseReason, DisputeKind, EventType, Record, ReviewDecision, SkipAction, State, Trigger
from core.events.data import (
    ClosedElsewhere,
    CustomerSegmented,
    DisputeOpened,
    EventLate,
    FailureClassified,
    FraudAssessed,
    MethodUpdated,
    OperatorReviewed,
    PaymentFailed,
    RecoveryClosed,
    RetryPlanned,
    RetrySkipped,
)
from core.fraud.assess import FraudLevel
from core.payments import Card, Failure
from core.retry import charge_folds, money_folds
from core.retry.charge_folds import end_of, having_seen
from core.retry.message_folds import message_told, messages_planned
from core.retry.recovery import PROVIDER_REFUSED, Recovery, StandBack


def _payment_failed(recovery: Recovery, record: Record) -> Recovery:
    """A failure that the provider caused: the next delay counts from it, so whatever was planned is void."""
    data = record.read(PaymentFailed)
    return having_seen(recovery, data.event_id).having(
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
        window_ends_at=recovery.extended(recovery.window_ends_at, record.occurred_at),
        unread=True,
        undecided=True,
    )


def _open_amount(recovery: Recovery, failed: int | None) -> int:
    """What is open after this failure: a try of the whole says nothing against the parts that have come."""
    amount = failed or recovery.amount
    return min(amount, recovery.amount) if recovery.paid else amount


def _classified(recovery: Recovery, record: Record) -> Recovery:
    data = record.read(FailureClassified)
    card, failure = data.card or Card(), data.failure or recovery.failure
    network = card.network or (data.failure.network if data.failure else None)
    return recovery.having(
        fingerprint=card.fingerprint or recovery.fingerprint,
        network=network or recovery.network,
        category=data.category,
        cause=data.cause,
        ability=data.ability or Ability.CHARGEABLE,
        failure=failure,
        default_methods=data.default_methods or recovery.default_methods,
        dead_methods=_dead(recovery, data.category, failure),
        window_ends_at=recovery.extended(recovery.window_ends_at, record.occurred_at),
        standing_back=None,
        policy_version=data.policy_version or recovery.policy_version,
        unread=False,
        stage=State.CLASSIFIED,
    )


def _dead(recovery: Recovery, category: Category, failure: Failure) -> tuple[str, ...]:
    """With the method that was refused now, if it was refused for good."""
    method = failure.method_id or recovery.method_in_use
    hard = category is Category.HARD_DECLINE
    return (*recovery.dead_methods, method) if hard and method else recovery.dead_methods


def _segmented(recovery: Recovery, record: Record) -> Recovery:
    data = record.read(CustomerSegmented)
    return recovery.having(
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


def _assessed(recovery: Recovery, record: Record) -> Recovery:
    """Only a person lifts a hold."""
    suspicious = record.read(FraudAssessed).level != FraudLevel.CLEAR
    return recovery.having(fraud_hold=recovery.fraud_hold or suspicious)


def _planned(recovery: Recovery, record: Record) -> Recovery:
    data = record.read(RetryPlanned)
    if data.refused_method:
        unfit = (*recovery.unfit_methods, data.refused_method)
        recovery = recovery.back_on(recovery.footing or recovery.standing).having(unfit_methods=unfit)
    return messages_planned(recovery, data).having(
        stage=State.WAITING,
        undecided=False,
        until=None,
        used_up=None,
        next_attempt_at=data.at,
        attempts_allowed=data.attempts_allowed if "attempts_allowed" in data else recovery.attempts_allowed,
        strategy=data.strategy,
        policy_version=data.policy_version or recovery.policy_version,
    )


def _skipped(recovery: Recovery, record: Record) -> Recovery:
    data = record.read(RetrySkipped)
    if data.reason == PROVIDER_REFUSED and recovery.in_flight:
        return recovery.having(refusal_known=True)  # it must still be found out what became of the charge
    if aside := _ASIDE.get(data.action):
        return aside(recovery, data)
    decided = messages_planned(recovery, data).having(
        undecided=False, unread=False, next_attempt_at=None, trigger=_still_wanted(recovery, data), used_up=None
    )
    match data.action:
        case SkipAction.POSTPONE:
            return decided.having(stage=State.WAITING, next_attempt_at=data.at)
        case SkipAction.ASK_CUSTOMER | SkipAction.WAIT_FOR_METHOD:
            return decided.having(stage=State.AWAITING_CUSTOMER, until=data.until)
        case SkipAction.REVIEW | SkipAction.TELL_OPERATORS:
            return _for_review(recovery, decided, data)
        case SkipAction.OUT_OF_SCOPE:
            return end_of(decided, State.CANCELED, CloseReason.OUT_OF_SCOPE)
        case SkipAction.STOP:
            return end_of(decided, State.BLOCKED, data.reason)
        case _ if decided.trigger:
            return decided.having(stage=State.WAITING)
        case _ if data.until:
            return decided.having(stage=State.AWAITING_CUSTOMER, until=data.until, used_up=data.reason)
        case _:
            return end_of(decided, State.EXHAUSTED, data.reason)


def _refused(recovery: Recovery, data: RetrySkipped) -> Recovery:
    """What was asked for isn't done; a method that was the reason is known for it."""
    unfit = (data.method_id,) if data.method_id else ()
    return recovery.having(trigger=None, method_id=None, unfit_methods=(*recovery.unfit_methods, *unfit))


def _for_review(before: Recovery, decided: Recovery, data: RetrySkipped) -> Recovery:
    """A person's turn. Where only the provider's refusal is in the way, schedule and reading wait for its end."""
    deadlines = {"until": data.until, "customer_until": data.customer_until}
    review = decided.having(stage=State.IN_REVIEW, **deadlines)
    if data.reason != PROVIDER_REFUSED:
        return review
    kept = {"next_attempt_at": before.next_attempt_at, "trigger": before.trigger, "used_up": before.used_up}
    return _stood_back(review.having(unread=True, **kept), data).having(**deadlines)


def _stood_back(recovery: Recovery, data: RetrySkipped) -> Recovery:
    """Nothing happens before the look. A recovery that hasn't been decided on yet shows as waiting."""
    if data.at is None or data.since is None:
        raise ValueError("a row that stands back says since when, and when to look")
    early = recovery.stage in {State.RECEIVED, State.CLASSIFIED, State.SEGMENTED}
    stage = State.WAITING if early else recovery.stage
    back = StandBack(reason=data.reason, since=data.since, look_at=data.at)
    ends = {name: recovery.extended(getattr(recovery, name), data.since) for name in ("until", "window_ends_at")}
    return recovery.having(standing_back=back, stage=stage, **ends)


_ASIDE: Final[Mapping[SkipAction, Callable[[Recovery, RetrySkipped], Recovery]]] = {
    SkipAction.REFUSE: _refused,
    SkipAction.DECIDE_ANEW: lambda recovery, _: recovery.having(next_attempt_at=None, unread=True, undecided=True),
    SkipAction.STAND_BACK: _stood_back,
}
"""Actions that decide nothing about the failure."""


def _still_wanted(recovery: Recovery, data: RetrySkipped) -> Trigger | None:
    """Not any more, where it was held back just before it happened, or what was found out speaks against it.

    An operator may have asked before it was known that the card is refused for good, or held; a new method is
    another card.
    """
    hopeless = recovery.fraud_hold or recovery.category is Category.HARD_DECLINE
    if data.trigger or (hopeless and recovery.trigger is Trigger.MANUAL):
        return None
    return recovery.trigger


def _retry_requested(recovery: Recovery, _: Record) -> Recovery:
    return recovery.having(trigger=Trigger.MANUAL)


def _cancel_requested(recovery: Recovery, _: Record) -> Recovery:
    return end_of(recovery, State.CANCELED, CloseReason.OPERATOR)


def _paused(recovery: Recovery, _: Record) -> Recovery:
    return recovery.having(paused=True)


def _resumed(recovery: Recovery, _: Record) -> Recovery:
    return recovery.having(paused=False)


def _reviewed(recovery: Recovery, record: Record) -> Recovery:
    """Rejected ends it. Approved, a fraud case waits for another method, anything else is tried once, now."""
    if record.read(OperatorReviewed).decision != ReviewDecision.APPROVE:
        return end_of(recovery, State.BLOCKED, CloseReason.REJECTED)
    if recovery.standing_back and recovery.standing_back.reason == PROVIDER_REFUSED:
        return recovery.having(standing_back=None)
    approved = recovery.having(fraud_hold=False, stage=State.AWAITING_CUSTOMER, until=recovery.customer_until)
    return approved if recovery.fraud_hold else approved.having(trigger=Trigger.MANUAL)


def _method_updated(recovery: Recovery, record: Record) -> Recovery:
    data = record.read(MethodUpdated)
    return having_seen(recovery, data.event_id).having(
        trigger=Trigger.METHOD_CHANGE,
        method_id=data.method_id,
        no_method=False,
        unfit_methods=tuple(one for one in recovery.unfit_methods if one != data.method_id),
        dead_methods=tuple(one for one in recovery.dead_methods if one != data.method_id),
        methods_seen=(*recovery.methods_seen, data.method_version or data.method_id),
    )


def _closed_elsewhere(recovery: Recovery, record: Record) -> Recovery:
    data = record.read(ClosedElsewhere)
    return end_of(having_seen(recovery, data.event_id), State.CANCELED, data.why)


def _disputed(recovery: Recovery, record: Record) -> Recovery:
    """A bank that only asks moves no money and blocks nothing."""
    data = record.read(DisputeOpened)
    seen = having_seen(recovery, data.event_id)
    return seen if data.kind is DisputeKind.INQUIRY else end_of(seen, State.BLOCKED, data.kind)


def _late(recovery: Recovery, record: Record) -> Recovery:
    """Without effect, but known when it comes again."""
    return having_seen(recovery, record.read(EventLate).event_id)


def _closed(recovery: Recovery, record: Record) -> Recovery:
    """Nothing more is written by anybody who still tries to find out about a charge that a person decided on."""
    data = record.read(RecoveryClosed)
    return recovery.having(
        stage=data.state,
        closed_at=record.occurred_at,
        close_reason=data.reason,
        next_attempt_at=None,
        until=None,
        trigger=None,
        in_flight=None,
        in_flight_trigger=None,
        standing_back=None,
    )


FOLDS: Final[Mapping[EventType, Callable[[Recovery, Record], Recovery]]] = {
    EventType.PAYMENT_FAILED: _payment_failed,
    EventType.FAILURE_CLASSIFIED: _classified,
    EventType.CUSTOMER_SEGMENTED: _segmented,
    EventType.FRAUD_ASSESSED: _assessed,
    EventType.RETRY_PLANNED: _planned,
    EventType.RETRY_SKIPPED: _skipped,
    EventType.CHARGE_REQUESTED: charge_folds.requested,
    EventType.CHARGE_SUCCEEDED: charge_folds.succeeded,
    EventType.CHARGE_DECLINED: charge_folds.declined,
    EventType.CHARGE_UNKNOWN: charge_folds.unknown,
    EventType.CHARGE_RECONCILED: charge_folds.reconciled,
    EventType.RETRY_REQUESTED: _retry_requested,
    EventType.CANCEL_REQUESTED: _cancel_requested,
    EventType.PAUSED: _paused,
    EventType.RESUMED: _resumed,
    EventType.REVIEWED: _reviewed,
    EventType.METHOD_UPDATED: _method_updated,
    EventType.PAID_ELSEWHERE: money_folds.paid_elsewhere,
    EventType.CLOSED_ELSEWHERE: _closed_elsewhere,
    EventType.DISPUTE_OPENED: _disputed,
    EventType.NOTIFICATION_SENT: message_told,
    EventType.NOTIFICATION_FAILED: message_told,
    EventType.RECOVERY_CLOSED: _closed,
    EventType.PAYMENT_REFUNDED: money_folds.payment_refunded,
    EventType.PAYMENT_REVERSED: money_folds.payment_reversed,
    EventType.PAYMENT_LATE: money_folds.paid_late,
    EventType.EVENT_LATE: _late,
}
