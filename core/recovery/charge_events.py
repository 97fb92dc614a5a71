"""What goes before and after a provider's call, as events: pure helpers of `charging`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from core.classification.taxonomy import Chargeability
from core.events import Event, EventType, Record, Trigger, format_timestamp
from core.ids import idempotency_key
from core.payments import (
    Card,
    ChargeOrder,
    ChargeResult,
    CustomerView,
    Failure,
    FailureFacts,
    InvoiceStatus,
    InvoiceView,
    Outcome,
)
from core.recovery.chargeability import ABILITY_SENTENCES, default_ability, intended_method
from core.recovery.invoice_check import REVIEW_PERIOD, announced_facts, check_invoice
from core.recovery.state import Recovery

RECHECK_MARGIN: Final = timedelta(hours=1)
"""How long after the provider's own retry we look again."""
UNKNOWN_CHARGE_DEADLINE: Final = timedelta(hours=24)
"""After this, a charge that can't be sent again and was not found is a person's matter (money law 5)."""


def order_in_flight(recovery: Recovery) -> ChargeOrder:
    """The order in flight; to be asked for only where there is one."""
    if recovery.in_flight is None:
        raise ValueError("no charge is in flight")
    return recovery.in_flight


def request_charge(
    recovery: Recovery, invoice: InvoiceView, trigger: Trigger, method_id: str | None, now: datetime
) -> tuple[Event, ...]:
    """`charge.requested`, or what a fresh look at the invoice says against it."""
    if trigger is Trigger.MANUAL and invoice.processing and invoice.status is InvoiceStatus.OPEN:
        return (refusal_event(trigger, "in_flight", "a payment of this invoice is on its way at the provider", now),)
    if events := check_invoice(recovery, invoice, now):
        stands_back = events[0].data.get("action") == "stand_back"
        # Somebody waits for the answer: not kept for the day on which nothing is in the way any more.
        return (
            (refusal_event(trigger, "paused", events[0].data["why"], now),)
            if trigger is Trigger.MANUAL and stands_back
            else events
        )
    if invoice.status is InvoiceStatus.MISSING:
        return (_missing_invoice_event(now),)
    if trigger is Trigger.SCHEDULED and invoice.processing:
        return (_payment_under_way_event(now),)
    if trigger is Trigger.SCHEDULED and invoice.next_provider_attempt and invoice.next_provider_attempt > now:
        return (_provider_retry_event(invoice.next_provider_attempt, now),)
    named = method_id or intended_method(recovery, invoice)
    if named is None and invoice.methods_known:
        able = default_ability(recovery, invoice)
        if able is not Chargeability.CHARGEABLE:
            scheduled = trigger is Trigger.SCHEDULED
            return (_replan_event(able, now) if scheduled else unchargeable_event(recovery, able, trigger, None, now),)
    return (_charge_request(recovery, invoice, trigger, named, now),)


def _replan_event(able: Chargeability, now: datetime) -> Event:
    """What the plan counted on is gone: the decision that follows asks the customer, with its own deadlines."""
    data = {"action": "decide_anew", "reason": able.value, "why": ABILITY_SENTENCES[able]}
    return Event(type=EventType.RETRY_SKIPPED, occurred_at=now, data=data)


def unchargeable_event(
    recovery: Recovery, able: Chargeability, trigger: Trigger, named: str | None, now: datetime
) -> Event:
    """Nothing to charge: a schedule waits for the customer, what was asked for is refused and changes nothing else."""
    if trigger is Trigger.SCHEDULED:
        until = format_timestamp(max(recovery.window_ends_at or now, now + REVIEW_PERIOD))
        data = {"action": "wait_for_method", "reason": able.value, "until": until, "why": ABILITY_SENTENCES[able]}
        return Event(type=EventType.RETRY_SKIPPED, occurred_at=now, data=data)
    code = "hard_decline" if trigger is Trigger.MANUAL else able.value
    return refusal_event(trigger, code, ABILITY_SENTENCES[able], now, method_id=named)


def refusal_event(trigger: Trigger, code: str, why: str, now: datetime, **more: str | None) -> Event:
    """A charge that was asked for is not made; `code` is one of the contract's where a person asked."""
    data = {"action": "refuse", "reason": code, "trigger": trigger.value, "why": why} | more
    known = {key: value for key, value in data.items() if value is not None}
    return Event(type=EventType.RETRY_SKIPPED, occurred_at=now, data=known)


def _charge_request(
    recovery: Recovery, invoice: InvoiceView, trigger: Trigger, method_id: str | None, now: datetime
) -> Event:
    attempt = recovery.attempt + 1
    data = {
        "idempotency_key": idempotency_key(recovery.provider, recovery.invoice_id, attempt),
        "trigger": trigger.value,
        "amount": invoice.amount_due if recovery.rules > 1 else invoice.amount_due or recovery.amount,
        "currency": invoice.currency or recovery.currency,
        "method_id": method_id,
        "customer_id": recovery.customer_id,
        "last_method_id": recovery.failure.method_id,
        "charge_before": invoice.latest_charge_id,
    }
    return Event(type=EventType.CHARGE_REQUESTED, occurred_at=now, attempt=attempt, data=data)


def _provider_retry_event(until: datetime, now: datetime) -> Event:
    """Two schedulers on one invoice charge twice as often: the provider's own retry goes first."""
    at = until + RECHECK_MARGIN
    why = f"the provider itself tries at {format_timestamp(until)}; we look again after that"
    data = {"reason": "provider_retry", "action": "postpone", "at": format_timestamp(at), "why": why}
    return Event(type=EventType.RETRY_SKIPPED, occurred_at=now, data=data)


def _payment_under_way_event(now: datetime) -> Event:
    """One attempt in flight at a time, whoever began it."""
    at = now + RECHECK_MARGIN
    why = "a payment of this invoice is under way at the provider; we look again when it may be over"
    data = {"reason": "payment_under_way", "action": "postpone", "at": format_timestamp(at), "why": why}
    return Event(type=EventType.RETRY_SKIPPED, occurred_at=now, data=data)


def _missing_invoice_event(now: datetime) -> Event:
    data = {
        "reason": "invoice_missing",
        "action": "tell_operators",
        "until": format_timestamp(now + REVIEW_PERIOD),
        "customer_until": format_timestamp(now + REVIEW_PERIOD),
        "why": "the provider knows no such invoice under this account",
    }
    return Event(type=EventType.RETRY_SKIPPED, occurred_at=now, data=data)


def is_refused_unexecuted(result: ChargeResult) -> bool:
    """Whether a no came before anything was executed: said to a repeat, it tells nothing of the first time."""
    return result.outcome in {Outcome.DECLINED, Outcome.NOT_CHARGED} and result.charge_id is None


def manual_review_event(recovery: Recovery, now: datetime) -> Event:
    """To a person: what became of the charge in flight can't be found out any more."""
    until = format_timestamp(now + REVIEW_PERIOD)
    data = {
        "reason": "charge_unknown",
        "action": "review",
        "until": until,
        "customer_until": until,
        "why": "nobody can find out whether the last charge succeeded: look it up at the provider",
    }
    return Event(type=EventType.RETRY_SKIPPED, occurred_at=now, attempt=order_in_flight(recovery).attempt, data=data)


def charge_result_event(
    recovery: Recovery, result: ChargeResult, now: datetime, *, repeated: bool, by_reading: bool
) -> Event | None:
    """The row of a result; None for a charge that is still unknown and was written down as such before."""
    unsettled = recovery.unsettled
    if result.outcome is Outcome.UNKNOWN and unsettled:
        return None
    indirect = unsettled or by_reading or result.outcome is Outcome.NOT_CHARGED
    reconciled = indirect and result.outcome is not Outcome.UNKNOWN
    data = {
        "outcome": result.outcome.value if reconciled else None,
        "reason": result.reason,
        "charge_id": result.charge_id,
        "amount": (part := _partial_amount(recovery, result)),
        "currency": order_in_flight(recovery).currency if part is not None else None,
        "failure": result.failure.model_dump(mode="json", exclude_none=True) or None,
        "card": result.card.model_dump(mode="json", exclude_none=True) or None,
        "repeated": repeated or None,
        "evidence": "read" if by_reading else None,
    }
    known = {key: value for key, value in data.items() if value is not None}
    kind = EventType.CHARGE_RECONCILED if reconciled else _EVENT_TYPES_BY_OUTCOME[result.outcome]
    return Event(type=kind, occurred_at=now, attempt=order_in_flight(recovery).attempt, data=known)


def _partial_amount(recovery: Recovery, result: ChargeResult) -> int | None:
    """What came, where it is less than was asked for."""
    part = result.amount is not None and result.amount < order_in_flight(recovery).amount
    return result.amount if part and result.outcome is Outcome.SUCCEEDED else None


_EVENT_TYPES_BY_OUTCOME: Final = {
    Outcome.SUCCEEDED: EventType.CHARGE_SUCCEEDED,
    Outcome.DECLINED: EventType.CHARGE_DECLINED,
    Outcome.UNKNOWN: EventType.CHARGE_UNKNOWN,
}


def facts_from_decline(recovery: Recovery, records: Sequence[Record]) -> FailureFacts | None:
    """What a decline says of failure and card: enough to decide on without another read.

    Taken from the rows, so that an execution that only finds them tells the same as the one that wrote them.
    """
    landed = next((record for record in reversed(records) if record.type in _RESULT_OUTCOMES), None)
    if landed is None or landed.data.get("outcome", _RESULT_OUTCOMES[landed.type]) != Outcome.DECLINED:
        return None
    failure = Failure.model_validate(landed.data.get("failure") or {})
    card = Card.model_validate(landed.data.get("card") or {})
    # Of a method that is charged for the first time, nothing is known from the one before.
    same = _requested_method(records) in {None, recovery.method_in_use}
    network = failure.network or card.network or (recovery.failure.network if same else None)
    known = {"failure": failure.model_copy(update={"network": network}), "card": card, "missing": ()}
    return announced_facts(recovery).model_copy(update=known)


def _requested_method(records: Sequence[Record]) -> str | None:
    """The method that the charge in these rows named."""
    request = next((one for one in reversed(records) if one.type is EventType.CHARGE_REQUESTED), None)
    return request.data.get("method_id") if request else None


_RESULT_OUTCOMES: Final[Mapping[EventType, Outcome | None]] = {
    EventType.CHARGE_SUCCEEDED: Outcome.SUCCEEDED,
    EventType.CHARGE_DECLINED: Outcome.DECLINED,
    EventType.CHARGE_RECONCILED: None,
}
"""The rows that end a charge; a reconciled one names its outcome."""


MISSING_CODE: Final = "code"
"""In `FailureFacts.missing`: what was read says that the payment failed, and of the reason nothing."""


def complete_facts(facts: FailureFacts, recovery: Recovery) -> FailureFacts:
    """What was read, with what the event said where reading found nothing; never the codes of another charge."""
    read, known = facts.failure, recovery.failure
    other = read.charge_id and known.charge_id and read.charge_id != known.charge_id
    said = {} if other else known.model_dump(exclude_none=True)
    told = {"code": known.code} if MISSING_CODE in facts.missing and said and known.code else {}
    failure = Failure.model_validate(said | read.model_dump(exclude_none=True) | told)
    customer_id = facts.invoice.customer_id or recovery.customer_id
    customer = facts.customer or (CustomerView(customer_id=customer_id) if customer_id else None)
    card = recovery.card if facts.card == Card() and not other else facts.card
    return facts.model_copy(update={"failure": failure, "customer": customer, "card": card})
