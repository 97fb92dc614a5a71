"""One input and one result model per workflow, activity, query and update.

Every new field has a default, since workers of two releases run side by side during a deployment. `now` is always the
workflow's clock.
"""

from datetime import datetime

from core.base import Value
from core.classification.taxonomy import Classification
from core.events import Event, MessageOutcome, Record, State
from core.messages.kinds import MessageKind
from core.operators import Command
from core.payments import FailureFacts, ProviderEvent
from core.recovery.state import Recovery
from core.segmentation.rules import Segment

NOT_ALLOWED = "NotAllowed"
"""The ApplicationError type of a call that the provider refuses for its key, which no retry cures."""


class RecoveryInput(Value):
    """What starts a `PaymentRecovery`."""

    provider: str
    invoice_id: str
    event: ProviderEvent | None = None
    """The failure that opens it, if it doesn't come as a signal."""
    history_limit: int = 10_000
    """Number of history events after which the run continues as new."""


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
    """Deadline of the customer or of a review; for a charge in flight behind an ending, that of its answer."""
    doing: str = ""
    """What the recovery does or waits for, in words."""


class OpenInput(Value):
    """Input of `open_recovery`, which writes `payment.failed` or returns what the log already holds."""

    now: datetime
    provider: str
    invoice_id: str
    event: ProviderEvent | None = None


class WrittenRecords(Value):
    """The rows in the log from the requested sequence on, written now or by an earlier execution."""

    records: tuple[Record, ...] = ()
    refused: str | None = None
    """The code of why a command was rejected and nothing written; `why` is its sentence."""
    why: str = ""


class OpenedRecovery(WrittenRecords):
    """The log as found or begun, and the search attributes that this Temporal namespace has."""

    search_attributes: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    """Stored operator commands that the log doesn't show yet: the run before may have been lost with them."""
    upserts_at_rest: bool = False
    """Whether the run writes its search attributes only before it sleeps or ends; False in older histories.

    It stands here and not in `workflow.patched`, whose marker would cost the two events of history that this saves.
    """


class RecordInput(Value):
    """Input of a write: these events follow the row `recovery.sequence`."""

    now: datetime
    recovery: Recovery
    events: tuple[Event, ...]


class ProviderInput(Value):
    """Base of inputs of activities that call the provider, for one recovery."""

    recovery: Recovery


class ReadInput(ProviderInput):
    """Input of `read_failure`, which reads the invoice and its failure from the provider."""


class ClassifyInput(Value):
    """Input of `classify_failure`."""

    recovery: Recovery
    facts: FailureFacts


class SegmentInput(Value):
    """Input of `segment_customer`."""

    now: datetime
    recovery: Recovery
    facts: FailureFacts


class PlanInput(Value):
    """Input of `plan_retry`, which assesses fraud, plans, and commits all rows of the decision."""

    now: datetime
    recovery: Recovery
    facts: FailureFacts
    classification: Classification
    segment: Segment


class ChargeInput(ProviderInput):
    """Input of `charge_invoice`: one attempt, by this trigger and with this method, or the default one for None."""

    now: datetime
    trigger: str
    method_id: str | None = None


class ReconcileInput(ProviderInput):
    """Input of the activity that reconciles the charge in flight."""

    now: datetime
    last_sent_by: datetime | None = None
    """Time (UTC) by which the charge was sent for the last time, as far as this run knows."""


class ChargeReport(WrittenRecords):
    """The rows that a charge or its reconciliation wrote and, after a decline, the facts for the next decision."""

    facts: FailureFacts | None = None


class RelayInput(Value):
    """Input of one relay pass over the inbox and over recoveries without a run; `limit` is the number of each."""

    limit: int = 200


class RetentionInput(Value):
    """Input of one pass that blanks what is older than it is kept; `limit` is the number of rows per step."""

    limit: int = 1_000


class RetentionReport(Value):
    """Counts of one pass: webhooks whose body was blanked, contacts and original ids that were, partitions made."""

    bodies: int = 0
    contacts: int = 0
    originals: int = 0
    partitions: int = 0


class SimulationInput(Value):
    """Input of a dry run's activities. Policies and results are in the table `simulation`, not in histories."""

    simulation_id: str
    canceled: bool = False
    """Whether the dry run ended because it was canceled."""
    problem: str | None = None


class RelayReport(Value):
    """Counts of one relay pass: delivered and still waiting webhooks, recoveries that got a run again."""

    delivered: int = 0
    waiting: int = 0
    revived: int = 0


class NotifyInput(ProviderInput):
    """Input of sending one message of a recovery over one channel."""

    now: datetime
    step: str
    kind: MessageKind
    channel: str
    amount: int | None = None
    """What is open now, minor units of `currency`, as read for this message; None: as the recovery knows it."""
    currency: str = ""


class DeliveryResult(Value):
    """Outcome of sending a message, without address and name, since it is in the workflow's history."""

    outcome: MessageOutcome
    reason: str | None = None
    language: str | None = None


class DeliverNoticesInput(Value):
    """Input of one pass over waiting notices; `limit` is the largest number of notices."""

    limit: int = 200


class DeliverNoticesReport(Value):
    """Counts of one pass: webhooks started, notices sent to operators."""

    webhooks: int = 0
    told: int = 0


class SendWebhookInput(Value):
    """Input of sending one outgoing webhook; `target` is the number of the configured address, from 0."""

    notice_id: str
    target: int
