"""A recorded recovery while its rows are being read."""

from dataclasses import dataclass, field

from core.classifier.taxonomy import Cause
from core.events import State, Trigger
from core.payments import Card, Failure, Risk
from core.segmentation.segment import CustomerProfile
from simulator.recorded import RecordedAttempt


@dataclass
class RecoveryDraft:
    """What the rows read so far say. Times in seconds since 1970, amounts in minor units."""

    invoice_id: str
    customer_id: str
    amount: int
    currency: str
    failed_at: int
    last_failure_at: int
    """The newest failure: where the next wait counts from."""
    failure: Failure = field(default_factory=Failure)
    card: Card = field(default_factory=Card)
    risk: Risk | None = None
    fingerprint: str | None = None
    country: str | None = None
    profile: CustomerProfile = field(default_factory=CustomerProfile)
    first_cause: Cause | None = None
    cause: Cause | None = None
    """Of the newest failure."""
    retries_used: int = 0
    charge_in_flight: tuple[int, Trigger] | None = None
    """The charge in flight."""
    fresh: bool = False
    """Another card was given, and nothing charged since."""
    attempts: list[RecordedAttempt] = field(default_factory=list)
    tries: list[int] = field(default_factory=list)
    paid_at: int | None = None
    amount_open: int | None = None
    """What was still open after a part came; None: all of it."""
    paid_late: int = 0
    """What came after an end without it."""
    method_at: int | None = None
    window_ends_at: int | None = None
    closed_at: int | None = None
    state: State | None = None
    reason: str = ""
    decisions: list[str] = field(default_factory=list)
