"""Events before and after a provider's charge call: pure helpers of `activities.charging`."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from core.classification.taxonomy import Chargeability
from core.events import Event, EventType, Record, SkipAction, Trigger, format_timestamp
from core.events.decision_data import RetrySkipped
from core.events.money_data import ChargeEnd, ChargeReconciled, ChargeRequested
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
"""Delay of the next read after the provider's own retry."""


def order_in_flight(recovery: Recovery) -> ChargeOrder:
    """The order in flight. Raises ValueError when no charge is in flight."""
    if recovery.in_flight is None:
        raise ValueError("no charge is in flight")
    return recovery.in_flight


def request_charge(
    recovery: Recovery,
    invoice: InvoiceView,
    trigger: Trigger,
    method_id: str | None,
    now: datetime,
    longest_request: timedelta | None = None,
) -> tuple[Event, ...]:
    """`charge.requested`, or the event that says why this invoice is not charged now. Never empty.

    `longest_request`: how long the provider works on one request at most; it is stored with the request.
    """
    if trigger is Trigger.MANUAL and invoice.processing and invoice.status is InvoiceStatus.OPEN:
        return (refusal_event(trigger, "in_flight", "a payment of this invoice is on its way at the provider", now),)
    if events := check_invoice(recovery, invoice, now):
        found = events[0].data
        # A manual charge is refused, not postponed: an operator waits for the answer.
        if trigger is Trigger.MANUAL and isinstance(found, RetrySkipped) and found.action is SkipAction.STAND_BACK:
            return (refusal_event(trigger, "paused", found.why or "", now),)
        return events
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
    request = _charge_request(recovery, invoice, trigger, named, now)
    return (request.having(request_seconds=math.ceil(longest_request.total_seconds())) if longest_request else request,)


def _replan_event(able: Chargeability, now: datetime) -> Event:
    """The planned method can't be charged: a new decision follows, which sets its own deadlines for the customer."""
    data = {"action": "decide_anew", "reason": able.value, "why": ABILITY_SENTENCES[able]}
    return Event(type=EventType.RETRY_SKIPPED, occurred_at=now, data=data)


def unchargeable_event(
    recovery: Recovery, able: Chargeability, trigger: Trigger, named: str | None, now: datetime
) -> Event:
    """No chargeable method: a scheduled charge waits for the customer; any other is refused, and the state stays."""
    if trigger is Trigger.SCHEDULED:
        until = format_timestamp(max(recovery.window_ends_at or now, now + REVIEW_PERIOD))
        data = {"action": "wait_for_method", "reason": able.value, "until": until, "why": ABILITY_SENTENCES[able]}
        return Event(type=EventType.RETRY_SKIPPED, occurred_at=now, data=data)
    code = "hard_decline" if trigger is Trigger.MANUAL else able.value
    return refusal_event(trigger, code, ABILITY_SENTENCES[able], now, method_id=named)


def refusal_event(trigger: Trigger, code: str, why: str, now: datetime, **more: str | None) -> Event:
    """`retry.skipped` for a refused charge; for an operator's request, `code` is a refusal code of the API."""
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
    """Postpone to after the provider's own retry: two schedulers on one invoice would charge twice as often."""
    at = until + RECHECK_MARGIN
    why = f"the provider itself tries at {format_timestamp(until)}; we look again after that"
    data = {"reason": "provider_retry", "action": "postpone", "at": format_timestamp(at), "why": why}
    return Event(type=EventType.RETRY_SKIPPED, occurred_at=now, data=data)


def _payment_under_way_event(now: datetime) -> Event:
    """Postpone while another payment of the invoice is processing: one attempt is in flight at a time."""
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
    """Whether a refusal created no charge at the provider; as the answer to a repeat, it proves nothing."""
    return result.outcome in {Outcome.DECLINED, Outcome.NOT_CHARGED} and result.charge_id is None


def manual_review_event(recovery: Recovery, now: datetime) -> Event:
    """`retry.skipped` that sends a charge which can't be reconciled to manual review.

    If an ending is set, the recovery ends with it: the row has no deadlines then, and tells operators.
    """
    until = None if recovery.ending else format_timestamp(now + REVIEW_PERIOD)
    data = {
        "reason": CHARGE_UNKNOWN,
        "action": "review",
        "until": until,
        "customer_until": until,
        "why": _UNHEARD_END if recovery.ending else _UNRESOLVABLE,
    }
    known = {key: value for key, value in data.items() if value is not None}
    return Event(type=EventType.RETRY_SKIPPED, occurred_at=now, attempt=order_in_flight(recovery).attempt, data=known)


CHARGE_UNKNOWN: Final = "charge_unknown"
"""The reason of a skipped retry whose charge can't be reconciled."""
_UNRESOLVABLE: Final = "nobody can find out whether the last charge succeeded: look it up at the provider"
_UNHEARD_END: Final = (
    "it ends without the provider's word on the last charge: look it up there; money that comes later is counted"
)


def charge_result_event(
    recovery: Recovery, result: ChargeResult, now: datetime, *, repeated: bool, by_reading: bool
) -> Event | None:
    """The event of a charge result; None for an unknown outcome that has its row already."""
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
    """The amount paid, minor units, if it is less than was requested; else None."""
    part = result.amount is not None and result.amount < order_in_flight(recovery).amount
    return result.amount if part and result.outcome is Outcome.SUCCEEDED else None


_EVENT_TYPES_BY_OUTCOME: Final = {
    Outcome.SUCCEEDED: EventType.CHARGE_SUCCEEDED,
    Outcome.DECLINED: EventType.CHARGE_DECLINED,
    Outcome.UNKNOWN: EventType.CHARGE_UNKNOWN,
}


def facts_from_decline(recovery: Recovery, records: Sequence[Record]) -> FailureFacts | None:
    """Failure and card of a decline, enough to decide on without another read; None if the charge was not declined.

    Taken from the rows, so that a repeated execution that only finds them returns the same facts.
    """
    landed = next((record for record in reversed(records) if record.type in _RESULT_OUTCOMES), None)
    if landed is None or _result_outcome(landed) is not Outcome.DECLINED:
        return None
    data = landed.read(ChargeEnd)
    failure, card = data.failure or Failure(), data.card or Card()
    # The network of the failed card doesn't apply to a method that is charged for the first time.
    same = _requested_method(records) in {None, recovery.method_in_use}
    network = failure.network or card.network or (recovery.failure.network if same else None)
    known = {"failure": failure.model_copy(update={"network": network}), "card": card, "missing": ()}
    return announced_facts(recovery).model_copy(update=known)


def _requested_method(records: Sequence[Record]) -> str | None:
    """The payment method that the newest `charge.requested` in these rows named; None: the provider's default."""
    request = next((one for one in reversed(records) if one.type is EventType.CHARGE_REQUESTED), None)
    return request.read(ChargeRequested).method_id if request else None


def _result_outcome(record: Record) -> Outcome | None:
    return record.data.outcome if isinstance(record.data, ChargeReconciled) else _RESULT_OUTCOMES[record.type]


_RESULT_OUTCOMES: Final[Mapping[EventType, Outcome | None]] = {
    EventType.CHARGE_SUCCEEDED: Outcome.SUCCEEDED,
    EventType.CHARGE_DECLINED: Outcome.DECLINED,
    EventType.CHARGE_RECONCILED: None,
}
"""Rows that end a charge, with their outcome; a reconciled row names its own in `outcome`."""


MISSING_CODE: Final = "code"
"""In `FailureFacts.missing`: the read shows that the payment failed, but not the decline code."""


def complete_facts(facts: FailureFacts, recovery: Recovery) -> FailureFacts:
    """The facts read, completed from the event where the read has gaps; codes of another charge are never mixed in."""
    read, known = facts.failure, recovery.failure
    other = read.charge_id and known.charge_id and read.charge_id != known.charge_id
    said = {} if other else known.model_dump(exclude_none=True)
    told = {"code": known.code} if MISSING_CODE in facts.missing and said and known.code else {}
    failure = Failure.model_validate(said | read.model_dump(exclude_none=True) | told)
    customer_id = facts.invoice.customer_id or recovery.customer_id
    customer = facts.customer or (CustomerView(customer_id=customer_id) if customer_id else None)
    card = recovery.card if facts.card == Card() and not other else facts.card
    return facts.model_copy(update={"failure": failure, "customer": customer, "card": card})
