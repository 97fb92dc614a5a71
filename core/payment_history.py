"""Models of imported history: failed invoices of other systems and their charge attempts.

Amounts in minor units of an ISO 4217 currency; no card numbers, names or addresses.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from core.base import Value
from core.events import Trigger
from core.payments import Card, Failure, Outcome, Risk
from core.segmentation.rules import CustomerProfile

MAX_AMOUNT: Final = 10**15
"""Minor units of one invoice at most, so that the sum of nine thousand such invoices is still a 64-bit number."""
EARLIEST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_TIME: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""End of the times that are accepted; times outside are placeholders or mistakes."""


def _check_time_range(moment: datetime) -> datetime:
    """The moment. Raises ValueError outside 1970 to 2100."""
    # Compared as it is: the first and last moments of a datetime can't be converted to UTC.
    if not EARLIEST_TIME <= moment < LATEST_TIME:
        raise ValueError("the time must lie between 1970 and 2100")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_check_time_range)]


class PastAttempt(Value):
    """One charge with a definite answer."""

    at: Moment
    outcome: Outcome
    """`succeeded` or `declined`."""
    trigger: Trigger = Trigger.SCHEDULED
    failure: Failure = Failure()
    """Why it was declined."""

    @model_validator(mode="after")
    def _check_outcome(self) -> "PastAttempt":
        if self.outcome not in {Outcome.SUCCEEDED, Outcome.DECLINED}:
            raise ValueError("the outcome must be succeeded or declined")
        return self


class InvoiceEnding(StrEnum):
    """Final status of a failed invoice."""

    OPEN = "open"
    PAID = "paid"
    LOST = "lost"
    """Given up without a payment."""
    CANCELED = "canceled"
    """Voided or disputed, or its subscription ended, before it was given up."""


class PastInvoice(Value):
    """One invoice whose first charge was declined, with all its charges in the order of time.

    Raises ValidationError for other charges: a first success, a wrong order, or a charge after a success.
    """

    invoice_id: str = Field(min_length=1)
    customer_id: str | None = None
    amount: int = Field(gt=0, le=MAX_AMOUNT)
    currency: str = Field(pattern="^[A-Z]{3}$")
    card: Card = Card()
    """The card that failed first."""
    risk: Risk = Risk()
    country: str | None = Field(None, pattern="^[A-Z]{2}$")
    time_zone: str | None = None
    profile: CustomerProfile = CustomerProfile()
    attempts: tuple[PastAttempt, ...] = Field(min_length=1)
    paid_at: Moment | None = None
    """When it was paid otherwise than by one of the charges."""
    method_at: Moment | None = None
    """When the customer stored another card."""
    ended_at: Moment | None = None
    end: InvoiceEnding

    @model_validator(mode="after")
    def _check_attempts(self) -> "PastInvoice":
        times = [one.at for one in self.attempts]
        if self.attempts[0].outcome is not Outcome.DECLINED:
            raise ValueError("the first attempt must be declined: otherwise the invoice never failed")
        if times != sorted(times):
            raise ValueError("the attempts must be in the order of time")
        if any(one.outcome is Outcome.SUCCEEDED for one in self.attempts[:-1]):
            raise ValueError("nothing is charged after an attempt that succeeded")
        return self

    @property
    def failed_at(self) -> datetime:
        """When the first charge failed."""
        return self.attempts[0].at
