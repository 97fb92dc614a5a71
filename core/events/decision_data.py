"""What the rows of a decision hold: classified, segmented, assessed, planned or skipped, and a shadow policy's."""

from core.classification.taxonomy import Category, Cause, Chargeability
from core.events.data import (
    EventData,
    JsonObject,
    Moment,
    StoredCard,
    StoredFailure,
    StoredObject,
    StoredProfile,
    StoredSignals,
)
from core.events.types import (
    SkipAction,
    Trigger,
)


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
