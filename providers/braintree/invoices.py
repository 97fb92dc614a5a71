"""What counts as an invoice at Braintree: a subscription's billing period, or an order with its transactions."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from braintree import Subscription

from core.payments import InvoiceStatus, InvoiceView
from providers.braintree.api import BraintreeApi
from providers.braintree.minor import to_minor
from providers.braintree.tries import UNDER_WAY, Try, day, tried
from providers.fields import Unfit

_PERIOD: Final = re.compile(r"([A-Za-z0-9_-]+)-([0-9]{4}-[0-9]{2}-[0-9]{2})")
_OVER: Final = frozenset({Subscription.Status.Canceled, Subscription.Status.Expired})
_OLDEST: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Billing:
    """What matters of a subscription, as it is now."""

    id: str
    status: str
    balance: Decimal
    period: date | None
    method_id: str | None


@dataclass(frozen=True)
class Invoice:
    """The tries of one invoice, newest first, and the subscription behind it."""

    id: str
    tries: tuple[Try, ...]
    billing: Billing | None = None
    period: date | None = None

    @property
    def newest(self) -> Try | None:
        """The last try, if any."""
        return self.tries[0] if self.tries else None

    @property
    def status(self) -> InvoiceStatus:
        """A period that is past is closed: what it left unpaid is in the balance of the next one."""
        if any(one.paid for one in self.tries):
            return InvoiceStatus.PAID
        if self.billing:
            return self._by_billing(self.billing)
        voided = self.newest is not None and self.newest.status == "voided"
        return InvoiceStatus.VOID if voided else InvoiceStatus.OPEN

    def _by_billing(self, billing: Billing) -> InvoiceStatus:
        if billing.status in _OVER or (billing.period and self.period and billing.period > self.period):
            return InvoiceStatus.VOID
        settled = billing.status == Subscription.Status.Active and billing.balance <= 0
        return InvoiceStatus.PAID if settled else InvoiceStatus.OPEN

    def view(self) -> InvoiceView:
        """The invoice in our words."""
        newest = self.newest
        return InvoiceView(
            invoice_id=self.id,
            status=self.status,
            amount_due=self._due(),
            currency=(newest.currency if newest else None) or "",
            customer_id=newest.customer_id if newest else None,
            subscription_id=self.billing.id if self.billing else None,
            next_provider_attempt=newest.next_try if newest else None,
            latest_charge_id=newest.id if newest else None,
            latest_charge_status=_charge_status(newest) if newest else None,
            processing=any(one.status in UNDER_WAY for one in self.tries),
            disputed=any(one.disputed for one in self.tries),
        )

    def _due(self) -> int:
        """The subscription's balance, or what the last try was about; 0 where nobody says."""
        newest = self.newest
        if newest is None or self.status is InvoiceStatus.PAID:
            return 0
        balance = to_minor(self.billing.balance, newest.currency or "USD") if self.billing else None
        return balance or newest.amount or 0


def _charge_status(newest: Try) -> str:
    return "succeeded" if newest.paid else "failed" if newest.failed else "pending"


async def find(api: BraintreeApi, invoice_id: str) -> Invoice | None:
    """The invoice, or None where Braintree knows none. Raises ProviderUnavailable, Unfit.

    A name that looks like a subscription's period may still be somebody's order id.
    """
    if (named := subscription_in(invoice_id)) and (found := await api.subscription(named[0])):
        tries = read_tries(getattr(found, "transactions", None))
        own = tuple(one for one in tries if one.invoice_id == invoice_id)
        return Invoice(invoice_id, own, billing_of(found), named[1])
    tries = read_tries(await api.transactions(invoice_id))
    own = tuple(one for one in tries if one.invoice_id == invoice_id)
    return Invoice(invoice_id, own) if own else None


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
    named, status = getattr(subscription, "id", None), getattr(subscription, "status", None)
    balance = getattr(subscription, "balance", None)
    if not isinstance(named, str) or not isinstance(status, str):
        raise Unfit("subscription")
    return Billing(
        id=named,
        status=status,
        balance=balance if isinstance(balance, Decimal) and balance.is_finite() else Decimal(0),
        period=day(getattr(subscription, "billing_period_start_date", None)),
        method_id=getattr(subscription, "payment_method_token", None) or None,
    )
