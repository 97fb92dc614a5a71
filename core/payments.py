"""Provider-neutral models of events, invoices, methods, charges and their results.

Amounts are integer minor units of an ISO 4217 currency; times are aware and in UTC; nothing here holds a card
number, a name or an e-mail address.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from core.base import Value
from core.collection_terms import CollectionTerms


class EventKind(StrEnum):
    """Kind of a provider's event, after normalisation."""

    PAYMENT_FAILED = "payment_failed"
    ACTION_REQUIRED = "action_required"
    INVOICE_PAID = "invoice_paid"
    INVOICE_VOIDED = "invoice_voided"
    INVOICE_UNCOLLECTIBLE = "invoice_uncollectible"
    SUBSCRIPTION_ENDED = "subscription_ended"
    METHOD_UPDATED = "method_updated"
    DISPUTE_OPENED = "dispute_opened"
    FRAUD_WARNING = "fraud_warning"
    RETRY_SCHEDULED = "retry_scheduled"
    PROVIDER_STOPPED = "provider_stopped"
    """The provider's own retries are over and the money is not there: from now on the failure is ours."""
    WAKE = "wake"
    """Something changed; only a fresh read of the invoice says what."""
    PAYMENT_REFUNDED = "payment_refunded"
    """Money that had come was given back by the merchant: `returned_amount` of it."""
    PAYMENT_REVERSED = "payment_reversed"
    """Money that had come, or counted as come, was taken back: a returned debit, a failed capture, a chargeback whose
    money is gone. `failure` is set where the bank gave a reason that makes it a failed payment."""
    PAYMENT_RESTORED = "payment_restored"
    """Money that had gone back is there again, `returned_amount` of it: a dispute was won, a refund failed."""
    DISPUTE_INQUIRY = "dispute_inquiry"
    """A bank asks, and no money moved: operators hear of it, nothing is blocked."""
    CUSTOMER_DELETED = "customer_deleted"
    OTHER = "other"


class MethodKind(StrEnum):
    """What kind of payment method it is. Only cards are charged by this service."""

    CARD = "card"
    """Also a card in a phone's wallet, where the provider charges it as a card."""
    DIRECT_DEBIT = "direct_debit"
    """ACH, SEPA, BACS, BECS, ACSS and the like: days until a result, returns for weeks."""
    BANK_TRANSFER = "bank_transfer"
    """The customer sends the money: transfers, vouchers, redirects to a bank."""
    WALLET = "wallet"
    """PayPal, Venmo, Link balance, Cash App and the like."""
    OTHER = "other"


class MethodRole(StrEnum):
    """Role in which an event reports a payment method."""

    DEFAULT = "default"
    """It became a default: of the subscription, or of the customer."""
    ATTACHED = "attached"
    """It was stored for the customer, and is no default as far as the event tells."""
    UPDATED = "updated"
    """The same method with new data: a renewed card."""


class Failure(Value):
    """Why a payment failed, as raw codes. A missing code is normal."""

    code: str | None = None
    """The provider's decline code, or its error code where it has none."""
    advice: str | None = None
    """The provider's own advice code."""
    network: str | None = None
    """Card network in lower case: visa, mastercard, amex, discover …"""
    network_code: str | None = None
    """Response code of the network or issuer (ISO 8583 DE 39 or the network's own)."""
    network_advice: str | None = None
    """Advice code of the network (Mastercard MAC)."""
    outcome: str | None = None
    """Type of the provider's outcome, e.g. blocked, issuer_declined."""
    outcome_reason: str | None = None
    """Reason of the provider's outcome, e.g. highest_risk_level."""
    network_status: str | None = None
    """`not_sent_to_network` where the provider refused it by itself; not said otherwise."""
    method_id: str | None = None
    """The payment method that was tried."""
    charge_id: str | None = None
    """The provider's id of the failed charge, if there is one."""


class Card(Value):
    """What may be known of a card, or of whatever else is charged in its place: no number, no name."""

    kind: MethodKind | None = None
    """None where the provider doesn't say; then it is taken for a card only where `network` names a card network."""
    fingerprint: str | None = None
    network: str | None = None
    last4: str | None = None
    country: str | None = None
    funding: str | None = None


class ProviderEvent(Value):
    """One verified webhook, normalised. Which of the ids are known depends on the event."""

    provider: str
    event_id: str
    event_type: str
    kind: EventKind
    occurred_at: datetime
    invoice_id: str | None = None
    customer_id: str | None = None
    subscription_id: str | None = None
    payment_id: str | None = None
    """Payment intent or charge, where the event names neither invoice nor customer."""
    charge_id: str | None = None
    """The charge, where the event names it beside its payment intent."""
    amount: int | None = None
    currency: str | None = None
    provider_attempt: int | None = None
    """Orders the provider's tries of this invoice: its own count, or the second of the try where it doesn't count.

    With the invoice it is the identity of one failure: what is not newer is no news.
    """
    next_provider_attempt: datetime | None = None
    """When the provider itself will try again."""
    method_id: str | None = None
    method_version: str | None = None
    """Tells two updates of the same method apart; the same change seen twice has the same version."""
    failure: Failure | None = None
    card: Card | None = None
    """The card that was tried, where the event says; a provider that can't be read says it nowhere else."""
    idempotency_key: str | None = None
    """Idempotency key of our own charge whose result this event reports, if the provider returns it."""
    detail: str | None = None
    """A short reason code, e.g. the dispute's reason."""
    terms: CollectionTerms | None = None
    """What the body says of whose claim it is."""
    paid_amount: int | None = None
    """Of a payment: what it brought, where it may be a part; None: all that was open."""
    returned_amount: int | None = None
    """Of a refund, a reversal, a dispute: how much of the money, minor units of `currency`."""
    returned_kind: str | None = None
    """`refund`, `chargeback`, `failed_capture` or `returned_debit`; `restored` where it came again."""
    method_role: MethodRole | None = None
    simulated: bool = False
    """The event comes from a test clock, whose times are not real."""


class PaymentMethod(Value):
    """A stored method that a charge would take."""

    method_id: str
    card: Card = Card()


class InvoiceStatus(StrEnum):
    """Status of the provider's invoice."""

    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"
    MISSING = "missing"


class InvoiceView(Value):
    """An invoice as read just now."""

    invoice_id: str
    status: InvoiceStatus
    amount_due: int = 0
    """What is still to be paid, minor units."""
    currency: str = ""
    customer_id: str | None = None
    subscription_id: str | None = None
    next_provider_attempt: datetime | None = None
    latest_charge_id: str | None = None
    latest_charge_status: str | None = None
    """succeeded, failed or pending."""
    processing: bool = False
    """A payment is under way whose result the provider does not know yet."""
    disputed: bool = False
    recurring_revenue: int | None = None
    """What it bills again and again, as minor units in 30 days; None where it doesn't say, or bills nothing so."""
    amount_paid: int | None = None
    """What was paid of it so far, minor units; None where the provider doesn't say."""
    terms: CollectionTerms = CollectionTerms()
    methods_known: bool = False
    """Whether the two fields below were read; where not, they say nothing."""
    method: PaymentMethod | None = None
    """What a charge that names no method would take, by the provider's own order; None: there is none."""
    default_methods: tuple[str, ...] = ()
    """Every method that is the default of the invoice, its subscription, or its customer."""
    written_off: bool = False
    """Marked as uncollectible where the policy waits for a payment all the same; `status` is OPEN then."""
    time_scale: int = 1
    """How fast our own clock runs (`TIME_SCALE`): it shortens the time to the next look. Filled in like the next."""
    out_of_scope: str | None = None
    """The rule of the policy by which it is not ours to collect; None: it is. Filled in by the activity that read."""


class Risk(Value):
    """Fraud signals exactly as the provider gave them; None where it gave nothing."""

    level: str | None = None
    score: int | None = None
    early_warning: bool | None = None
    disputed: bool | None = None


class CustomerView(Value):
    """A customer as the provider knows them: ids and facts, no contact data."""

    customer_id: str
    created_at: datetime | None = None
    country: str | None = None
    time_zone: str | None = None
    default_method_id: str | None = None


class FailureFacts(Value):
    """Everything the provider has on one failed payment, from one read."""

    invoice: InvoiceView
    failure: Failure = Failure()
    card: Card = Card()
    customer: CustomerView | None = None
    risk: Risk = Risk()
    missing: tuple[str, ...] = ()
    """What could not be read, by name."""


class ChargeOrder(Value):
    """One charge attempt as it was decided; a repeat sends exactly this again."""

    provider: str
    invoice_id: str
    attempt: int
    idempotency_key: str
    amount: int
    currency: str
    method_id: str | None = None
    """Name this method in the pay call; None: the provider's default."""
    customer_id: str | None = None
    """Whose invoice it is, for a provider that must be told."""
    last_method_id: str | None = None
    """The method that failed last: what to charge where `method_id` is None and the provider knows no default."""
    method_kind: MethodKind | None = None
    """What kind of method that is, as far as known; a provider that can't look it up charges nothing but a card."""
    charge_before: str | None = None
    """The invoice's latest charge before this attempt; a newer one is ours."""
    requested_at: datetime


class Outcome(StrEnum):
    """What a charge attempt came to."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    UNKNOWN = "unknown"
    NOT_CHARGED = "not_charged"
    """Certainly not charged, and never will be under this idempotency key."""


class ChargeResult(Value):
    """The provider's answer to a charge order, or what a later read says of it."""

    outcome: Outcome
    failure: Failure = Failure()
    card: Card = Card()
    charge_id: str | None = None
    """The provider's id of the charge; None where none was made, or that is unknown."""
    reason: str | None = None
    """For UNKNOWN and NOT_CHARGED: why, as a short code such as timeout or http_500; UNFIT_METHOD, NO_METHOD."""
    amount: int | None = None
    """For SUCCEEDED: the amount paid, minor units, if it is less than was requested."""


UNFIT_METHOD: Final = "method_unfit"
"""The method that the order named can't be charged: it is gone, or another's. Of a NOT_CHARGED result."""
NO_METHOD: Final = "no_method"
"""The order named no method and the provider has none stored. Of a NOT_CHARGED result."""
