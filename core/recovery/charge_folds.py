"""Folds of the rows of a charge, from `charge.requested` to its result."""

from core.events import CloseReason, Record, State
from core.events.money_data import ChargeEnd, ChargeReconciled, ChargeRequested
from core.payments import NO_METHOD, UNFIT_METHOD, Card, ChargeOrder, Failure, Outcome
from core.recovery.state import ChargeFallback, Ending, Recovery


def end_recovery(recovery: Recovery, state: State, reason: str, record: Record) -> Recovery:
    """The recovery with its ending set by this row. The first ending stands, unless RECOVERED replaces it."""
    if recovery.ending and state is not State.RECOVERED:
        return recovery
    return recovery.with_changes(ending=Ending(state=state, reason=reason, since=record.occurred_at))


def remember_event(recovery: Recovery, event_id: str | None) -> Recovery:
    """The recovery with this provider event's id stored, so that a redelivery has no effect."""
    return recovery if event_id is None else recovery.with_changes(event_ids=(*recovery.event_ids, event_id))


def apply_charge_request(recovery: Recovery, record: Record) -> Recovery:
    """The recovery with the charge in flight; every repeat uses the key and parameters stored here."""
    data = record.read(ChargeRequested)
    recovery = _switch_method(recovery.with_changes(footing=recovery.charge_fallback), data)
    order = ChargeOrder(
        provider=recovery.provider,
        invoice_id=recovery.invoice_id,
        attempt=record.attempt or recovery.attempt + 1,
        idempotency_key=data.idempotency_key,
        amount=data.amount,
        currency=data.currency,
        method_id=data.method_id,
        customer_id=data.customer_id,
        last_method_id=data.last_method_id,
        method_kind=recovery.card.kind,
        charge_before=data.charge_before,
        requested_at=record.occurred_at,
    )
    return recovery.with_changes(
        stage=State.CHARGING,
        in_flight=order,
        in_flight_trigger=data.trigger,
        request_seconds=data.request_seconds,
        unsettled=False,
        attempt=order.attempt,
        attempts_used=recovery.attempts_used + int(data.trigger.uses_budget),
        amount=order.amount,
        next_attempt_at=None if data.trigger.uses_budget else recovery.next_attempt_at,
        trigger=None,
        method_id=None,
        last_charge_from=record.occurred_at,
        last_charge_to=None,
    )


def _switch_method(recovery: Recovery, data: ChargeRequested) -> Recovery:
    """The recovery with another named method in use: card and network limits of the one before don't apply to it."""
    named = data.method_id
    if named in {None, recovery.method_in_use}:
        return recovery
    known = {"fingerprint": data.fingerprint, "network": data.network}
    return recovery.with_changes(method_in_use=named, card=Card(**known), **known)


def clear_charge(recovery: Recovery, record: Record) -> Recovery:
    """The recovery without a charge in flight; the id of the finished charge is kept to recognise its echo."""
    data = record.read(ChargeEnd)
    made = (*recovery.charge_ids, data.charge_id) if data.charge_id else recovery.charge_ids
    event_id = data.event_id if isinstance(data, ChargeReconciled) else None
    return remember_event(recovery, event_id).with_changes(
        in_flight=None,
        in_flight_trigger=None,
        request_seconds=None,
        unsettled=False,
        refusal_known=False,
        last_charge_to=record.occurred_at,
        charge_ids=made,
    )


def apply_charge_success(recovery: Recovery, record: Record) -> Recovery:
    """Ending RECOVERED; after a partial payment, the rest (minor units) stays open and needs a decision."""
    data = record.read(ChargeEnd)
    came, asked = data.amount, recovery.in_flight.amount if recovery.in_flight else recovery.amount
    after = clear_charge(recovery, record)
    if came is None or came >= asked:
        return end_recovery(after, State.RECOVERED, CloseReason.CHARGED, record)
    rest = after.with_changes(amount=asked - came, paid=recovery.paid + came, failed_at=record.occurred_at)
    rest = count_payment(rest, data.charge_id)
    return rest.with_changes(undecided=True, unread=True)


def count_payment(recovery: Recovery, payment_id: str | None) -> Recovery:
    """The recovery with this payment's id stored, so that its amount is never added twice."""
    known = payment_id is None or payment_id in recovery.payments_counted
    return recovery if known else recovery.with_changes(payments_counted=(*recovery.payments_counted, payment_id))


def apply_charge_decline(recovery: Recovery, record: Record) -> Recovery:
    """The recovery after a decline; the next delay counts from the time of the request, not of the answer."""
    data = record.read(ChargeEnd)
    failed_at = recovery.in_flight.requested_at if recovery.in_flight else record.occurred_at
    return clear_charge(recovery, record).with_changes(
        failure=data.failure or Failure(),
        card=data.card or recovery.card,
        next_provider_attempt=data.next_provider_attempt or recovery.next_provider_attempt,
        failed_at=failed_at,
        undecided=True,
    )


def apply_charge_unknown(recovery: Recovery, _: Record) -> Recovery:
    """The recovery with its charge marked as unknown; it must be reconciled before the next one."""
    return recovery.with_changes(unsettled=True)


def apply_charge_reconciled(recovery: Recovery, record: Record) -> Recovery:
    """The recovery after a charge was reconciled: as succeeded, declined or not charged."""
    data = record.read(ChargeReconciled)
    match data.outcome:
        case Outcome.SUCCEEDED:
            return apply_charge_success(recovery, record)
        case Outcome.DECLINED:
            return apply_charge_decline(recovery, record)
        case _ if data.reason in {UNFIT_METHOD, NO_METHOD}:
            return _apply_unfit_method(recovery, record)
        case _:
            tried = recovery.in_flight.requested_at if recovery.in_flight else record.occurred_at
            return clear_charge(recovery, record).with_changes(failed_at=tried, undecided=True, unread=True)


def _apply_unfit_method(recovery: Recovery, record: Record) -> Recovery:
    """The recovery after a method that can't be charged: budget, schedule and deadlines are as before the attempt."""
    order, trigger = recovery.in_flight, recovery.in_flight_trigger
    used = recovery.attempts_used - int(bool(trigger and trigger.uses_budget))
    back = clear_charge(recovery, record).with_changes(attempts_used=used)
    if order is None or order.method_id is None or record.read(ChargeReconciled).reason == NO_METHOD:
        # The default was refused as well: mark it as unfit, or every new decision would charge it again.
        unfit = (*recovery.unfit_methods, *recovery.default_methods[:1])
        return back.with_changes(no_method=True, unfit_methods=unfit, undecided=True, unread=True)
    back = back.with_changes(unfit_methods=(*recovery.unfit_methods, order.method_id))
    footing = recovery.footing or recovery.charge_fallback
    if footing.method != order.method_id:
        return back.restore_fallback(footing)
    # The method in use is gone: the provider's default is next, whose card and limits are not known yet.
    return back.restore_fallback(
        ChargeFallback(stage=footing.stage, failure=footing.failure, category=footing.category, cause=footing.cause)
    )
