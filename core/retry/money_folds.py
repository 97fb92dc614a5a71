"""What rows of money that no charge of ours brought change in a recovery: parts, refunds, reversals, late payments."""

from typing import Final

from core.events import Record, State
from core.payments import Failure
from core.retry.charge_folds import counted, end_of, having_seen
from core.retry.recovery import Recovery


def paid_elsewhere(recovery: Recovery, record: Record) -> Recovery:
    """The end; or a part, after which the rest stays open."""
    seen, data = having_seen(recovery, record.data), record.data
    if data.get("remaining"):
        rest = counted(seen, data.get("payment_id")).having(
            amount=data["remaining"], paid=recovery.paid + data["amount"]
        )
        # It may be the payment that was waited for: then the rest is looked at now, not hours later.
        return _looked_at(rest, record) if recovery.standing_back else rest
    return end_of(seen, State.RECOVERED, "paid_elsewhere")


def payment_refunded(recovery: Recovery, record: Record) -> Recovery:
    """The merchant gave money back, which is not owed again."""
    seen, amount = having_seen(recovery, record.data), record.data.get("amount") or 0
    if _over(recovery):
        return seen.having(returned=recovery.returned + amount)
    return seen.having(paid=max(recovery.paid - amount, 0))


def payment_reversed(recovery: Recovery, record: Record) -> Recovery:
    """Money was taken back. Of a recovery that goes on it is owed again; behind the end nothing changes."""
    seen, amount = having_seen(recovery, record.data), record.data.get("amount") or 0
    if _over(recovery):
        disputed = _disputed(recovery, record)
        return seen.having(returned=recovery.returned + amount, payments_disputed=disputed)
    back = min(amount, recovery.paid)
    owed = seen.having(amount=recovery.amount + back, paid=recovery.paid - back, undecided=True)
    failure = Failure.model_validate(record.data.get("failure") or recovery.failure)
    return _looked_at(owed.having(failure=failure), record)


def paid_late(recovery: Recovery, record: Record) -> Recovery:
    """It came when nobody waited for it any more, or is there again after it went back; the end stays."""
    seen = having_seen(recovery, record.data)
    if record.data.get("kind") == RESTORED:
        # A second chargeback after a won dispute takes the money once more.
        open_disputes = tuple(one for one in recovery.payments_disputed if one != record.data.get("payment_id"))
        left = max(recovery.returned - (record.data.get("amount") or 0), 0)
        return seen.having(returned=left, payments_disputed=open_disputes)
    return counted(seen, record.data.get("payment_id")).having(
        paid_late=recovery.paid_late + (record.data.get("amount") or 0)
    )


RESTORED: Final = "restored"
"""The kind of money that had gone back and came again: it makes what was returned less."""


def _looked_at(recovery: Recovery, record: Record) -> Recovery:
    """Nothing stands in the way of a look any more; the time that money was on its way is given back."""
    ends = recovery.extended(recovery.window_ends_at, record.occurred_at)
    return recovery.having(standing_back=None, window_ends_at=ends, unread=True)


def _disputed(recovery: Recovery, record: Record) -> tuple[str, ...]:
    """Payments with a chargeback, with this one."""
    payment = record.data.get("payment_id")
    if payment is None or record.data.get("kind") != "chargeback":
        return recovery.payments_disputed
    return (*recovery.payments_disputed, payment)


def _over(recovery: Recovery) -> bool:
    """Whether all the money had come, or it has ended: from then on what goes back counts as returned."""
    return recovery.stage.final or bool(recovery.ending and recovery.ending.state is State.RECOVERED)
