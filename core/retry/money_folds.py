"""What rows of money that no charge of ours brought change in a recovery: parts, refunds, reversals, late payments."""

from typing import Final

from core.events import CloseReason, Record, State
from core.events.data import MoneyMoved, PaidElsewhere
from core.retry.charge_folds import counted, end_of, having_seen
from core.retry.recovery import Recovery


def paid_elsewhere(recovery: Recovery, record: Record) -> Recovery:
    """The end; or a part, after which the rest stays open."""
    data = record.read(PaidElsewhere)
    seen = having_seen(recovery, data.event_id)
    if data.remaining:
        paid = recovery.paid + (data.amount or 0)
        rest = counted(seen, data.payment_id).having(amount=data.remaining, paid=paid)
        # It may be the payment that was waited for: then the rest is looked at now, not hours later.
        return _looked_at(rest, record) if recovery.standing_back else rest
    return end_of(seen, State.RECOVERED, CloseReason.PAID_ELSEWHERE)


def payment_refunded(recovery: Recovery, record: Record) -> Recovery:
    """The merchant gave money back, which is not owed again."""
    data = record.read(MoneyMoved)
    seen, amount = having_seen(recovery, data.event_id), data.amount or 0
    if _over(recovery):
        return seen.having(returned=recovery.returned + amount)
    return seen.having(paid=max(recovery.paid - amount, 0))


def payment_reversed(recovery: Recovery, record: Record) -> Recovery:
    """Money was taken back. Of a recovery that goes on it is owed again; behind the end nothing changes."""
    data = record.read(MoneyMoved)
    seen, amount = having_seen(recovery, data.event_id), data.amount or 0
    if _over(recovery):
        disputed = _disputed(recovery, data)
        return seen.having(returned=recovery.returned + amount, payments_disputed=disputed)
    back = min(amount, recovery.paid)
    owed = seen.having(amount=recovery.amount + back, paid=recovery.paid - back, undecided=True)
    return _looked_at(owed.having(failure=data.failure or recovery.failure), record)


def paid_late(recovery: Recovery, record: Record) -> Recovery:
    """It came when nobody waited for it any more, or is there again after it went back; the end stays."""
    data = record.read(MoneyMoved)
    seen = having_seen(recovery, data.event_id)
    if data.kind == RESTORED:
        # A second chargeback after a won dispute takes the money once more.
        open_disputes = tuple(one for one in recovery.payments_disputed if one != data.payment_id)
        left = max(recovery.returned - (data.amount or 0), 0)
        return seen.having(returned=left, payments_disputed=open_disputes)
    return counted(seen, data.payment_id).having(paid_late=recovery.paid_late + (data.amount or 0))


CHARGEBACK: Final = "chargeback"
RESTORED: Final = "restored"
"""The kind of money that had gone back and came again: it makes what was returned less."""


def _looked_at(recovery: Recovery, record: Record) -> Recovery:
    """Nothing stands in the way of a look any more; the time that money was on its way is given back."""
    ends = recovery.extended(recovery.window_ends_at, record.occurred_at)
    return recovery.having(standing_back=None, window_ends_at=ends, unread=True)


def _disputed(recovery: Recovery, data: MoneyMoved) -> tuple[str, ...]:
    """Payments with a chargeback, with this one."""
    if data.payment_id is None or data.kind != CHARGEBACK:
        return recovery.payments_disputed
    return (*recovery.payments_disputed, data.payment_id)


def _over(recovery: Recovery) -> bool:
    """Whether all the money had come, or it has ended: from then on what goes back counts as returned."""
    return recovery.stage.final or bool(recovery.ending and recovery.ending.state is State.RECOVERED)
