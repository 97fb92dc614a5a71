"""Pending, partial and returned payments: how Braintree's sandbox shows them, and its webhooks."""

from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from core.payments import EventKind, Failure, InvoiceStatus, Outcome, ProviderEvent
from providers.braintree.gateway import BraintreeGateway
from providers.braintree.webhook import BraintreeWebhooks
from sandbox.braintree.client import BraintreeSandboxClient
from sandbox.braintree.instruments import Instrument
from tests.providers.braintree.orders import order_for
from tests.providers.contract.braintree_subject import sandbox_config, sign_notification
from tests.sandbox.official_braintree import braintree_client

Sandbox: TypeAlias = BraintreeSandboxClient
Gateway: TypeAlias = BraintreeGateway
DEBITS = [Instrument.US_BANK_ACCOUNT, Instrument.SEPA_DEBIT]
RETRIED_KIND = "subscription_charged_successfully"
"""Braintree's own retry took the debit; the kind says so, and nobody's bank has."""


async def newest_event(box: Sandbox, invoice: str) -> ProviderEvent:
    """The newest webhook of an invoice, normalised."""
    webhooks = BraintreeWebhooks(sandbox_config("http://127.0.0.1:9"))
    name = (await box.list_events(invoice))[-1]
    xml = (await box.read_webhook_xml(name)).encode()
    (event,) = webhooks.normalise(sign_notification(xml).body)
    return event


@pytest.mark.parametrize("instrument", DEBITS)
async def test_debit_is_pending_until_it_settles(box: Sandbox, gateway: Gateway, instrument: Instrument) -> None:
    failed_payment = await box.create_failed_payment(instrument=instrument, decline_code="R01")
    await box.report_event(failed_payment.invoice, RETRIED_KIND)
    assert (await newest_event(box, failed_payment.invoice)).kind is EventKind.WAKE
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.status, view.processing, view.amount_due) == (InvoiceStatus.OPEN, True, 2000)
    assert await box.read_ledger(failed_payment.invoice) == []
    await box.report_event(failed_payment.invoice, "transaction_settled")
    assert (await newest_event(box, failed_payment.invoice)).kind is EventKind.INVOICE_PAID
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.status, view.processing, view.amount_due) == (InvoiceStatus.PAID, False, 0)


@pytest.mark.parametrize("subscription", [True, False])
@pytest.mark.parametrize("reads_settled", [True, False])
async def test_returned_debit_reopens_the_invoice(
    box: Sandbox, gateway: Gateway, reads_settled: bool, subscription: bool
) -> None:
    failed_payment = await box.create_failed_payment(instrument=Instrument.US_BANK_ACCOUNT, subscription=subscription)
    await box.report_event(failed_payment.invoice, "transaction_settled")
    assert (await gateway.read_invoice(failed_payment.invoice)).status is InvoiceStatus.PAID
    back = "transaction_settlement_declined"
    await box.report_event(failed_payment.invoice, back, decline_code="R01", reads_settled=reads_settled)
    event = await newest_event(box, failed_payment.invoice)
    assert (event.kind, event.returned_kind, event.returned_amount) == (
        EventKind.PAYMENT_REVERSED, "returned_debit", 2000,
    )  # fmt: skip
    assert (event.invoice_id, event.failure and event.failure.code) == (failed_payment.invoice, "R01")
    facts = await gateway.read_failure(failed_payment.invoice, event)
    assert (facts.invoice.status, facts.failure.code) == (InvoiceStatus.OPEN, "R01")
    assert (await gateway.read_invoice(failed_payment.invoice)).status is InvoiceStatus.OPEN


async def test_notification_counts_before_its_transaction_is_updated(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(instrument=Instrument.US_BANK_ACCOUNT, subscription=False)
    await box.report_event(failed_payment.invoice, "transaction_settled")
    paid = await newest_event(box, failed_payment.invoice)
    back = paid.model_copy(update={"kind": EventKind.PAYMENT_REVERSED, "failure": None})
    assert (await gateway.read_failure(failed_payment.invoice, back)).invoice.status is InvoiceStatus.PAID
    facts = await gateway.read_failure(failed_payment.invoice, back.model_copy(update={"failure": failure_of(paid)}))
    assert facts.invoice.status is InvoiceStatus.OPEN


def failure_of(event: ProviderEvent) -> Failure:
    return Failure(code="R09", charge_id=event.payment_id)


async def test_failed_capture_after_a_success_counts_as_returned(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False)
    assert (await gateway.charge(order_for(failed_payment))).outcome is Outcome.SUCCEEDED
    await box.report_event(failed_payment.invoice, "transaction_settlement_declined", decline_code="4001")
    event = await newest_event(box, failed_payment.invoice)
    assert (event.kind, event.returned_kind) == (EventKind.PAYMENT_REVERSED, "failed_capture")
    assert (event.failure and event.failure.code, event.returned_amount) == ("4001", 2000)
    assert event.occurred_at > datetime(2026, 1, 1, tzinfo=UTC)
    assert (await gateway.read_invoice(failed_payment.invoice)).status is InvoiceStatus.OPEN


async def test_a_part_leaves_the_rest_open(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False, amount=10_000)
    await box.report_event(failed_payment.invoice, "transaction_settled", amount=3_000)
    event = await newest_event(box, failed_payment.invoice)
    assert (event.kind, event.paid_amount) == (EventKind.INVOICE_PAID, 3_000)
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.status, view.amount_due, view.amount_paid) == (InvoiceStatus.OPEN, 7_000, 3_000)
    await gateway.charge(order_for(failed_payment, amount=7_000))
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.status, view.amount_due, view.amount_paid) == (InvoiceStatus.PAID, 0, 10_000)


async def test_partially_captured_authorisation_is_pending_for_the_rest(
    box: Sandbox, gateway: Gateway, address: str
) -> None:
    failed_payment, client = await box.create_failed_payment(subscription=False), braintree_client(address)
    token = {"payment_method_token": failed_payment.payment_method}
    parent = client.transaction.sale({"amount": "20.00", "order_id": failed_payment.invoice} | token).transaction
    part = client.transaction.submit_for_partial_settlement(parent.id, "7.00", {"order_id": failed_payment.invoice})
    assert part.is_success
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.status, view.processing) == (InvoiceStatus.OPEN, True)
    assert (view.amount_due, view.amount_paid) == (1_300, 700)


async def test_a_part_of_a_subscription_leaves_its_balance(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(amount=10_000)
    await box.report_event(failed_payment.invoice, RETRIED_KIND, amount=3_000)
    event = await newest_event(box, failed_payment.invoice)
    assert (event.kind, event.paid_amount) == (EventKind.INVOICE_PAID, 3_000)
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.status, view.amount_due, view.amount_paid) == (InvoiceStatus.OPEN, 7_000, 3_000)


async def test_full_payment_of_a_subscription_is_no_partial_payment(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment()
    await box.report_event(failed_payment.invoice, RETRIED_KIND)
    assert (await newest_event(box, failed_payment.invoice)).paid_amount is None
    assert (await gateway.read_invoice(failed_payment.invoice)).status is InvoiceStatus.PAID


@pytest.mark.parametrize("instrument", [Instrument.CREDIT_CARD, Instrument.PAYPAL])
async def test_a_refund_names_the_sale_and_how_much(box: Sandbox, gateway: Gateway, instrument: Instrument) -> None:
    failed_payment = await box.create_failed_payment(instrument=instrument, subscription=False)
    await box.report_event(failed_payment.invoice, "transaction_settled")
    await box.report_event(failed_payment.invoice, "transaction_disbursed", amount=500)
    (paid,) = await box.read_ledger(failed_payment.invoice)
    refund = await newest_event(box, f"refund-of-{paid.charge}")
    assert (refund.kind, refund.returned_kind, refund.returned_amount) == (EventKind.PAYMENT_REFUNDED, "refund", 500)
    assert (refund.payment_id, refund.currency) == (paid.charge, "USD")
    assert (await gateway.resolve_event(refund)).invoice_id == failed_payment.invoice


@pytest.mark.parametrize(
    ("kind", "expected_kind", "amount", "blocks"),
    [
        ("chargeback", EventKind.DISPUTE_OPENED, 700, True),
        ("retrieval", EventKind.DISPUTE_INQUIRY, None, False),
        ("pre_arbitration", EventKind.DISPUTE_OPENED, None, True),
    ],
)
async def test_a_dispute_by_its_kind(
    box: Sandbox, gateway: Gateway, kind: str, expected_kind: EventKind, amount: int | None, blocks: bool
) -> None:
    failed_payment = await box.create_failed_payment()
    await box.report_event(failed_payment.invoice, "dispute_opened", amount=700, dispute_kind=kind)
    event = await newest_event(box, failed_payment.invoice)
    assert (event.kind, event.returned_amount) == (expected_kind, amount)
    assert (await gateway.read_invoice(failed_payment.invoice)).disputed is blocks
    await box.report_event(failed_payment.invoice, "dispute_won", dispute_kind=kind)
    assert not (await gateway.read_invoice(failed_payment.invoice)).disputed


async def test_failure_is_assigned_to_the_period_of_its_subscription(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment()
    event = await newest_event(box, failed_payment.invoice)
    nameless = event.model_copy(update={"invoice_id": None})
    assert (await gateway.resolve_event(nameless)).invoice_id == failed_payment.invoice
    unknown_payment = nameless.model_copy(update={"payment_id": "nowhere"})
    assert (await gateway.resolve_event(unknown_payment)).invoice_id == failed_payment.invoice, (
        "Braintree signed that this subscription failed"
    )
    without_subscription = unknown_payment.model_copy(update={"subscription_id": None})
    assert (await gateway.resolve_event(without_subscription)).invoice_id is None
