"""The four things a charge attempt can come to, by name."""

from core.payments import Card, ChargeResult, Failure, Outcome


def unknown_result(reason: str) -> ChargeResult:
    """Nobody knows yet."""
    return ChargeResult(outcome=Outcome.UNKNOWN, reason=reason)


def not_charged_result(reason: str) -> ChargeResult:
    """Surely nothing was charged, and nothing will be under this key."""
    return ChargeResult(outcome=Outcome.NOT_CHARGED, reason=reason)


def declined_result(failure: Failure, card: Card | None = None) -> ChargeResult:
    """A definite no."""
    outcome = Outcome.DECLINED
    return ChargeResult(outcome=outcome, failure=failure, card=card or Card(), charge_id=failure.charge_id)


def succeeded_result(charge_id: str | None) -> ChargeResult:
    """The money is there."""
    return ChargeResult(outcome=Outcome.SUCCEEDED, charge_id=charge_id)
