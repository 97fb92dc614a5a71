"""One input and one result per message that crosses Temporal. Every new field has a default: deploys overlap."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from core.base import Value
from core.classifier.taxonomy import Classification
from core.events import Event, Record, State
from core.payments import FailureFacts, ProviderEvent
from core.retry.recovery import Recovery
from core.segmentation.segment import Segment

NOT_ALLOWED = "NotAllowed"
"""The type of the failure of a call that the provider refuses to this key: asking again is of no use."""


class Action(StrEnum):
    """What an operator can ask of a recovery."""

    RETRY = "retry"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    REVIEW = "review"


class Command(Value):
    """One wish of an operator."""

    action: Action
    actor: str = "temporal"
    reason: str = ""
    decision: str | None = None
    """approve or reject, for a review."""
    request_id: str | None = None
    """The same wish sent twice has the same id."""
    asked_by: str | None = None
    """Who asked for the same before, where it takes two people, and why."""
    asked_reason: str | None = None
    signal: str | None = None
    """Which signal of which run it came as; the workflow says so, nobody else."""


_COMMAND_TEXT_FIELDS = ("actor", "reason", "decision", "request_id", "asked_by", "asked_reason")


def parse_command(action: Action, given: Any) -> Command:
    """A command out of whatever somebody typed: an object's known fields, anything else kept as text in `reason`."""
    if not isinstance(given, dict):
        return Command(action=action, reason="" if given is None else str(given))
    texts = {key: str(given[key]) for key in _COMMAND_TEXT_FIELDS if given.get(key)}
    if "decision" in texts:
        texts["decision"] = texts["decision"].strip().lower()
    return Command(action=action, **texts)


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
