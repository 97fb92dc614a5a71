"""What the transactions of an invoice say of it, and of a charge whose answer was lost. Pure."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from braintree import Subscription

from core.payments import Card, ChargeOrder, Failure, InvoiceStatus, MethodKind, Outcome
from providers.braintree.charging import interpret_result, reconcile_by_search
from providers.braintree.client_objects import to_amount_text, to_minor
from providers.braintree.invoices import Billing, Invoice, find_invoice
from providers.braintree.transactions import TransactionView

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ORDER = ChargeOrder(
    provider="braintree", invoice_id="sub1-2026-11-01", attempt=1, idempotency_key="k", amount=2000, currency="USD",
    charge_before="tx0", requested_at=NOW,
)  # fmt: skip

DEBIT, WALLET = Card(kind=MethodKind.DIRECT_DEBIT), Card(kind=MethodKind.WALLET)


def a_try(status: str = "processor_declined", **fields: Any) -> TransactionView:
    plain: dict[str, Any] = {
        "id": "tx1", "status": status, "created_at": NOW + timedelta(seconds=1), "amount": 2000, "currency": "USD",
        "order_id": None, "subscription_id": "sub1", "period": date(2026, 11, 1), "method_id": "tok",
        "customer_id": "cus", "merchant_account": None, "failure": Failure(code="2001", charge_id="tx1"),
        "country": None,
        "card": Card(), "disputed": False, "next_try": None, "source": "api", "sale": True,
    }  # fmt: skip
    return TransactionView(**plain | fields)


def an_invoice(*tries: TransactionView) -> Invoice:
    billing = Billing("sub1", "Past Due", Decimal("20.00"), date(2026, 11, 1), "tok")
    return Invoice(ORDER.invoice_id, tries, billing, date(2026, 11, 1))


@pytest.mark.parametrize(
    ("tries", "outcome", "reason"),
    [
        ((), Outcome.UNKNOWN, "not_found"),
        ((a_try(),), Outcome.DECLINED, None),
        ((a_try("settled"),), Outcome.SUCCEEDED, None),
        ((a_try("settlement_pending"),), Outcome.SUCCEEDED, None),
        ((a_try(), a_try("settling", id="tx2")), Outcome.SUCCEEDED, None),
        ((a_try("authorizing"),), Outcome.UNKNOWN, "processing"),
        ((a_try("authorized"), a_try(id="tx2")), Outcome.UNKNOWN, "processing"),
        ((a_try("settled", amount=1999),), Outcome.UNKNOWN, "processing"),
        ((a_try("settled", amount=None),), Outcome.UNKNOWN, "processing"),
        ((a_try("settled", amount=700, requested=2000),), Outcome.SUCCEEDED, None),
        ((a_try("settled", amount=700, requested=2000, source="control_panel"),), Outcome.UNKNOWN, "processing"),
        ((a_try("settlement_pending", card=WALLET),), Outcome.UNKNOWN, "processing"),
        ((a_try("settling", card=WALLET),), Outcome.SUCCEEDED, None),
        ((a_try("submitted_for_settlement", card=DEBIT),), Outcome.UNKNOWN, "processing"),
        ((a_try("settled", card=DEBIT),), Outcome.SUCCEEDED, None),
        ((a_try("settled", card=DEBIT, returned=True),), Outcome.DECLINED, None),
        ((a_try(source="recurring"),), Outcome.UNKNOWN, "not_found"),
        ((a_try(source="control_panel"),), Outcome.UNKNOWN, "not_found"),
        ((a_try(source=None),), Outcome.DECLINED, None),
        ((a_try("voided"),), Outcome.UNKNOWN, "not_found"),
        ((a_try(id="tx0"),), Outcome.UNKNOWN, "not_found"),
        ((a_try(created_at=None),), Outcome.UNKNOWN, "not_found"),
        ((a_try("settled", created_at=NOW - timedelta(seconds=6)),), Outcome.UNKNOWN, "not_found"),
        ((a_try("settled", created_at=NOW - timedelta(seconds=5)),), Outcome.SUCCEEDED, None),
    ],
)
def test_result_of_a_search(tries: tuple[TransactionView, ...], outcome: Outcome, reason: str | None) -> None:
    result = reconcile_by_search(ORDER, an_invoice(*tries))
    assert (result.outcome, result.reason) == (outcome, reason)
    assert result.no_attempt is (reason == "not_found"), "nothing of ours is there, and nothing is under way"


def test_missing_invoice_decides_nothing() -> None:
    result = reconcile_by_search(ORDER, None)
    assert (result.outcome, result.no_attempt) == (Outcome.UNKNOWN, False)


class FakeResult:
    """A result of the client with one transaction."""

    def __init__(self, **fields: Any) -> None:
        plain = {"id": "tx1", "status": "submitted_for_settlement", "amount": Decimal("20.00")}
        self.transaction = type("T", (), plain | {"currency_iso_code": "USD"} | fields)()


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, Outcome.SUCCEEDED),
        ({"amount": Decimal("19.99")}, Outcome.SUCCEEDED),
        ({"amount": None}, Outcome.UNKNOWN),
        ({"status": "authorizing"}, Outcome.UNKNOWN),
        ({"status": "never heard of"}, Outcome.UNKNOWN),
        ({"status": None}, Outcome.UNKNOWN),
        ({"id": None}, Outcome.UNKNOWN),
        ({"status": "gateway_rejected"}, Outcome.DECLINED),
    ],
)
def test_only_definite_transaction_states_are_answers(fields: dict[str, Any], outcome: Outcome) -> None:
    assert interpret_result(ORDER, FakeResult(**fields)).outcome is outcome


def test_partial_success_names_its_amount() -> None:
    assert interpret_result(ORDER, FakeResult(amount=Decimal("7.00"), amount_requested=Decimal("20.00"))).amount == 700
    assert interpret_result(ORDER, FakeResult()).amount is None
    assert reconcile_by_search(ORDER, an_invoice(a_try("settled", amount=700, requested=2000))).amount == 700


@pytest.mark.parametrize(
    ("status", "balance", "period", "expected_status"),
    [
        ("Past Due", "20.00", date(2026, 11, 1), InvoiceStatus.OPEN),
        ("Pending", "0.00", date(2026, 11, 1), InvoiceStatus.OPEN),
        ("Active", "20.00", date(2026, 11, 1), InvoiceStatus.OPEN),
        ("Active", "0.00", date(2026, 11, 1), InvoiceStatus.PAID),
        ("Active", "-5.00", date(2026, 11, 1), InvoiceStatus.PAID),
        ("Past Due", "40.00", date(2026, 12, 1), InvoiceStatus.VOID),
        (Subscription.Status.Canceled, "20.00", date(2026, 11, 1), InvoiceStatus.VOID),
        (Subscription.Status.Expired, "20.00", None, InvoiceStatus.VOID),
    ],
)
def test_invoice_status_of_a_subscription_period(
    status: str, balance: str, period: date | None, expected_status: InvoiceStatus
) -> None:
    billing = Billing("sub1", status, Decimal(balance), period, "tok")
    invoice = Invoice(ORDER.invoice_id, (a_try(),), billing, date(2026, 11, 1))
    assert invoice.status is expected_status


@pytest.mark.parametrize(
    ("tries", "balance", "status", "due"),
    [
        ((a_try(),), "20.00", InvoiceStatus.OPEN, 2000),
        ((a_try("settled"),), "0.00", InvoiceStatus.PAID, 0),
        ((a_try("settled"),), "20.00", InvoiceStatus.PAID, 0),
        ((a_try("settled", amount=700), a_try()), "13.00", InvoiceStatus.OPEN, 1300),
        ((a_try(amount=500), a_try("settled")), "5.00", InvoiceStatus.OPEN, 500),
        ((a_try("settled", amount=500), a_try()), "20.00", InvoiceStatus.OPEN, 2000),
        ((a_try("settled", amount=None), a_try()), "20.00", InvoiceStatus.PAID, 0),
        ((a_try("settled", currency="EUR"), a_try()), "0.00", InvoiceStatus.PAID, 0),
    ],
)
def test_past_due_subscription_has_the_open_amount_of_its_period(
    tries: tuple[TransactionView, ...], balance: str, status: InvoiceStatus, due: int
) -> None:
    billing = Billing("sub1", "Past Due", Decimal(balance), date(2026, 11, 1), "tok")
    view = Invoice(ORDER.invoice_id, tries, billing, date(2026, 11, 1)).to_view()
    assert (view.status, view.amount_due) == (status, due)


@pytest.mark.parametrize(
    ("tries", "status", "due", "paid"),
    [
        ((a_try("settled", amount=700, requested=2000),), InvoiceStatus.OPEN, 1300, 700),
        ((a_try("settled", amount=700), a_try("settled", amount=1300), a_try()), InvoiceStatus.PAID, 0, 2000),
        ((a_try("settled", amount=700), a_try("authorized", split=True)), InvoiceStatus.OPEN, 1300, 700),
        ((a_try("settled", amount=700), a_try("settled", split=True)), InvoiceStatus.OPEN, 1300, 700),
        ((a_try("settled", amount=2500), a_try()), InvoiceStatus.PAID, 0, 2500),
        ((a_try("settlement_failed"),), InvoiceStatus.OPEN, 2000, 0),
    ],
)
def test_the_parts_of_an_order_add_up(
    tries: tuple[TransactionView, ...], status: InvoiceStatus, due: int, paid: int
) -> None:
    view = Invoice("order", tries).to_view()
    assert (view.status, view.amount_due, view.amount_paid) == (status, due, paid)


class OneSubscription:
    """A client that knows one subscription, with transactions of two periods."""

    def __init__(self, *transactions: object) -> None:
        fields = {"id": "sub1", "status": "Past Due", "balance": Decimal("20.00")}
        self._found = type("S", (), fields | {"transactions": list(transactions)})()

    async def find_subscription(self, _: str) -> object:
        return self._found


async def test_the_payment_of_another_period_is_not_ours() -> None:
    fields = {"subscription_id": "sub1", "created_at": NOW.replace(tzinfo=None)}
    period = type("D", (), {"billing_period_start_date": date(2026, 10, 1)})()
    older = FakeResult(**fields, subscription_details=period).transaction
    invoice = await find_invoice(OneSubscription(older), "sub1-2026-11-01")  # type: ignore[arg-type]
    assert invoice
    assert (invoice.transactions, invoice.status) == ((), InvoiceStatus.OPEN)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("20.00", "USD", 2000), ("20", "USD", 2000), ("0.01", "EUR", 1), ("1500", "JPY", 1500), ("1.234", "KWD", 1234),
        ("1.5", "JPY", None), ("0.001", "USD", None), ("-1", "USD", None), ("NaN", "USD", None), ("1E+20", "USD", None),
    ],
)  # fmt: skip
def test_amounts_are_exact_or_missing(amount: str, currency: str, minor: int | None) -> None:
    assert to_minor(Decimal(amount), currency) == minor
    if minor is not None:
        assert Decimal(to_amount_text(minor, currency)) == Decimal(amount)
