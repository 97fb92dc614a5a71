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
    JsonValue,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from core.classifier.taxonomy import Category, Cause, Chargeability
from core.events.types import (
    CloseReason,
    DisputeKind,
    EventType,
    MessageOutcome,
    ReviewDecision,
    SkipAction,
    State,
    Trigger,
    format_timestamp,
)
from core.fraud.signals import FraudSignals
from core.payments import Card, Failure, Outcome
from core.segmentation.segment import CustomerProfile

JsonObject = Mapping[str, JsonValue]
Moment = Annotated[
    datetime,
    AfterValidator(lambda moment: moment.astimezone(UTC)),
    PlainSerializer(format_timestamp, when_used="json-unless-none"),
]
"""A time; RFC 3339 in UTC as JSON."""


def _only_what_was_said(value: BaseModel) -> dict[str, Any]:
    """Nested facts as they came: a field that was never set is no null of the row."""
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


class FromProvider(EventData):
    """A row that a provider's event brought: by its id it is known when it comes again."""

    event_id: str | None = None
    event_type: str | None = None


class Fee(StoredObject):
    """A card network's published fee, minor units of `currency`."""

    amount: int
    currency: str
    source: str | None = None


class NetworkVerdict(StoredObject):
    """Which rule of a card network moved a plan or held a charge back, and what that saved."""

    rule: str | None = None
    used: int | None = None
    allowed: int | None = None
    fingerprint: str | None = None
    network: str | None = None
    counted_by: str | None = None
    fee: Fee | None = None
    never: str | None = None
    source: str | None = None
    planned_at: Moment | None = None
    """What the strategy had planned, before the network's rule."""
    planned_why: str | None = None


class WrittenStrategy(StoredObject):
    """A strategy's name, kind and settings; the settings as JSON text, since a plug-in's may hold what a row can't."""

    name: str
    use: str
    options: str


class PlanInputs(StoredObject):
    """What a plan was made of: enough to make it again from the row alone (`core.planning`)."""

    situation: JsonObject | None = None
    window_ends_at: Moment | None = None
    time_scale: int | None = None
    attempts_allowed: int | None = None
    cool_down_seconds: int | None = None
    strategy: WrittenStrategy | None = None
    fallback: WrittenStrategy | None = None
    kept_at: Moment | None = None
    """Only where an attempt out of turn left the schedule as it was."""
    earliest: Moment | None = None


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


class FailureClassified(EventData):
    """What the failure is, and which row of which table says so."""

    category: Category
    cause: Cause
    code: str | None = None
    source: str | None = None
    decided_by: str | None = None
    wait_seconds: int | None = None
    """A wait that an advice code asks for, seconds."""
    failure: StoredFailure | None = None
    card: StoredCard | None = None
    missing: tuple[str, ...] = ()
    """What could not be read."""
    network_fee: Fee | None = None
    """What the provider's own attempt beyond a network's limit cost."""
    ability: Chargeability | None = None
    default_methods: tuple[str, ...] = ()


class CustomerSegmented(EventData):
    """The customer's segment and budget; once per recovery."""

    segment: str
    rule: str | None = None
    why: str | None = None
    profile: StoredProfile | None = None
    campaign: str | None = None
    attempts_allowed: int | None = None
    window_ends_at: Moment | None = None
    customer_id: str | None = None
    important: bool = False


class Countries(StoredObject):
    """Countries that the fraud assessment compares, ISO 3166."""

    customer: str | None = None
    card: str | None = None


class FraudAssessed(EventData):
    """Clear, review or block, and by what."""

    level: str
    score: int | None = None
    """0 to 100."""
    reasons: tuple[str, ...] = ()
    radar_level: str | None = None
    """The provider's risk level; the key is Stripe's product name of the first release."""
    radar_score: int | None = None
    early_warning: bool | None = None
    disputed: bool | None = None
    signals: StoredSignals | None = None
    countries: Countries | None = None
    cause: Cause | None = None
    decided_by: str | None = None


class RetryPlanned(EventData):
    """The next charge."""

    at: Moment
    delay_seconds: int | None = None
    """From the failure on, before `TIME_SCALE` shortens it."""
    strategy: str | None = None
    why: str | None = None
    rejected: tuple[str, ...] = ()
    retry: int | None = None
    """Which of the policy's attempts it is, counted from 1."""
    attempts_allowed: int | None = None
    inputs: PlanInputs | None = None
    network: NetworkVerdict | None = None
    refused_method: str | None = None
    """A new method that was refused; the schedule goes on with the one before."""
    messages: JsonObject | None = None
    """The plan of messages to the customer (`core.messages`)."""


class RetrySkipped(EventData):
    """No charge, and what happens instead."""

    action: SkipAction
    reason: str
    why: str | None = None
    at: Moment | None = None
    """The next look, where the action has one."""
    since: Moment | None = None
    until: Moment | None = None
    customer_until: Moment | None = None
    free_at: Moment | None = None
    """When the card network allows the next attempt."""
    again: bool = False
    method_id: str | None = None
    trigger: Trigger | None = None
    strategy: str | None = None
    rejected: tuple[str, ...] = ()
    delay_seconds: int | None = None
    retry: int | None = None
    attempts_allowed: int | None = None
    inputs: PlanInputs | None = None
    rule: str | None = None
    used: int | None = None
    allowed: int | None = None
    network: NetworkVerdict | None = None
    refused_method: str | None = None
    messages: JsonObject | None = None


class ShadowPlanned(EventData):
    """What the shadow policy would have done in the place of the decision before it; changes nothing."""

    action: str
    agrees: bool | None = None
    at: Moment | None = None
    delay_seconds: int | None = None
    strategy: str | None = None
    why: str | None = None
    rejected: tuple[str, ...] = ()
    reason: str | None = None
    network: NetworkVerdict | None = None
    inputs: PlanInputs | None = None


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


class PaidElsewhere(FromProvider):
    """Paid, and not by a charge of ours; with `remaining`, a part."""

    source: str | None = None
    amount: int | None = None
    remaining: int | None = None
    currency: str | None = None
    payment_id: str | None = None


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


MODELS: Final[Mapping[EventType, type[EventData]]] = {
    EventType.PAYMENT_FAILED: PaymentFailed,
    EventType.FAILURE_CLASSIFIED: FailureClassified,
    EventType.CUSTOMER_SEGMENTED: CustomerSegmented,
    EventType.FRAUD_ASSESSED: FraudAssessed,
    EventType.RETRY_PLANNED: RetryPlanned,
    EventType.RETRY_SKIPPED: RetrySkipped,
    EventType.CHARGE_REQUESTED: ChargeRequested,
    EventType.CHARGE_SUCCEEDED: ChargeSucceeded,
    EventType.CHARGE_DECLINED: ChargeDeclined,
    EventType.CHARGE_UNKNOWN: ChargeUnknown,
    EventType.CHARGE_RECONCILED: ChargeReconciled,
    EventType.RETRY_REQUESTED: RetryRequested,
    EventType.CANCEL_REQUESTED: CancelRequested,
    EventType.PAUSED: RecoveryPaused,
    EventType.RESUMED: RecoveryResumed,
    EventType.REVIEWED: OperatorReviewed,
    EventType.METHOD_UPDATED: MethodUpdated,
    EventType.PAID_ELSEWHERE: PaidElsewhere,
    EventType.CLOSED_ELSEWHERE: ClosedElsewhere,
    EventType.DISPUTE_OPENED: DisputeOpened,
    EventType.NOTIFICATION_SENT: MessageSent,
    EventType.NOTIFICATION_FAILED: MessageFailed,
    EventType.RECOVERY_CLOSED: RecoveryClosed,
    EventType.PAYMENT_REFUNDED: PaymentRefunded,
    EventType.PAYMENT_REVERSED: PaymentReversed,
    EventType.PAYMENT_LATE: PaymentLate,
    EventType.EVENT_LATE: EventLate,
    EventType.SHADOW_PLANNED: ShadowPlanned,
}
"""The model of `data` by type of row."""
