"""Partial payments, credits, refunds, slow debits and deleted customers, through the official library."""

import pytest
import stripe

from sandbox.client import SandboxError
from sandbox.stripe.client import StripeSandboxClient


async def test_a_part_leaves_the_rest_open(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(amount=4200)
    events = (await box.add_partial_payment(failed_invoice.invoice, 3000)).events
    assert [event["type"] for event in events][-2:] == ["invoice_payment.paid", "invoice.updated"]
    invoice = await api.v1.invoices.retrieve_async(failed_invoice.invoice, {"expand": ["payments"]})
    assert (invoice.status, invoice.amount_paid, invoice.amount_remaining) == ("open", 3000, 1200)
    assert invoice.payments is not None
    assert sorted(payment.status for payment in invoice.payments.data) == ["open", "paid"]
    paid = await api.v1.invoices.pay_async(failed_invoice.invoice)
    assert (paid.status, [line.amount for line in await box.read_ledger(failed_invoice.invoice)]) == (
        "paid",
        [3000, 1200],
    )


async def test_more_than_remains_is_refused(box: StripeSandboxClient) -> None:
    failed_invoice = await box.create_failed_invoice(amount=500)
    with pytest.raises(SandboxError, match="remains"):
        await box.add_partial_payment(failed_invoice.invoice, 501)


async def test_a_credit_note_of_all_pays_the_invoice(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(amount=2000)
    note = await api.v1.credit_notes.create_async({"invoice": failed_invoice.invoice, "amount": 500})
    assert (note.amount, note.invoice) == (500, failed_invoice.invoice)
    assert (await api.v1.invoices.retrieve_async(failed_invoice.invoice)).amount_remaining == 1500
    await box.credit_invoice(failed_invoice.invoice)
    invoice = await api.v1.invoices.retrieve_async(failed_invoice.invoice)
    assert (invoice.status, invoice.amount_remaining, await box.read_ledger(failed_invoice.invoice)) == ("paid", 0, [])


@pytest.mark.parametrize("type_", ["us_bank_account", "sepa_debit"])
async def test_debit_stays_pending_for_days(box: StripeSandboxClient, api: stripe.StripeClient, type_: str) -> None:
    failed_invoice = await box.create_failed_invoice(method_type=type_)
    invoice = await api.v1.invoices.pay_async(
        failed_invoice.invoice, {"expand": ["payments.data.payment.payment_intent"]}
    )
    assert (invoice.status, await box.read_ledger(failed_invoice.invoice)) == ("open", [])
    assert invoice.payments is not None
    intent = invoice.payments.data[0].payment.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert intent.status == "processing"
    charge = await api.v1.charges.retrieve_async(str(intent.latest_charge))
    assert charge.payment_method_details is not None
    assert (charge.status, charge.payment_method_details.type) == ("pending", type_)
    events = (await box.finish_debit(failed_invoice.invoice)).events
    assert [event["type"] for event in events][-2:] == ["invoice.paid", "invoice.payment_succeeded"]
    assert [line.amount for line in await box.read_ledger(failed_invoice.invoice)] == [2000]


async def test_debit_is_returned(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(method_type="us_bank_account")
    await api.v1.invoices.pay_async(failed_invoice.invoice)
    events = (await box.finish_debit(failed_invoice.invoice, "decline:insufficient_funds;network=R01")).events
    assert [event["type"] for event in events] == [
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.payment_failed",
    ]
    intent = await api.v1.payment_intents.retrieve_async(failed_invoice.payment_intent, {"expand": ["latest_charge"]})
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert (intent.status, intent.latest_charge.failure_code) == ("requires_payment_method", "insufficient_funds")
    assert intent.latest_charge.outcome is not None
    assert intent.latest_charge.outcome.network_decline_code == "R01"


async def test_a_refund_in_two_parts(box: StripeSandboxClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.pay_hosted(failed_invoice.invoice)
    types = []
    for amount in (500, None):
        events = (await box.refund_payment(failed_invoice.invoice, amount)).events
        assert [event["type"] for event in events] == ["refund.created", "charge.refunded"]
        data = (await box.read_event(events[1]["id"]))["data"]
        types.append((data["previous_attributes"]["amount_refunded"], data["object"]["amount_refunded"]))
    assert types == [(0, 500), (500, 2000)]


async def test_a_deleted_customer(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    deletion = await api.v1.customers.delete_async(failed_invoice.customer)
    assert (deletion.id, deletion.deleted) == (failed_invoice.customer, True)
    customer = await api.v1.customers.retrieve_async(failed_invoice.customer)
    assert customer.deleted
    assert (await api.v1.subscriptions.retrieve_async(failed_invoice.subscription or "")).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        await api.v1.invoices.pay_async(failed_invoice.invoice)


async def test_null_can_be_expanded_and_a_string_cannot(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(subscription=False)
    deep = "parent.subscription_details.subscription.default_source"
    assert (await api.v1.invoices.retrieve_async(failed_invoice.invoice, {"expand": [deep]})).parent is None
    with pytest.raises(stripe.InvalidRequestError, match="expanded"):
        await api.v1.invoices.retrieve_async(failed_invoice.invoice, {"expand": ["status"]})
