"""What crosses Temporal about messages: one input and one result each. Every new field has a default."""

from datetime import datetime
from enum import StrEnum

from core.base import Value
from core.contracts import ProviderInput
from core.messages.kinds import MessageKind


class NotifyInput(ProviderInput):
    """Send one message of a recovery over one channel."""

    now: datetime
    step: str
    kind: MessageKind
    channel: str
    amount: int | None = None
    """What is open now, minor units of `currency`, as read for this message; None: as the recovery knows it."""
    currency: str = ""


class DeliveryOutcome(StrEnum):
    """How sending a message ended."""

    SENT = "sent"
    MAYBE_SENT = "maybe_sent"
    """A crash or a silence at the worst moment: it is not sent again."""
    FAILED = "failed"


class DeliveryResult(Value):
    """What became of a message. No address, no name: this is in the history."""

    outcome: DeliveryOutcome
    reason: str | None = None
    language: str | None = None


class DeliverNoticesInput(Value):
    """One pass over what operators and other systems are to hear."""

    limit: int = 200


class DeliverNoticesReport(Value):
    """What a pass did."""

    webhooks: int = 0
    told: int = 0


class SendWebhookInput(Value):
    """One outgoing webhook to one of the configured addresses."""

    notice_id: str
    target: int
