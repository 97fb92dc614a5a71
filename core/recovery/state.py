"""The state of one recovery, folded from the rows of its log."""

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
    since: datetime | None = None
    """Time (UTC) of the row that set it; None in states stored by older releases."""


class StandBack(Value):
    """A suspension: no charges and no messages until a fresh read of the invoice lifts it."""

    reason: str
    """`payment_under_way`, `collection_paused`, `written_off` or `provider_refused`."""
    since: datetime
    look_at: datetime

    @property
    def stops_clock(self) -> bool:
        """Whether window and deadlines are extended meanwhile: only while a payment is processing."""
        return self.reason == PAYMENT_UNDER_WAY


class ChargeFallback(Value):
    """The part of the state before the charge in flight that is restored when its new method proves useless."""

    stage: State
    method: str | None = None
    failure: Failure = Failure()
    card: Card = Card()
    fingerprint: str | None = None
    network: str | None = None
    category: Category | None = None
    cause: Cause | None = None


_NO_TIME: Final = timedelta()
PAYMENT_UNDER_WAY: Final = "payment_under_way"
COLLECTION_PAUSED: Final = "collection_paused"
WRITTEN_OFF: Final = "written_off"
PROVIDER_REFUSED: Final = "provider_refused"
OUT_OF_SCOPE: Final = "out_of_scope"
"""Close reason of a recovery whose invoice the policy's scope excludes: canceled, not counted as a loss."""
CURRENT_RULES: Final = 2
"""The rules version that new recoveries open with. Rules 1 closed after the last retry without a final read; recoveries
that opened under it keep it, since their histories must replay."""


class Recovery(Value):
    """The folded state of one recovery. Built by `machine.apply` only; amounts in minor units, times in UTC."""

    provider: str
    invoice_id: str
    customer_id: str | None = None
    subscription_id: str | None = None
    amount: int = 0
    currency: str = ""

    paid: int = 0
    """Partial payments received before the end and not returned; `amount` is what is still open."""
    payments_counted: tuple[str, ...] = ()
    """Ids of payments that `paid` or `paid_late` include: providers report one payment in several events."""
    payments_disputed: tuple[str, ...] = ()
    """Ids of payments whose chargeback `returned` includes: providers report one dispute in several events."""
    paid_late: int = 0
    """Payments received after the end."""
    returned: int = 0
    """Money that went back after the end: refunds, chargebacks, returned debits."""

    rules: int = 1
    """The rules version that its first row names, for its whole life."""
    sequence: int = 0
    """Sequence number of the last row folded in; 0 before the first."""
    stage: State = State.RECEIVED
    """The state without regard to a pause."""
    paused: bool = False
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    close_reason: str | None = None
    ending: Ending | None = None

    event_ids: tuple[str, ...] = ()
    """Ids of provider events folded in; a redelivery of one has no effect."""
    last_signal: str | None = None
    """The newest recorded operator signal, as `run:number`."""
    requests: tuple[str, ...] = ()
    """Ids of the newest recorded operator requests."""
    provider_attempt: int | None = None
    """Number of the provider's newest known attempt."""
    failed_at: datetime | None = None
    """Time of the newest failure (UTC); the next delay counts from it."""
    failure: Failure = Failure()
    card: Card = Card()
    """The card of that failure, as the provider reported it."""
    next_provider_attempt: datetime | None = None
    """Time of the provider's own next attempt, as last reported."""
    unread: bool = False
    """A read of invoice and failure is due."""
    standing_back: StandBack | None = None
    refusal_known: bool = False
    """Operators were notified that the provider refuses the read of the charge in flight."""
    undecided: bool = False
    """A failure still has to be classified and planned."""

    fingerprint: str | None = None
    """The provider's fingerprint of the card that failed last; None if unknown."""
    network: str | None = None
    """Network of that card."""

    category: Category | None = None
    cause: Cause | None = None
    ability: Chargeability = Chargeability.CHARGEABLE
    """Whether a chargeable method existed at the last decision."""
    segment: str | None = None
    country: str | None = None
    time_zone: str | None = None
    """Of the customer, from the profile at segmentation; as is `country`."""
    experiment: str | None = None
    arm: str | None = None
    """Arm of that experiment; both None outside any experiment."""
    strategy: str | None = None
    policy_version: str | None = None
    fraud_hold: bool = False
    attempts_allowed: int | None = None
    window_ends_at: datetime | None = None

    attempt: int = 0
    """The newest charge attempt of ours, counted from 1 over all triggers."""
    attempts_used: int = 0
    """Attempts that used the policy's budget (scheduled ones)."""
    next_attempt_at: datetime | None = None
    until: datetime | None = None
    """Deadline of the customer, or of the operator in a review."""
    customer_until: datetime | None = None
    """The customer's deadline that follows an approval."""
    trigger: Trigger | None = None
    """Trigger of a charge that is due at once; None: only the schedule."""
    method_id: str | None = None
    """The new payment method that this charge names."""
    methods_seen: tuple[str, ...] = ()
    method_in_use: str | None = None
    """The method that charges name, once another than the first was tried; None: the provider's default."""
    footing: ChargeFallback | None = None
    """The state before the newest charge, to restore when its method is useless."""
    unfit_methods: tuple[str, ...] = ()
    """Ids of methods that can't be charged: removed, of another customer, or no card."""
    dead_methods: tuple[str, ...] = ()
    """Ids of methods that a bank refused for good; only new card data makes one usable again."""
    default_methods: tuple[str, ...] = ()
    """Ids of the default methods of invoice, subscription and customer, as last read."""
    no_method: bool = False
    """The provider reported that no payment method is stored."""
    used_up: str | None = None
    """Why no retry is left, while the recovery still waits for its customer."""
    in_flight: ChargeOrder | None = None
    in_flight_trigger: Trigger | None = None
    request_seconds: int | None = None
    """The longest time that the provider works on the request of `in_flight`; None for one of an older release."""
    unsettled: bool = False
    """The charge in flight has an unknown outcome and must be reconciled. Histories hold this name, so it is kept."""
    last_charge_from: datetime | None = None
    last_charge_to: datetime | None = None
    charge_ids: tuple[str, ...] = ()
    """Provider's ids of the charges that our attempts made."""

    important: bool = False
    """Its segment is marked as important: operators are notified when it fails."""
    messages: MessagePlan | None = None
    """Planned messages to the customer; None where no channel is set up."""
    messages_since: Mapping[str, datetime] = {}
    """Time (UTC) at which each topic first came up; its messages count from it."""
    told: tuple[str, ...] = ()
    """Messages sent or given up, as `step/channel`."""
    heard: bool = False
    """Whether a message about the failure was sent, or may have been."""

    @property
    def recovery_id(self) -> str:
        """The id of the recovery in log, Temporal and API."""
        return recovery_id(self.provider, self.invoice_id)

    @property
    def state(self) -> State:
        """The public state: `stage`, or PAUSED unless it is final or charging."""
        if self.stage.is_final or self.stage is State.CHARGING:
            return self.stage
        return State.PAUSED if self.paused else self.stage

    @property
    def charge_fallback(self) -> ChargeFallback:
        """The part of the current state that a useless new method must not change."""
        shared = {name: getattr(self, name) for name in ChargeFallback.model_fields if name != "method"}
        return ChargeFallback(**shared, method=self.method_in_use)

    @property
    def named_method(self) -> str | None:
        """The method that a charge names: the one in use, unless a bank refused it for good; None: the default."""
        return None if self.method_in_use in self.dead_methods else self.method_in_use

    def extend_deadline(self, deadline: datetime | None, at: datetime) -> datetime | None:
        """The deadline, moved by the time for which a payment was processing until `at`; None for None."""
        return deadline + self.clock_stopped_for(at) if deadline else None

    def restore_fallback(self, footing: ChargeFallback) -> "Recovery":
        """The recovery with the fields of an earlier `charge_fallback` restored."""
        shared = {name: getattr(footing, name) for name in ChargeFallback.model_fields if name != "method"}
        return self.with_changes(**shared, method_in_use=footing.method)

    def clock_stopped_for(self, now: datetime) -> timedelta:
        """How long a payment has been processing; window and deadlines are extended by it."""
        back = self.standing_back
        return max(now - back.since, _NO_TIME) if back and back.stops_clock else _NO_TIME

    def with_changes(self, **changes: Any) -> "Recovery":
        """A copy of the recovery with these fields changed."""
        return self.model_copy(update=changes)


def customer_location(recovery: Recovery, facts: FailureFacts) -> tuple[str | None, str | None]:
    """Country (ISO 3166) and IANA time zone of the customer; None where unknown.

    Precedence: the facts' customer, the recovery's profile and, for the country only, the card.
    """
    customer = facts.customer
    country = (customer.country if customer else None) or recovery.country or facts.card.country
    return country, (customer.time_zone if customer else None) or recovery.time_zone
