"""Invoices at Braintree, which has none: a subscription's billing period, or an order id with its transactions."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from braintree import Subscription

from core.collection_terms import CollectionMethod, CollectionTerms, SubscriptionStatus
from core.payments import InvoiceStatus, InvoiceView
from providers.braintree.api import BraintreeApi
from providers.braintree.client_objects import attribute, to_date, to_minor
from providers.braintree.transactions import DECLINED_STATUS, TransactionView, parse_transaction
from providers.fields import InvalidField

_PERIOD: Final = re.compile(r"([A-Za-z0-9_-]+)-([0-9]{4}-[0-9]{2}-[0-9]{2})")
_S: Final = Subscription.Status
_ENDED_STATUSES: Final = frozenset({_S.Canceled, _S.Expired})
STATUSES: Final = MappingProxyType(
    {
        _S.Active: SubscriptionStatus.ACTIVE,
        _S.PastDue: SubscriptionStatus.PAST_DUE,
        _S.Canceled: SubscriptionStatus.CANCELED,
        _S.Expired: SubscriptionStatus.CANCELED,
    }
)
"""Statuses of subscriptions. A pending one is left out: it has no billing yet, so no payment that could fail."""
_OLDEST: Final = datetime.fromtimestamp(0, UTC)
_DAY: Final = timedelta(days=1)
"""Slack when dates and times are compared: Braintree's dates are in the merchant's time zone, its times in UTC."""


@dataclass(frozen=True)
class Billing:
    """A subscription's billing as it is now. `balance`: what it owes, in major units."""

    id: str
    status: str
    balance: Decimal | None
    period: date | None
    method_id: str | None
    is_last_cycle: bool | None = None
    """Whether this is the last of its billing cycles."""

    def name_transaction(self, one: TransactionView) -> TransactionView:
        """The transaction with this subscription's id and period, if it names none itself.

        One created before this period belongs to an earlier one, and stays without a period.
        """
        before = self.period and one.created_at and one.created_at.date() < self.period - _DAY
        period = one.period or (None if before else self.period)
        return replace(one, subscription_id=one.subscription_id or self.id, period=period)

    def collection_terms(self) -> CollectionTerms:
        """The collection terms: Braintree charges every subscription automatically, and can't pause one."""
        return CollectionTerms(
            collection_method=CollectionMethod.AUTOMATIC,
            shopper_present=False,
            subscription_status=STATUSES.get(self.status),
            ends_at_period_end=self.is_last_cycle,
        )


@dataclass(frozen=True)
class Invoice:
    """The transactions of one invoice, newest first, and its subscription if it has one."""

    id: str
    transactions: tuple[TransactionView, ...]
    billing: Billing | None = None
    period: date | None = None

    def without_transaction(self, try_id: str | None) -> "Invoice":
        """The invoice with this transaction counted as failed, whatever its status reads.

        For the transaction that was known when a charge was decided on: the charge is due because that one failed.
        """
        tries = (one.as_failed(DECLINED_STATUS, None) if one.id == try_id else one for one in self.transactions)
        return replace(self, transactions=tuple(tries))

    @property
    def newest_transaction(self) -> TransactionView | None:
        """The newest transaction, if any."""
        return self.transactions[0] if self.transactions else None

    @property
    def method_token(self) -> str | None:
        """What a charge that names no method takes: the subscription's method, else the newest transaction's."""
        own = (one.method_id for one in self.transactions if one.method_id)
        return (self.billing.method_id if self.billing else None) or next(own, None)

    @property
    def has_live_subscription(self) -> bool:
        """Whether its subscription has not ended."""
        return self.billing is not None and self.billing.status not in _ENDED_STATUSES

    @property
    def customer_id(self) -> str | None:
        """The customer of the newest transaction."""
        return self.newest_transaction.customer_id if self.newest_transaction else None

    @property
    def amount_paid(self) -> int:
        """The sum of the paid transactions, minor units; refunds don't reduce it, since they reopen nothing."""
        return sum(one.amount or 0 for one in self.transactions if one.is_paid)

    @property
    def total_amount(self) -> int:
        """The invoice's total, minor units: the largest requested amount, as Braintree keeps no total of an order."""
        return max((one.requested or one.amount or 0 for one in self.transactions), default=0)

    @property
    def status(self) -> InvoiceStatus:
        """The status by transactions and subscription; VOID for a past period, whose debt moved to the next one."""
        # Before "all paid": transactions only show what was requested so far, the subscription what is owed.
        if self._owes_more():
            return InvoiceStatus.OPEN
        if self._is_all_paid():
            return InvoiceStatus.PAID
        if self.billing:
            return self._status_by_billing(self.billing)
        voided = self.newest_transaction is not None and self.newest_transaction.status == "voided"
        return InvoiceStatus.VOID if voided else InvoiceStatus.OPEN

    def _is_all_paid(self) -> bool:
        """Whether the payments cover the total. A payment that can't be compared counts as all of it."""
        came = [one for one in self.transactions if one.is_paid]
        # Currencies differ or an amount is missing: taking the invoice for paid can't charge anybody twice.
        alike = len({one.currency for one in self.transactions}) == 1 and all(one.amount is not None for one in came)
        return bool(came) and (not alike or self.amount_paid >= self.total_amount)

    def _owes_more(self) -> bool:
        """Whether a part of the period was paid (a proration, say) and its subscription is past due for another.

        The balance may not include a payment made a moment ago: a newest payment that covers it counts.
        """
        billing, newest = self.billing, self.newest_transaction
        if billing is None or newest is None or billing.status != _S.PastDue or billing.period != self.period:
            return False
        balance = self._balance_due()
        covered = newest.is_paid and (newest.amount is None or newest.amount >= balance)
        return balance > 0 and not covered

    def _balance_due(self) -> int:
        """What the subscription owes, minor units; 0 if it owes nothing or doesn't say."""
        known = self.billing.balance if self.billing else None
        currency = (self.newest_transaction.currency if self.newest_transaction else None) or "USD"
        return (to_minor(known, currency) or 0) if known is not None else 0

    def _status_by_billing(self, billing: Billing) -> InvoiceStatus:
        if billing.status in _ENDED_STATUSES or (billing.period and self.period and billing.period > self.period):
            return InvoiceStatus.VOID
        squared = billing.status == _S.Active and (billing.balance or 0) <= 0
        return InvoiceStatus.PAID if squared and not self._is_undecided() else InvoiceStatus.OPEN

    def _is_undecided(self) -> bool:
        """Whether an active subscription doesn't prove payment: it becomes active when a debit is taken, before its
        bank has answered, and stays so if the debit is returned."""
        return any(one.is_under_way for one in self.transactions) or (
            self.newest_transaction is not None and self.newest_transaction.was_taken_back
        )

    def to_view(self) -> InvoiceView:
        """The provider-neutral invoice, amounts in minor units, without the methods stored in the vault."""
        newest, due, status = self.newest_transaction, self._amount_due(), self.status
        return InvoiceView(
            invoice_id=self.id,
            status=status,
            amount_due=due,
            # If nothing says what is open, an `amount_paid` of 0 would read as "nothing is open".
            amount_paid=self.amount_paid if due or status is InvoiceStatus.PAID else None,
            currency=(newest.currency if newest else None) or "",
            customer_id=self.customer_id,
            subscription_id=self.billing.id if self.billing else None,
            next_provider_attempt=newest.next_try if newest else None,
            latest_charge_id=newest.id if newest else None,
            latest_charge_status=_charge_status(newest) if newest else None,
            processing=any(one.is_under_way for one in self.transactions),
            disputed=any(one.disputed for one in self.transactions),
            terms=self._collection_terms(),
        )

    def _amount_due(self) -> int:
        """The subscription's balance, else what the transactions left open, minor units; 0 if neither says."""
        if self.newest_transaction is None or self.status is InvoiceStatus.PAID:
            return 0
        if balance := self._balance_due():
            return balance
        return (
            max(self.total_amount - self.amount_paid, 0)
            if self.amount_paid
            else self.newest_transaction.requested or self.newest_transaction.amount or 0
        )

    def _collection_terms(self) -> CollectionTerms:
        """The subscription's terms; for a single sale, no shopper at Braintree's own billing and else nothing known."""
        first = next((one.created_at for one in reversed(self.transactions) if one.created_at), None)
        own = (
            self.billing.collection_terms()
            if self.billing
            else CollectionTerms(shopper_present=shopper_presence(self.newest_transaction))
        )
        return own.model_copy(update={"created_at": first})


def shopper_presence(one: TransactionView | None) -> bool | None:
    """False for a recurring transaction, else None: `source` is `api` for a checkout and a merchant's charge alike."""
    recurring = one is not None and (one.recurring or one.source == "recurring" or one.subscription_id is not None)
    return False if recurring else None


def _charge_status(newest: TransactionView) -> str:
    return "succeeded" if newest.is_paid else "failed" if newest.has_failed else "pending"


async def find_invoice(api: BraintreeApi, invoice_id: str) -> Invoice | None:
    """The invoice, or None if Braintree has none. Raises ProviderUnavailable, NotAllowed and InvalidField.

    An id of the form of a subscription's period may also be a merchant's order id, which is searched next.
    """
    if (named := parse_invoice_id(invoice_id)) and (found := await api.find_subscription(named[0])):
        return invoice_of_subscription(found, invoice_id, named[1])
    tries = read_transactions(await api.search_transactions(invoice_id))
    own = tuple(one for one in tries if one.invoice_id == invoice_id)
    return Invoice(invoice_id, own) if own else None


def invoice_of_subscription(subscription: Any, invoice_id: str, period: date) -> Invoice:
    """One period of a subscription as the client returns it. Raises InvalidField."""
    billing = billing_of(subscription)
    tries = (billing.name_transaction(one) for one in read_transactions(attribute(subscription, "transactions")))
    return Invoice(invoice_id, tuple(one for one in tries if one.invoice_id == invoice_id), billing, period)


def parse_invoice_id(invoice_id: str) -> tuple[str, date] | None:
    """Subscription id and start of the period of an invoice id `SUBSCRIPTION-YYYY-MM-DD`; None for another form."""
    found = _PERIOD.fullmatch(invoice_id)
    period = to_date(found[2]) if found else None
    return (found[1], period) if found and period else None


def read_transactions(transactions: Any) -> tuple[TransactionView, ...]:
    """The sales among them, newest first; equal times keep Braintree's order. Raises InvalidField."""
    found = [parse_transaction(one) for one in transactions or ()]
    sales = [one for one in found if one.sale]
    return tuple(sorted(sales, key=lambda one: one.created_at or _OLDEST, reverse=True))


def billing_of(subscription: Any) -> Billing:
    """The billing of a subscription. Raises InvalidField if it has no id or status."""
    named, status = attribute(subscription, "id"), attribute(subscription, "status")
    if not isinstance(named, str) or not isinstance(status, str):
        raise InvalidField("subscription")
    return build_billing(subscription, named, status)


def build_billing(subscription: Any, named: str, status: str) -> Billing:
    """The billing of a subscription whose id and status are known, or that has no status (status empty)."""
    balance, last = attribute(subscription, "balance"), attribute(subscription, "number_of_billing_cycles")
    cycle = attribute(subscription, "current_billing_cycle")
    return Billing(
        id=named,
        status=status,
        balance=balance if isinstance(balance, Decimal) and balance.is_finite() else None,
        period=to_date(attribute(subscription, "billing_period_start_date")),
        method_id=attribute(subscription, "payment_method_token") or None,
        is_last_cycle=cycle >= last if isinstance(cycle, int) and isinstance(last, int) else None,
    )
