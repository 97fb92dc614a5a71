"""One input and one result per message that crosses Temporal. Every new field has a default: deploys overlap."""

from datetime import datetime

from core.base import Value
from core.classification.taxonomy import Classification
from core.events import Event, MessageOutcome, Record, State
from core.messages.kinds import MessageKind
from core.payments import FailureFacts, ProviderEvent
from core.recovery.state import Recovery
from core.segmentation.rules import Segment

NOT_ALLOWED = "NotAllowed"
"""The type of the failure of a call that the provider refuses to this key: asking again is of no use."""


class RecoveryInput(Value):
    """What starts a `PaymentRecovery`."""

    provider: str
    invoice_id: str
    event: ProviderEvent | None = None
    """The failure that opens it, where it doesn't come as a signal."""
    history_limit: int = 10_000
    """Events of history after which the run begins anew."""


class RecoveryStatus(Value):
    """The answer to the `status` query and to every update."""

    recovery_id: str
    state: State
    sequence: int
    category: str | None = None
    cause: str | None = None
    segment: str | None = None
    strategy: str | None = None
    attempt: int = 0
    attempts_used: int = 0
    attempts_allowed: int | None = None
    next_attempt_at: datetime | None = None
    until: datetime | None = None
    doing: str = ""
    """What it does or waits for, in words."""


class OpenInput(Value):
    """Open a recovery, or find what its log already holds. `now` is the workflow's clock here and below."""

    now: datetime
    provider: str
    invoice_id: str
    event: ProviderEvent | None = None


class WrittenRecords(Value):
    """What stands in the log from the sequence asked for on."""

    records: tuple[Record, ...] = ()
    refused: str | None = None
    """The code of why nothing was written, where somebody waits for the answer to a command; and its sentence."""
    why: str = ""


class OpenedRecovery(WrittenRecords):
    """The log as found or begun, and what Temporal can index."""

    search_attributes: tuple[str, ...] = ()


class RecordInput(Value):
    """Write these events behind `recovery.sequence`."""

    now: datetime
    recovery: Recovery
    events: tuple[Event, ...]


class ProviderInput(Value):
    """Something that the provider is to be asked, for one recovery."""

    recovery: Recovery


class ReadInput(ProviderInput):
    """Read what the provider knows about the invoice and its failure."""


class ClassifyInput(Value):
    """Classify one failure."""

    recovery: Recovery
    facts: FailureFacts


class SegmentInput(Value):
    """Segment the customer of one recovery."""

    now: datetime
    recovery: Recovery
    facts: FailureFacts


class PlanInput(Value):
    """Assess, plan, and write down the whole decision."""

    now: datetime
    recovery: Recovery
    facts: FailureFacts
    classification: Classification
    segment: Segment


class ChargeInput(ProviderInput):
    """Charge an invoice once."""

    now: datetime
    trigger: str
    method_id: str | None = None


class ReconcileInput(ProviderInput):
    """Find out about the charge in flight."""

    now: datetime


class ChargeReport(WrittenRecords):
    """What a charge or a settlement wrote, and what the provider said about the card while at it."""

    facts: FailureFacts | None = None


class RelayInput(Value):
    """One pass over the inbox and over recoveries without a run."""

    limit: int = 200


class SimulationInput(Value):
    """Work on this order. Policies and results travel by the table `simulation`, not through histories."""

    simulation_id: str
    canceled: bool = False
    """For its end: whether somebody wanted that."""
    problem: str | None = None


class RelayReport(Value):
    """What a pass did."""

    delivered: int = 0
    waiting: int = 0
    revived: int = 0


class NotifyInput(ProviderInput):
    """Send one message of a recovery over one channel."""

    now: datetime
    step: str
    kind: MessageKind
    channel: str
    amount: int | None = None
    """What is open now, minor units of `currency`, as read for this message; None: as the recovery knows it."""
    currency: str = ""


class DeliveryResult(Value):
    """What became of a message. No address, no name: this is in the history."""

    outcome: MessageOutcome
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
