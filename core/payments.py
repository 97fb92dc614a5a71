"""Provider-neutral models of events, invoices, methods, charges and their results.

Amounts are integer minor units of an ISO 4217 currency; times are aware and in UTC; nothing here holds a card
number, a name or an e-mail address. What is declared as `FreeText` is redacted; ids, times and amounts never change.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from core.base import Value
from core.collection_terms import CollectionTerms
from core.redaction.types import FreeText


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
    """The provider's own retries ended without the money: from now on this service retries."""
    WAKE = "wake"
    """Something changed; only a fresh read of the invoice says what."""
    PAYMENT_REFUNDED = "payment_refunded"
    """The merchant refunded `returned_amount` of a payment."""
    PAYMENT_REVERSED = "payment_reversed"
    """Money that counted as paid was taken back: a returned debit, a failed capture, a chargeback. `failure` is set if
    the bank's reason makes it a failed payment."""
    PAYMENT_RESTORED = "payment_restored"
    """`returned_amount` that had gone back is there again: a dispute was won, a refund failed."""
    DISPUTE_INQUIRY = "dispute_inquiry"
    """A bank requests information and no money moved: operators are notified, nothing is blocked."""
    CUSTOMER_DELETED = "customer_deleted"
    OTHER = "other"


OPENING_KINDS: Final = frozenset({EventKind.PAYMENT_FAILED, EventKind.ACTION_REQUIRED, EventKind.PROVIDER_STOPPED})
"""Kinds that report a failed payment, with or without its details; see `ProviderEvent.opens_recovery`."""
INVOICE_AND_CUSTOMER_KINDS: Final = frozenset({EventKind.DISPUTE_OPENED, EventKind.FRAUD_WARNING})
"""Kinds about one invoice that speak against charging its customer at all."""


class MethodKind(StrEnum):
    """What kind of payment method it is. Only cards are charged by this service."""

    CARD = "card"
    """Also a card in a phone's wallet, where the provider charges it as a card."""
    DIRECT_DEBIT = "direct_debit"
    """ACH, SEPA, Bacs, BECS, ACSS and the like: the result takes days, and it may be returned for weeks."""
    BANK_TRANSFER = "bank_transfer"
    """The customer sends the money: transfers, vouchers, redirects to a bank."""
    WALLET = "wallet"
    """PayPal, Venmo, Link balance, Cash App and the like."""
    OTHER = "other"


class MethodRole(StrEnum):
    """Role in which an event reports a payment method."""

    DEFAULT = "default"
    """It became the default of the subscription or the customer."""
    ATTACHED = "attached"
    """It was stored for the customer; the event doesn't say that it is a default."""
    UPDATED = "updated"
    """The same method has new data, such as a renewed card."""


class Failure(Value):
    """Why a payment failed, as raw codes. A missing code is normal."""

    code: FreeText | None = None
    """The provider's decline code, or its error code where it has none."""
    advice: FreeText | None = None
    """The provider's own advice code."""
    network: FreeText | None = None
    """Card network in lower case: visa, mastercard, amex, discover …"""
    network_code: FreeText | None = None
    """Response code of the network or issuer (ISO 8583 DE 39 or the network's own)."""
    network_advice: FreeText | None = None
    """Advice code of the network (Mastercard MAC)."""
    outcome: FreeText | None = None
    """Type of the provider's outcome, e.g. blocked, issuer_declined."""
    outcome_reason: FreeText | None = None
    """Reason of the provider's outcome, e.g. highest_risk_level."""
    network_status: FreeText | None = None
    """`not_sent_to_network` if the provider itself refused it; otherwise None."""
    method_id: str | None = None
    """The payment method that was tried."""
    charge_id: str | None = None
    """The provider's id of the failed charge, if there is one."""


class Card(Value):
    """A card, or another method in its place, without number and name."""

    kind: MethodKind | None = None
    """None if the provider doesn't say; it then counts as a card only if `network` names a card network."""
    fingerprint: str | None = None
    network: FreeText | None = None
    last4: FreeText | None = None
    country: FreeText | None = None
    funding: FreeText | None = None


class ProviderEvent(Value):
    """One event of a verified webhook, normalised; amounts in minor units. Which ids are known depends on the event."""

    provider: str
    event_id: str
    event_type: FreeText
    kind: EventKind
    occurred_at: datetime
    invoice_id: str | None = None
    customer_id: str | None = None
    subscription_id: str | None = None
    payment_id: str | None = None
    """Payment intent, charge or transaction, by which the provider can find an invoice that the event doesn't name."""
    charge_id: str | None = None
    """The charge, if the event names it beside its payment intent."""
    amount: int | None = None
    currency: str | None = None
    provider_attempt: int | None = None
    """Orders the provider's attempts at this invoice: its own count, or the attempt's Unix second if it has none. With
    the invoice it identifies one failure: an event whose number isn't higher is a repeat."""
    next_provider_attempt: datetime | None = None
    """When the provider itself will retry."""
    method_id: str | None = None
    method_version: str | None = None
    """Distinguishes two updates of the same method; two events about one change have the same version."""
    failure: Failure | None = None
    card: Card | None = None
    """The card that was tried, if the event says so; the only source for a provider that can't be read."""
    idempotency_key: str | None = None
    """Idempotency key of our own charge whose result this event reports, if the provider returns it."""
    detail: FreeText | None = None
    """A short reason code, e.g. the dispute's reason."""
    terms: CollectionTerms | None = None
    """The collection terms as far as the body says them."""
    paid_amount: int | None = None
    """Of a payment that may be a part: its amount; None: all that was open."""
    returned_amount: int | None = None
    """Of a refund, reversal or dispute: the amount that moved, minor units of `currency`."""
    returned_kind: FreeText | None = None
    """`refund`, `chargeback`, `failed_capture` or `returned_debit`; `restored` for money that came back."""
    method_role: MethodRole | None = None
    simulated: bool = False
    """Whether the event comes from a test clock, whose times are not real."""

    @property
    def opens_recovery(self) -> bool:
        """Whether it opens a recovery of an invoice that has none; a returned debit with a reason does too."""
        returned = self.kind is EventKind.PAYMENT_REVERSED and self.failure is not None
        return self.kind in OPENING_KINDS or returned


class PaymentMethod(Value):
    """A stored payment method that a charge would use."""

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
    """An invoice as read from the provider; times in UTC."""

    invoice_id: str
    status: InvoiceStatus
    amount_due: int = 0
    """What is still to be paid, minor units."""
    currency: str = ""
    customer_id: str | None = None
    subscription_id: str | None = None
    next_provider_attempt: datetime | None = None
    latest_charge_id: str | None = None
    latest_charge_status: FreeText | None = None
    """succeeded, failed or pending."""
    processing: bool = False
    """Whether a payment is under way whose result the provider doesn't know yet."""
    disputed: bool = False
    recurring_revenue: int | None = None
    """What it bills in 30 days by subscription, minor units; None if the provider doesn't say, or nothing recurs."""
    amount_paid: int | None = None
    """What was paid of it so far, minor units; None if the provider doesn't say."""
    terms: CollectionTerms = CollectionTerms()
    methods_known: bool = False
    """Whether the two fields below were read; if not, they say nothing."""
    method: PaymentMethod | None = None
    """What a charge that names no method would use, by the provider's own order; None: there is none."""
    default_methods: tuple[str, ...] = ()
    """The ids of all methods that are the default of the invoice, its subscription or its customer."""
    written_off: bool = False
    """Marked as uncollectible, while the policy still waits for a payment; `status` is OPEN then."""
    time_scale: int = 1
    """The factor of `TIME_SCALE`, which shortens the time to the next read. Filled in by the activity that read."""
    out_of_scope: str | None = None
    """The policy's rule that puts it out of scope; None: it is collected. Filled in by the activity that read."""


class Risk(Value):
    """The provider's fraud signals, unchanged; None for those it doesn't give."""

    level: FreeText | None = None
    score: int | None = None
    early_warning: bool | None = None
    disputed: bool | None = None


class CustomerView(Value):
    """A customer as the provider knows them, without contact data."""

    customer_id: str
    created_at: datetime | None = None
    country: FreeText | None = None
    time_zone: FreeText | None = None
    default_method_id: str | None = None


class FailureFacts(Value):
    """Everything the provider has on one failed payment, from one read."""

    invoice: InvoiceView
    failure: Failure = Failure()
    card: Card = Card()
    customer: CustomerView | None = None
    risk: Risk = Risk()
    missing: tuple[str, ...] = ()
    """Names of what could not be read: `invoice`, `payment`, `charge`, `customer` …"""


class ChargeOrder(Value):
    """One charge attempt as decided and stored, amount in minor units; a repeat sends exactly this again."""

    provider: str
    invoice_id: str
    attempt: int
    idempotency_key: str
    amount: int
    currency: str
    method_id: str | None = None
    """The method that the pay call names; None: the provider's default."""
    customer_id: str | None = None
    """The invoice's customer, for a provider that requires it."""
    last_method_id: str | None = None
    """The method that failed last; charged if `method_id` is None and the provider has no defaults."""
    method_kind: MethodKind | None = None
    """The kind of the method, if known; a provider that can't look it up charges cards only."""
    charge_before: str | None = None
    """The invoice's latest charge before this attempt: a newer one is this order's."""
    requested_at: datetime


class Outcome(StrEnum):
    """Outcome of a charge attempt."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    UNKNOWN = "unknown"
    NOT_CHARGED = "not_charged"
    """Certainly not charged, and it never will be under this idempotency key."""


class ChargeResult(Value):
    """The provider's answer to a charge order, or what a later read says of it."""

    outcome: Outcome
    failure: Failure = Failure()
    card: Card = Card()
    charge_id: str | None = None
    """The provider's id of the charge; None if none was made, or if it isn't known."""
    reason: FreeText | None = None
    """For UNKNOWN and NOT_CHARGED: a short code such as timeout or http_500; UNFIT_METHOD, NO_METHOD."""
    amount: int | None = None
    """For SUCCEEDED: the amount paid, minor units, if it is less than was requested."""
    no_attempt: bool = False
    """For UNKNOWN: a read of invoice and payments shows no attempt since the order was requested."""


UNFIT_METHOD: Final = "method_unfit"
"""The reason of a NOT_CHARGED result: the named method is gone, or another customer's."""
NO_METHOD: Final = "no_method"
"""The reason of a NOT_CHARGED result: the order named no method, and the provider has none stored."""
