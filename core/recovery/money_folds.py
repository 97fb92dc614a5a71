"""Folds of money moved outside our charges: partial payments, refunds, reversals, late payments. Minor units."""

from typing import Final

from core.events import CloseReason, Record, State
from core.events.money_data import MoneyMoved, PaidElsewhere
from core.recovery.charge_folds import count_payment, end_recovery, remember_event
from core.recovery.state import Recovery


def apply_paid_elsewhere(recovery: Recovery, record: Record) -> Recovery:
    """Ending RECOVERED; with `remaining`, only a part is paid and the rest stays open."""
    data = record.read(PaidElsewhere)
    seen = remember_event(recovery, data.event_id)
    if data.remaining:
        paid = recovery.paid + (data.amount or 0)
        rest = count_payment(seen, data.payment_id).with_changes(amount=data.remaining, paid=paid)
        # This may be the payment that was processing: read the rest now instead of at the next scheduled read.
        return _lift_stand_back(rest, record) if recovery.standing_back else rest
    return end_recovery(seen, State.RECOVERED, CloseReason.PAID_ELSEWHERE, record)


def apply_refund(recovery: Recovery, record: Record) -> Recovery:
    """The recovery after a merchant's refund, which the customer doesn't owe again."""
    data = record.read(MoneyMoved)
    seen, amount = remember_event(recovery, data.event_id), data.amount or 0
    if _is_over(recovery):
        return seen.with_changes(returned=recovery.returned + amount)
    return seen.with_changes(paid=max(recovery.paid - amount, 0))


def apply_reversal(recovery: Recovery, record: Record) -> Recovery:
    """The recovery after money was taken back: owed again while it is open, else only added to `returned`."""
    data = record.read(MoneyMoved)
    seen, amount = remember_event(recovery, data.event_id), data.amount or 0
    if _is_over(recovery):
        disputed = _disputed_payments(recovery, data)
        return seen.with_changes(returned=recovery.returned + amount, payments_disputed=disputed)
    back = min(amount, recovery.paid)
    owed = seen.with_changes(amount=recovery.amount + back, paid=recovery.paid - back, undecided=True)
    return _lift_stand_back(owed.with_changes(failure=data.failure or recovery.failure), record)


def apply_late_payment(recovery: Recovery, record: Record) -> Recovery:
    """The recovery with a payment that came after the end, or returned money that was restored; the end stays."""
    data = record.read(MoneyMoved)
    seen = remember_event(recovery, data.event_id)
    if data.kind == MONEY_RESTORED:
        # Forget the won dispute: a second chargeback of this payment takes the money once more and must count.
        open_disputes = tuple(one for one in recovery.payments_disputed if one != data.payment_id)
        left = max(recovery.returned - (data.amount or 0), 0)
        return seen.with_changes(returned=left, payments_disputed=open_disputes)
    return count_payment(seen, data.payment_id).with_changes(paid_late=recovery.paid_late + (data.amount or 0))


CHARGEBACK: Final = "chargeback"
MONEY_RESTORED: Final = "restored"
"""`kind` of a late payment that restores returned money; it lowers `returned`."""


def _lift_stand_back(recovery: Recovery, record: Record) -> Recovery:
    """The recovery with its suspension lifted and a read due; the window grows by the time the clock stood still."""
    ends = recovery.extend_deadline(recovery.window_ends_at, record.occurred_at)
    return recovery.with_changes(standing_back=None, window_ends_at=ends, unread=True)


def _disputed_payments(recovery: Recovery, data: MoneyMoved) -> tuple[str, ...]:
    """Ids of payments with an open chargeback, including this row's."""
    if data.payment_id is None or data.kind != CHARGEBACK:
        return recovery.payments_disputed
    return (*recovery.payments_disputed, data.payment_id)


def _is_over(recovery: Recovery) -> bool:
    """Whether the recovery has ended or is fully paid; money that goes back then counts as `returned`."""
    return recovery.stage.is_final or bool(recovery.ending and recovery.ending.state is State.RECOVERED)
