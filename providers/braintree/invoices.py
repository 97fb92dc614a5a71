"""What counts as an invoice at Braintree: a subscription's billing period, or an order with its transactions."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from braintree import Subscription

from core.payments import InvoiceStatus, InvoiceView
from core.terms import CollectionMethod, CollectionTerms, SubscriptionStatus
from providers.braintree.api import BraintreeApi
from providers.braintree.minor import to_minor
from providers.braintree.reading import day, part
from providers.braintree.tries import DECLINED, Try, tried
from providers.fields import Unfit

_PERIOD: Final = re.compile(r"([A-Za-z0-9_-]+)-([0-9]{4}-[0-9]{2}-[0-9]{2})")
_S: Final = Subscription.Status
_OVER: Final = frozenset({_S.Canceled, _S.Expired})
STATUSES: Final = MappingProxyType(
    {
        _S.Active: SubscriptionStatus.ACTIVE,
        _S.PastDue: SubscriptionStatus.PAST_DUE,
        _S.Canceled: SubscriptionStatus.CANCELED,
        _S.Expired: SubscriptionStatus.CANCELED,
    }
)
"""A pending one has no first billing yet, so nothing of it can fail: it has no word here."""
_OLDEST: Final = datetime.fromtimestamp(0, UTC)
_DAY: Final = timedelta(days=1)
"""Braintree's days are those of the merchant's time zone, its times are in UTC."""


@dataclass(frozen=True)
class Billing:
    """What matters of a subscription, as it is now."""

    id: str
    status: str
    balance: Decimal | None
    period: date | None
    method_id: str | None
    ends: bool | None = None
    """Whether this is the last of its billing cycles."""

    def named(self, one: Try) -> Try:
        """The try with this subscription's id and period, where it names none itself.

        A try from before this period is none of it: it stays without a name.
        """
        before = self.period and one.created_at and one.created_at.date() < self.period - _DAY
        period = one.period or (None if before else self.period)
        return replace(one, subscription_id=one.subscription_id or self.id, period=period)

    def terms(self) -> CollectionTerms:
        """How it is collected: Braintree itself charges every subscription, and can't pause one."""
        return CollectionTerms(
            collection_method=CollectionMethod.AUTOMATIC,
            shopper_present=False,
            subscription_status=STATUSES.get(self.status),
            ends_at_period_end=self.ends,
        )


@dataclass(frozen=True)
class Invoice:
    """The tries of one invoice, newest first, and the subscription behind it."""

    id: str
    tries: tuple[Try, ...]
    billing: Billing | None = None
    period: date | None = None

    def without(self, try_id: str | None) -> "Invoice":
        """The invoice where this try brought no money, whatever it reads: it was known when a charge was decided on."""
        tries = (one.as_failed(DECLINED, None) if one.id == try_id else one for one in self.tries)
        return replace(self, tries=tuple(tries))

    @property
    def newest(self) -> Try | None:
        """The last try, if any."""
        return self.tries[0] if self.tries else None

    @property
    def token(self) -> str | None:
        """What a charge that names no method would take: the subscription's method, or that of the newest try."""
        own = (one.method_id for one in self.tries if one.method_id)
        return (self.billing.method_id if self.billing else None) or next(own, None)

    @property
    def lives(self) -> bool:
        """Whether a subscription stands behind it that is not over."""
        return self.billing is not None and self.billing.status not in _OVER

    @property
    def customer_id(self) -> str | None:
        """Whose it is, as the newest try says."""
        return self.newest.customer_id if self.newest else None

    @property
    def paid(self) -> int:
        """What has come, minor units: parts add up. Refunds are the merchant's gift and open nothing again."""
        return sum(one.amount or 0 for one in self.tries if one.paid)

    @property
    def whole(self) -> int:
        """What it is about: Braintree keeps no total of an order, but some try was about all of it."""
        return max((one.requested or one.amount or 0 for one in self.tries), default=0)

    @property
    def status(self) -> InvoiceStatus:
        """A period that is past is closed: what it left unpaid is in the balance of the next one."""
        if self._owes_more():
            return InvoiceStatus.OPEN
        if self._all_paid():
            return InvoiceStatus.PAID
        if self.billing:
            return self._by_billing(self.billing)
        voided = self.newest is not None and self.newest.status == "voided"
        return InvoiceStatus.VOID if voided else InvoiceStatus.OPEN

    def _all_paid(self) -> bool:
        """Money whose amount or currency can't be compared counts for all of it: nothing is taken twice."""
        came = [one for one in self.tries if one.paid]
        alike = len({one.currency for one in self.tries}) == 1 and all(one.amount is not None for one in came)
        return bool(came) and (not alike or self.paid >= self.whole)

    def _owes_more(self) -> bool:
        """Whether a part of the period was paid (a proration, say) and its subscription is past due for another.

        The balance may lag behind a payment of a moment ago: one that covers it counts.
        """
        billing, newest = self.billing, self.newest
        if billing is None or newest is None or billing.status != _S.PastDue or billing.period != self.period:
            return False
        balance = self._balance()
        covered = newest.paid and (newest.amount is None or newest.amount >= balance)
        return balance > 0 and not covered

    def _balance(self) -> int:
        """What the subscription owes, minor units; 0 where it owes nothing or doesn't say."""
        known = self.billing.balance if self.billing else None
        currency = (self.newest.currency if self.newest else None) or "USD"
        return (to_minor(known, currency) or 0) if known is not None else 0

    def _by_billing(self, billing: Billing) -> InvoiceStatus:
        if billing.status in _OVER or (billing.period and self.period and billing.period > self.period):
            return InvoiceStatus.VOID
        squared = billing.status == _S.Active and (billing.balance or 0) <= 0
        return InvoiceStatus.PAID if squared and not self._unsure() else InvoiceStatus.OPEN

    def _unsure(self) -> bool:
        """A subscription is active again once a debit is taken, before its bank has answered, and stays so after."""
        return any(one.under_way for one in self.tries) or (self.newest is not None and self.newest.taken_back)

    def view(self) -> InvoiceView:
        """The invoice in our words, without what the vault says."""
        newest, due, status = self.newest, self._due(), self.status
        return InvoiceView(
            invoice_id=self.id,
            status=status,
            amount_due=due,
            # Where nobody says what is open, a reported payment of nothing would read as "nothing is open".
            amount_paid=self.paid if due or status is InvoiceStatus.PAID else None,
            currency=(newest.currency if newest else None) or "",
            customer_id=self.customer_id,
            subscription_id=self.billing.id if self.billing else None,
            next_provider_attempt=newest.next_try if newest else None,
            latest_charge_id=newest.id if newest else None,
            latest_charge_status=_charge_status(newest) if newest else None,
            processing=any(one.under_way for one in self.tries),
            disputed=any(one.disputed for one in self.tries),
            terms=self._terms(),
        )

    def _due(self) -> int:
        """The subscription's balance, or what the tries left open; 0 where nobody says."""
        if self.newest is None or self.status is InvoiceStatus.PAID:
            return 0
        if balance := self._balance():
            return balance
        return max(self.whole - self.paid, 0) if self.paid else self.newest.requested or self.newest.amount or 0

    def _terms(self) -> CollectionTerms:
        """Of a single sale nobody can tell afterwards whether its shopper was there, but Braintree's own billing."""
        first = next((one.created_at for one in reversed(self.tries) if one.created_at), None)
        own = self.billing.terms() if self.billing else CollectionTerms(shopper_present=shopper_of(self.newest))
        return own.model_copy(update={"created_at": first})


def shopper_of(one: Try | None) -> bool | None:
    """Whether the payer was there: no for what is marked as recurring, else nobody says (a transaction's `source` is
    the API for a checkout and for a merchant's charge alike)."""
    recurring = one is not None and (one.recurring or one.source == "recurring" or one.subscription_id is not None)
    return False if recurring else None


def _charge_status(newest: Try) -> str:
    return "succeeded" if newest.paid else "failed" if newest.failed else "pending"


async def find(api: BraintreeApi, invoice_id: str) -> Invoice | None:
    """The invoice, or None where Braintree knows none. Raises ProviderUnavailable, Unfit.

    A name that looks like a subscription's period may still be somebody's order id.
    """
    if (named := subscription_in(invoice_id)) and (found := await api.subscription(named[0])):
        return of_subscription(found, invoice_id, named[1])
    tries = read_tries(await api.transactions(invoice_id))
    own = tuple(one for one in tries if one.invoice_id == invoice_id)
    return Invoice(invoice_id, own) if own else None


def of_subscription(subscription: Any, invoice_id: str, period: date) -> Invoice:
    """One period of a subscription of the client. Raises Unfit."""
    billing = billing_of(subscription)
    tries = (billing.named(one) for one in read_tries(part(subscription, "transactions")))
    return Invoice(invoice_id, tuple(one for one in tries if one.invoice_id == invoice_id), billing, period)


def subscription_in(invoice_id: str) -> tuple[str, date] | None:
    """Subscription and start of the period that an invoice id names, if it has that shape."""
    found = _PERIOD.fullmatch(invoice_id)
    period = day(found[2]) if found else None
    return (found[1], period) if found and period else None


def read_tries(transactions: Any) -> tuple[Try, ...]:
    """The sales among them, newest first; of one moment, in Braintree's order. Raises Unfit."""
    found = [tried(one) for one in transactions or ()]
    sales = [one for one in found if one.sale]
    return tuple(sorted(sales, key=lambda one: one.created_at or _OLDEST, reverse=True))


def billing_of(subscription: Any) -> Billing:
    """Raises Unfit where it has no id or status."""
    named, status = part(subscription, "id"), part(subscription, "status")
    if not isinstance(named, str) or not isinstance(status, str):
        raise Unfit("subscription")
    return billing_in(subscription, named, status)


def billing_in(subscription: Any, named: str, status: str) -> Billing:
    """The billing of a subscription whose id and status are known, or that has no status (status empty)."""
    balance, last = part(subscription, "balance"), part(subscription, "number_of_billing_cycles")
    cycle = part(subscription, "current_billing_cycle")
    return Billing(
        id=named,
        status=status,
        balance=balance if isinstance(balance, Decimal) and balance.is_finite() else None,
        period=day(part(subscription, "billing_period_start_date")),
        method_id=part(subscription, "payment_method_token") or None,
        ends=cycle >= last if isinstance(cycle, int) and isinstance(last, int) else None,
    )
