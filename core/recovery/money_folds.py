"""What rows of money that no charge of ours brought change in a recovery: parts, refunds, reversals, late payments."""

from typing import Final

from core.events import CloseReason, Record, State
from core.events.money_data import MoneyMoved, PaidElsewhere
from core.recovery.charge_folds import count_payment, end_recovery, remember_event
from core.recovery.state import Recovery


def apply_paid_elsewhere(recovery: Recovery, record: Record) -> Recovery:
    """The end; or a part, after which the rest stays open."""
    data = record.read(PaidElsewhere)
    seen = remember_event(recovery, data.event_id)
    if data.remaining:
        paid = recovery.paid + (data.amount or 0)
        rest = count_payment(seen, data.payment_id).with_changes(amount=data.remaining, paid=paid)
        # It may be the payment that was waited for: then the rest is looked at now, not hours later.
        return _lift_stand_back(rest, record) if recovery.standing_back else rest
    return end_recovery(seen, State.RECOVERED, CloseReason.PAID_ELSEWHERE)


def apply_refund(recovery: Recovery, record: Record) -> Recovery:
    """The merchant gave money back, which is not owed again."""
    data = record.read(MoneyMoved)
    seen, amount = remember_event(recovery, data.event_id), data.amount or 0
    if _is_over(recovery):
        return seen.with_changes(returned=recovery.returned + amount)
    return seen.with_changes(paid=max(recovery.paid - amount, 0))


def apply_reversal(recovery: Recovery, record: Record) -> Recovery:
    """Money was taken back. Of a recovery that goes on it is owed again; behind the end nothing changes."""
    data = record.read(MoneyMoved)
    seen, amount = remember_event(recovery, data.event_id), data.amount or 0
    if _is_over(recovery):
        disputed = _disputed_payments(recovery, data)
        return seen.with_changes(returned=recovery.returned + amount, payments_disputed=disputed)
    back = min(amount, recovery.paid)
    owed = seen.with_changes(amount=recovery.amount + back, paid=recovery.paid - back, undecided=True)
    return _lift_stand_back(owed.with_changes(failure=data.failure or recovery.failure), record)


def apply_late_payment(recovery: Recovery, record: Record) -> Recovery:
    """It came when nobody waited for it any more, or is there again after it went back; the end stays."""
    data = record.read(MoneyMoved)
    seen = remember_event(recovery, data.event_id)
    if data.kind == MONEY_RESTORED:
        # A second chargeback after a won dispute takes the money once more.
        open_disputes = tuple(one for one in recovery.payments_disputed if one != data.payment_id)
        left = max(recovery.returned - (data.amount or 0), 0)
        return seen.with_changes(returned=left, payments_disputed=open_disputes)
    return count_payment(seen, data.payment_id).with_changes(paid_late=recovery.paid_late + (data.amount or 0))


CHARGEBACK: Final = "chargeback"
MONEY_RESTORED: Final = "restored"
"""The kind of money that had gone back and came again: it makes what was returned less."""


def _lift_stand_back(recovery: Recovery, record: Record) -> Recovery:
    """Nothing stands in the way of a look any more; the time that money was on its way is given back."""
    ends = recovery.extend_deadline(recovery.window_ends_at, record.occurred_at)
    return recovery.with_changes(standing_back=None, window_ends_at=ends, unread=True)


def _disputed_payments(recovery: Recovery, data: MoneyMoved) -> tuple[str, ...]:
    """Payments with a chargeback, with this one."""
    if data.payment_id is None or data.kind != CHARGEBACK:
        return recovery.payments_disputed
    return (*recovery.payments_disputed, data.payment_id)


def _is_over(recovery: Recovery) -> bool:
    """Whether all the money had come, or it has ended: from then on what goes back counts as returned."""
    return recovery.stage.is_final or bool(recovery.ending and recovery.ending.state is State.RECOVERED)
