"""What each type of row holds in `data`: one frozen model per event type, with its JSON names.

A row is hashed as it is stored, so a model writes exactly the keys that were set when the row was made: a key that an
older release left out stays out, an explicit null stays, and a key that only a newer release knows is kept.
"""

from collections.abc import KeysView, Mapping
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from core.events.types import (
    CloseReason,
    DisputeKind,
    MessageOutcome,
    ReviewDecision,
    State,
    format_timestamp,
)
from core.fraud.signals import FraudSignals
from core.payments import Card, Failure
from core.segmentation.rules import CustomerProfile

JsonObject = Mapping[str, Any]
"""JSON of another model. What isn't JSON fails when the row is written: `stored` is a dump. `JsonValue`, which looks at
every part in Python, took as long as all other fields of a planned retry."""
Moment = Annotated[
    datetime,
    AfterValidator(lambda moment: moment.astimezone(UTC)),
    PlainSerializer(format_timestamp, when_used="json-unless-none"),
]
"""A time; RFC 3339 in UTC as JSON."""


def _only_what_was_said(value: BaseModel) -> dict[str, Any]:
    """The nested model with only the keys that were set; an unset key must not appear as null in a hashed row."""
    return value.model_dump(mode="json", exclude_unset=True)


_SPARSE: Final = PlainSerializer(_only_what_was_said, when_used="unless-none")
StoredFailure = Annotated[Failure, _SPARSE]
StoredCard = Annotated[Card, _SPARSE]
StoredProfile = Annotated[CustomerProfile, _SPARSE]
StoredSignals = Annotated[FraudSignals, _SPARSE]


class StoredObject(BaseModel):
    """A JSON object of a row: attributes give typed values, indexing gives the JSON value that is stored and hashed."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    @model_serializer(mode="wrap")
    def _only_set_keys(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Defaults are never written: an old row must come out as it was hashed.
        return {key: value for key, value in write(self).items() if key in self.model_fields_set}

    @cached_property
    def stored(self) -> Mapping[str, Any]:
        """The JSON object of the row: text, integers, booleans, null, and lists and objects of these."""
        return MappingProxyType(self.model_dump(mode="json"))

    def __getitem__(self, key: str) -> Any:
        """The stored JSON value. Raises KeyError where the row doesn't hold it."""
        return self.stored[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The stored JSON value, or `default` where the row doesn't hold it."""
        return self.stored.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self.stored

    def keys(self) -> KeysView[str]:
        """The keys that the row holds."""
        return self.stored.keys()

    def __eq__(self, other: object) -> bool:
        """Rows are equal when they are stored alike."""
        if isinstance(other, StoredObject):
            return self.stored == other.stored
        return self.stored == other if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # a JSON object has no hash


class EventData(StoredObject):
    """`data` of a row, with the policy and the experiment's arm that its recovery was run by when it was written."""

    policy_version: str | None = None
    experiment: str | None = None
    arm: str | None = None


class UnreadableData(EventData):
    """`data` that doesn't fit its type: kept and shown as it stands, and refused by whoever needs its meaning."""

    # Not even these are trusted: nothing that a row holds may make its recovery unreadable.
    policy_version: Any = None
    experiment: Any = None
    arm: Any = None


class FromProvider(EventData):
    """A row that a provider's event brought: by its id it is known when it comes again."""

    event_id: str | None = None
    event_type: str | None = None


class OperatorCommand(EventData):
    """What an operator asked for; with `refused`, it had no effect."""

    actor: str | None = None
    reason: str | None = None
    refused: str | None = None
    asked_by: str | None = None
    """The first of two people, where the command takes two."""
    asked_reason: str | None = None
    request_id: str | None = None
    signal: str | None = None
    """The run and number of the signal that it came as."""


class RetryRequested(OperatorCommand):
    """An operator asked for a charge now."""


class CancelRequested(OperatorCommand):
    """An operator ended the recovery."""


class RecoveryPaused(OperatorCommand):
    """An operator paused the recovery."""


class RecoveryResumed(OperatorCommand):
    """An operator lifted the pause."""


class OperatorReviewed(OperatorCommand):
    """An operator decided in a review."""

    decision: Annotated[ReviewDecision | str | None, Field(union_mode="left_to_right")] = None
    """Free text only in refused rows: whatever somebody typed."""


class MethodUpdated(FromProvider):
    """The customer has another payment method, or a newer card."""

    method_id: str
    method_version: str | None = None


class ClosedElsewhere(FromProvider):
    """Nobody may collect it any more."""

    why: CloseReason
    source: str | None = None


class DisputeOpened(FromProvider):
    """A dispute, an early fraud warning, or a bank's inquiry."""

    kind: DisputeKind
    detail: str | None = None
    source: str | None = None
    amount: int | None = None
    currency: str | None = None


class EventLate(FromProvider):
    """Any other event after the end; kept, without effect."""

    kind: str | None = None
    detail: str | None = None


class MessageReported(EventData):
    """What became of a message to the customer."""

    step: str | None = None
    kind: str | None = None
    channel: str | None = None
    outcome: MessageOutcome | None = None
    reason: str | None = None
    language: str | None = None
    campaign: str | None = None


class MessageSent(MessageReported):
    """The channel took a message to the customer."""


class MessageFailed(MessageReported):
    """A message was given up, or nobody knows whether it went out."""


class RecoveryClosed(EventData):
    """The recovery ended."""

    state: State
    reason: str
