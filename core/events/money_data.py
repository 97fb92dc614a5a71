"""What the rows of failures, charges and other movements of money hold. Amounts are minor units."""

from core.events.data import EventData, FromProvider, Moment, StoredCard, StoredFailure
from core.events.types import (
    Trigger,
)
from core.payments import Outcome


class PaymentFailed(FromProvider):
    """A failure was announced; the first one opens the recovery."""

    provider_attempt: int | None = None
    amount: int | None = None
    currency: str | None = None
    units: str | None = None
    """`iso4217` where a release before would have written the provider's own minor units."""
    customer_id: str | None = None
    subscription_id: str | None = None
    next_provider_attempt: Moment | None = None
    failure: StoredFailure | None = None
    card: StoredCard | None = None
    rules: int = 1
    """The rules of folding that the recovery follows for its whole life."""


class ChargeRequested(EventData):
    """Committed before the provider is called; holds the charge's key and parameters for every repeat."""

    idempotency_key: str
    trigger: Trigger
    amount: int
    currency: str
    units: str | None = None
    method_id: str | None = None
    customer_id: str | None = None
    last_method_id: str | None = None
    charge_before: str | None = None
    """The invoice's newest charge before this one."""
    request_seconds: int | None = None
    """The longest time that the provider works on this request, in whole seconds."""
    fingerprint: str | None = None
    network: str | None = None
    counted_by: str | None = None
    """`card`, or `recovery` where no fingerprint is known."""


class ChargeEnd(EventData):
    """What every definite answer to a charge may say."""

    charge_id: str | None = None
    reason: str | None = None
    amount: int | None = None
    """Only where less came than was asked for."""
    currency: str | None = None
    failure: StoredFailure | None = None
    card: StoredCard | None = None
    next_provider_attempt: Moment | None = None


class ChargeSucceeded(ChargeEnd):
    """The money came; with `amount`, only so much of it."""


class ChargeDeclined(ChargeEnd):
    """A definite no."""


class ChargeUnknown(EventData):
    """No definite answer: it is reconciled before anything else happens."""

    reason: str | None = None


class ChargeReconciled(ChargeEnd, FromProvider):
    """What became of a charge without a definite answer."""

    outcome: Outcome
    evidence: str | None = None
    """`read`, `webhook` or `operator`; without it, the same request was sent again."""
    repeated: bool = False


class PaidElsewhere(FromProvider):
    """Paid, and not by a charge of ours; with `remaining`, a part."""

    source: str | None = None
    amount: int | None = None
    remaining: int | None = None
    currency: str | None = None
    payment_id: str | None = None


class MoneyMoved(FromProvider):
    """Money that no charge of ours moved, minor units of `currency` (without it: the recovery's own)."""

    kind: str | None = None
    amount: int | None = None
    currency: str | None = None
    payment_id: str | None = None
    detail: str | None = None
    failure: StoredFailure | None = None


class PaymentRefunded(MoneyMoved):
    """The merchant gave money back."""


class PaymentReversed(MoneyMoved):
    """Money was taken back: a chargeback, a returned debit, a failed capture."""


class PaymentLate(MoneyMoved):
    """Money that came after an end without it; of the kind `restored`, it had gone back and is there again."""
