"""The state of one recovery: nothing but what its log says, folded together."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from core.base import Value
from core.classification.taxonomy import Category, Cause, Chargeability
from core.events import State, Trigger
from core.ids import recovery_id
from core.messages.plans import MessagePlan
from core.payments import Card, ChargeOrder, Failure, FailureFacts


class Ending(Value):
    """How a recovery will end as soon as nothing is in flight any more."""

    state: State
    reason: str


class StandBack(Value):
    """Nothing is charged and nobody is written to until a fresh look says otherwise."""

    reason: str
    """`payment_under_way`, `collection_paused`, `written_off` or `provider_refused`."""
    since: datetime
    look_at: datetime

    @property
    def stops_clock(self) -> bool:
        """Whether window and deadlines wait meanwhile: only money that is on its way stops them."""
        return self.reason == PAYMENT_UNDER_WAY


class ChargeFallback(Value):
    """What a recovery stood on before the charge in flight: where it goes back to when a new method is of no use."""

    stage: State
    method: str | None = None
    failure: Failure = Failure()
    card: Card = Card()
    fingerprint: str | None = None
    network: str | None = None
    category: Category | None = None
    cause: Cause | None = None


PAYMENT_UNDER_WAY: Final = "payment_under_way"
COLLECTION_PAUSED: Final = "collection_paused"
WRITTEN_OFF: Final = "written_off"
PROVIDER_REFUSED: Final = "provider_refused"
OUT_OF_SCOPE: Final = "out_of_scope"
"""Why a recovery ends whose invoice turns out not to be ours to collect: it is canceled, and no loss."""
CURRENT_RULES: Final = 2
"""The rules that recoveries open with today. Under rules 1 a recovery ended with its last retry and nobody looked for
money on its way; the ones that opened so go on so, since their histories must replay."""


class Recovery(Value):
    """Everything the machine knows. Built by `machine.apply` only; amounts in minor units, times in UTC."""

    provider: str
    invoice_id: str
    customer_id: str | None = None
    subscription_id: str | None = None
    amount: int = 0
    currency: str = ""

    paid: int = 0
    """What came in parts before the end and stayed; `amount` is what is still open."""
    payments_counted: tuple[str, ...] = ()
    """Payments whose money is in `paid` or `paid_late`: providers tell of one in several events."""
    payments_disputed: tuple[str, ...] = ()
    """Payments whose chargeback is in `returned`: one dispute is told of in several events."""
    paid_late: int = 0
    """What came after an end without it."""
    returned: int = 0
    """What went back after the end: refunds, chargebacks, returned debits."""

    rules: int = 1
    """By which rules it lives, as its first row says."""
    sequence: int = 0
    """The last row of the log that is folded in."""
    stage: State = State.RECEIVED
    """The state but for a pause."""
    paused: bool = False
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    close_reason: str | None = None
    ending: Ending | None = None

    event_ids: tuple[str, ...] = ()
    """Provider events that are folded in."""
    last_signal: str | None = None
    """The newest signal of an operator that has a row, as `run:number`."""
    requests: tuple[str, ...] = ()
    """The last requests of operators that have a row."""
    provider_attempt: int | None = None
    """The newest try of the provider that we know of."""
    failed_at: datetime | None = None
    """The newest failure: where the next delay counts from."""
    failure: Failure = Failure()
    card: Card = Card()
    """The card behind it, as far as the provider's own words go."""
    next_provider_attempt: datetime | None = None
    """When the provider itself will try again, as it last said."""
    unread: bool = False
    """The provider announced a failure that we haven't read yet."""
    standing_back: StandBack | None = None
    refusal_known: bool = False
    """Operators know that the provider refuses to say what became of the charge in flight."""
    undecided: bool = False
    """A failure waits for classification and plan."""

    fingerprint: str | None = None
    """The provider's name for the card that failed last; None where it never said."""
    network: str | None = None
    """Its card network."""

    category: Category | None = None
    cause: Cause | None = None
    ability: Chargeability = Chargeability.CHARGEABLE
    """Whether a charge had something to charge when the last decision was made."""
    segment: str | None = None
    country: str | None = None
    time_zone: str | None = None
    """Of the customer, as the profile said when the segment was decided."""
    experiment: str | None = None
    arm: str | None = None
    """Of that experiment; both None where the recovery is part of none."""
    strategy: str | None = None
    policy_version: str | None = None
    fraud_hold: bool = False
    attempts_allowed: int | None = None
    window_ends_at: datetime | None = None

    attempt: int = 0
    """The newest charge attempt of ours, counted from 1 over all triggers."""
    attempts_used: int = 0
    """Those that used the policy's budget."""
    next_attempt_at: datetime | None = None
    until: datetime | None = None
    """Deadline of the customer or of the review."""
    customer_until: datetime | None = None
    """The customer's deadline that follows an approval."""
    trigger: Trigger | None = None
    """A charge that is wanted now."""
    method_id: str | None = None
    """The new payment method to name in it."""
    methods_seen: tuple[str, ...] = ()
    method_in_use: str | None = None
    """The method that every charge names since another than the first was tried; None: the provider's default."""
    footing: ChargeFallback | None = None
    """Before the newest charge."""
    unfit_methods: tuple[str, ...] = ()
    """Methods that can't be charged: gone, another customer's, no cards."""
    dead_methods: tuple[str, ...] = ()
    """Methods that a bank refused for good; only new data brings one back."""
    default_methods: tuple[str, ...] = ()
    """Defaults of invoice, subscription and customer, as last read."""
    no_method: bool = False
    """The provider said that it has no method stored."""
    used_up: str | None = None
    """Why no retry is left, while the recovery still waits for its customer."""
    in_flight: ChargeOrder | None = None
    in_flight_trigger: Trigger | None = None
    unsettled: bool = False
    """The charge in flight has no definite answer."""
    last_charge_from: datetime | None = None
    last_charge_to: datetime | None = None
    charge_ids: tuple[str, ...] = ()
    """Charges that our own attempts made."""

    important: bool = False
    """Operators hear of it when it fails."""
    messages: MessagePlan | None = None
    """What the customer is told when; None where no channel is set up."""
    messages_since: Mapping[str, datetime] = {}
    """When each cause first came up: where its messages count from."""
    told: tuple[str, ...] = ()
    """Messages that went out or were given up, as `step/channel`."""
    heard: bool = False
    """Whether the customer surely or maybe heard of the failure."""

    @property
    def recovery_id(self) -> str:
        """Its name everywhere: in the log, in Temporal, in the API."""
        return recovery_id(self.provider, self.invoice_id)

    @property
    def state(self) -> State:
        """Where it stands, as seen from outside."""
        if self.stage.is_final or self.stage is State.CHARGING:
            return self.stage
        return State.PAUSED if self.paused else self.stage

    @property
    def charge_fallback(self) -> ChargeFallback:
        """What it stands on now."""
        shared = {name: getattr(self, name) for name in ChargeFallback.model_fields if name != "method"}
        return ChargeFallback(**shared, method=self.method_in_use)

    @property
    def named_method(self) -> str | None:
        """The method that a charge names: the one in use, unless a bank refused it for good; None: the default."""
        return None if self.method_in_use in self.dead_methods else self.method_in_use

    def extend_deadline(self, deadline: datetime | None, at: datetime) -> datetime | None:
        """The deadline, moved by the time for which money was on its way until `at`."""
        return deadline + self.clock_stopped_for(at) if deadline else None

    def restore_fallback(self, footing: ChargeFallback) -> "Recovery":
        """The recovery judged by what it stood on before."""
        shared = {name: getattr(footing, name) for name in ChargeFallback.model_fields if name != "method"}
        return self.with_changes(**shared, method_in_use=footing.method)

    def clock_stopped_for(self, now: datetime) -> timedelta:
        """How long money has been on its way by now; window and deadlines move by as much."""
        back = self.standing_back
        return max(now - back.since, timedelta()) if back and back.stops_clock else timedelta()

    def with_changes(self, **changes: Any) -> "Recovery":
        """The same recovery but for these fields."""
        return self.model_copy(update=changes)


def customer_location(recovery: Recovery, facts: FailureFacts) -> tuple[str | None, str | None]:
    """Country (ISO 3166) and time zone. A charge's own answer doesn't repeat them: then what the profile said counts,
    and of a country, last, the card's.
    """
    customer = facts.customer
    country = (customer.country if customer else None) or recovery.country or facts.card.country
    return country, (customer.time_zone if customer else None) or recovery.time_zone
