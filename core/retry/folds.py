"""What each type of record changes in a recovery: one small function a type, the table of them at the end."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from core.classifier.taxonomy import Ability, Category, Cause
from core.events import EventType, Record, State, Trigger, moment
from core.payments import Card, Failure
from core.retry import charge_folds, money_folds
from core.retry.charge_folds import end_of, having_seen
from core.retry.message_folds import message_told, messages_planned
from core.retry.recovery import OUT_OF_SCOPE, PROVIDER_REFUSED, Recovery, StandBack


def _payment_failed(recovery: Recovery, record: Record) -> Recovery:
    """A failure that the provider caused: the next delay counts from it, so whatever was planned is void."""
    data = record.data
    return having_seen(recovery, data).having(
        opened_at=recovery.opened_at or record.occurred_at,
        rules=recovery.rules if recovery.sequence else data.get("rules", 1),
        standing_back=None,
        customer_id=data.get("customer_id") or recovery.customer_id,
        subscription_id=data.get("subscription_id") or recovery.subscription_id,
        amount=_open_amount(recovery, data.get("amount")),
        currency=data.get("currency") or recovery.currency,
        provider_attempt=data.get("provider_attempt") or recovery.provider_attempt,
        failed_at=max(recovery.failed_at or record.occurred_at, record.occurred_at),
        failure=Failure.model_validate(data.get("failure") or {}),
        card=Card.model_validate(data.get("card") or {}),
        next_provider_attempt=moment(data.get("next_provider_attempt")),
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
    card = record.data.get("card") or {}
    return recovery.having(
        fingerprint=card.get("fingerprint") or recovery.fingerprint,
        network=card.get("network") or (record.data.get("failure") or {}).get("network") or recovery.network,
        category=Category(record.data["category"]),
        cause=Cause(record.data["cause"]),
        ability=Ability(record.data.get("ability") or Ability.CHARGEABLE),
        failure=Failure.model_validate(record.data.get("failure") or recovery.failure),
        default_methods=tuple(record.data.get("default_methods") or recovery.default_methods),
        dead_methods=_dead(recovery, record),
        window_ends_at=recovery.extended(recovery.window_ends_at, record.occurred_at),
        standing_back=None,
        policy_version=record.data.get("policy_version") or recovery.policy_version,
        unread=False,
        stage=State.CLASSIFIED,
    )


def _dead(recovery: Recovery, record: Record) -> tuple[str, ...]:
    """With the method that was refused now, if it was refused for good."""
    failure = Failure.model_validate(record.data.get("failure") or recovery.failure)
    method = failure.method_id or recovery.method_in_use
    hard = Category(record.data["category"]) is Category.HARD_DECLINE
    return (*recovery.dead_methods, method) if hard and method else recovery.dead_methods


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
    if refused := record.data.get("refused_method"):
        unfit = (*recovery.unfit_methods, refused)
        recovery = recovery.back_on(recovery.footing or recovery.standing).having(unfit_methods=unfit)
    return messages_planned(recovery, record.data).having(
        stage=State.WAITING,
        undecided=False,
        until=None,
        used_up=None,
        next_attempt_at=moment(record.data["at"]),
        attempts_allowed=record.data.get("attempts_allowed", recovery.attempts_allowed),
        strategy=record.data.get("strategy"),
        policy_version=record.data.get("policy_version") or recovery.policy_version,
    )


def _skipped(recovery: Recovery, record: Record) -> Recovery:
    data = record.data
    if data["reason"] == PROVIDER_REFUSED and recovery.in_flight:
        return recovery.having(refusal_known=True)  # it must still be found out what became of the charge
    if aside := _ASIDE.get(data["action"]):
        return aside(recovery, data)
    decided = messages_planned(recovery, data).having(
        undecided=False, unread=False, next_attempt_at=None, trigger=_still_wanted(recovery, data), used_up=None
    )
    match data["action"]:
        case "postpone":
            return decided.having(stage=State.WAITING, next_attempt_at=moment(data["at"]))
        case "ask_customer" | "wait_for_method":
            return decided.having(stage=State.AWAITING_CUSTOMER, until=moment(data.get("until")))
        case "review" | "tell_operators":
            return _for_review(recovery, decided, data)
        case "out_of_scope":
            return end_of(decided, State.CANCELED, OUT_OF_SCOPE)
        case "stop":
            return end_of(decided, State.BLOCKED, data["reason"])
        case _ if decided.trigger:
            return decided.having(stage=State.WAITING)
        case _ if data.get("until"):
            waits = decided.having(stage=State.AWAITING_CUSTOMER, until=moment(data["until"]))
            return waits.having(used_up=data["reason"])
        case _:
            return end_of(decided, State.EXHAUSTED, data["reason"])


def _refused(recovery: Recovery, data: Mapping[str, Any]) -> Recovery:
    """What was asked for isn't done; a method that was the reason is known for it."""
    unfit = (data["method_id"],) if data.get("method_id") else ()
    return recovery.having(trigger=None, method_id=None, unfit_methods=(*recovery.unfit_methods, *unfit))


def _for_review(before: Recovery, decided: Recovery, data: Mapping[str, Any]) -> Recovery:
    """A person's turn. Where only the provider's refusal is in the way, schedule and reading wait for its end."""
    deadlines = {"until": moment(data.get("until")), "customer_until": moment(data.get("customer_until"))}
    review = decided.having(stage=State.IN_REVIEW, **deadlines)
    if data["reason"] != PROVIDER_REFUSED:
        return review
    kept = {"next_attempt_at": before.next_attempt_at, "trigger": before.trigger, "used_up": before.used_up}
    return _stood_back(review.having(unread=True, **kept), data).having(**deadlines)


def _stood_back(recovery: Recovery, data: Mapping[str, Any]) -> Recovery:
    """Nothing happens before the look. A recovery that hasn't been decided on yet shows as waiting."""
    at, since = moment(data["at"]), moment(data["since"])
    if at is None or since is None:
        raise ValueError("a row that stands back says since when, and when to look")
    early = recovery.stage in {State.RECEIVED, State.CLASSIFIED, State.SEGMENTED}
    stage = State.WAITING if early else recovery.stage
    back = StandBack(reason=data["reason"], since=since, look_at=at)
    ends = {name: recovery.extended(getattr(recovery, name), since) for name in ("until", "window_ends_at")}
    return recovery.having(standing_back=back, stage=stage, **ends)


_ASIDE: Final[Mapping[str, Callable[[Recovery, Mapping[str, Any]], Recovery]]] = {
    "refuse": _refused,
    "decide_anew": lambda recovery, _: recovery.having(next_attempt_at=None, unread=True, undecided=True),
    "stand_back": _stood_back,
}
"""Actions that decide nothing about the failure."""


def _still_wanted(recovery: Recovery, data: Mapping[str, Any]) -> Trigger | None:
    """Not any more, where it was held back just before it happened, or what was found out speaks against it.

    An operator may have asked before it was known that the card is refused for good, or held; a new method is
    another card.
    """
    hopeless = recovery.fraud_hold or recovery.category is Category.HARD_DECLINE
    if data.get("trigger") or (hopeless and recovery.trigger is Trigger.MANUAL):
        return None
    return recovery.trigger


def _retry_requested(recovery: Recovery, _: Record) -> Recovery:
    return recovery.having(trigger=Trigger.MANUAL)


def _cancel_requested(recovery: Recovery, _: Record) -> Recovery:
    return end_of(recovery, State.CANCELED, "operator")


def _paused(recovery: Recovery, _: Record) -> Recovery:
    return recovery.having(paused=True)


def _resumed(recovery: Recovery, _: Record) -> Recovery:
    return recovery.having(paused=False)


def _reviewed(recovery: Recovery, record: Record) -> Recovery:
    """Rejected ends it. Approved, a fraud case waits for another method, anything else is tried once, now."""
    if record.data.get("decision") != "approve":
        return end_of(recovery, State.BLOCKED, "rejected")
    if recovery.standing_back and recovery.standing_back.reason == PROVIDER_REFUSED:
        return recovery.having(standing_back=None)
    approved = recovery.having(fraud_hold=False, stage=State.AWAITING_CUSTOMER, until=recovery.customer_until)
    return approved if recovery.fraud_hold else approved.having(trigger=Trigger.MANUAL)


def _method_updated(recovery: Recovery, record: Record) -> Recovery:
    method = record.data["method_id"]
    return having_seen(recovery, record.data).having(
        trigger=Trigger.METHOD_CHANGE,
        method_id=method,
        no_method=False,
        unfit_methods=tuple(one for one in recovery.unfit_methods if one != method),
        dead_methods=tuple(one for one in recovery.dead_methods if one != method),
        methods_seen=(*recovery.methods_seen, record.data["method_version"]),
    )


def _closed_elsewhere(recovery: Recovery, record: Record) -> Recovery:
    return end_of(having_seen(recovery, record.data), State.CANCELED, record.data["why"])


def _disputed(recovery: Recovery, record: Record) -> Recovery:
    """A bank that only asks moves no money and blocks nothing."""
    if record.data["kind"] == INQUIRY:
        return having_seen(recovery, record.data)
    return end_of(having_seen(recovery, record.data), State.BLOCKED, record.data["kind"])


def _late(recovery: Recovery, record: Record) -> Recovery:
    """Without effect, but known when it comes again."""
    return having_seen(recovery, record.data)


def _closed(recovery: Recovery, record: Record) -> Recovery:
    """Nothing more is written by anybody who still tries to find out about a charge that a person decided on."""
    return recovery.having(
        stage=State(record.data["state"]),
        closed_at=record.occurred_at,
        close_reason=record.data["reason"],
        next_attempt_at=None,
        until=None,
        trigger=None,
        in_flight=None,
        in_flight_trigger=None,
        standing_back=None,
    )


INQUIRY: Final = "inquiry"
"""The kind of a dispute that is only a question."""

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
