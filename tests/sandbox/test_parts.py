"""Parts, credits, refunds, debits that take days, and customers that are deleted, through the official library."""

import pytest
import stripe

from sandbox.client import SandboxClient, SandboxError


async def test_a_part_leaves_the_rest_open(box: SandboxClient, api: stripe.StripeClient) -> None:
    made = await box.create_failed_invoice(amount=4200)
    events = (await box.add_partial_payment(made.invoice, 3000)).events
    assert [one["type"] for one in events][-2:] == ["invoice_payment.paid", "invoice.updated"]
    found = await api.v1.invoices.retrieve_async(made.invoice, {"expand": ["payments"]})
    assert (found.status, found.amount_paid, found.amount_remaining) == ("open", 3000, 1200)
    assert found.payments is not None
    assert sorted(one.status for one in found.payments.data) == ["open", "paid"]
    paid = await api.v1.invoices.pay_async(made.invoice)
    assert (paid.status, [line.amount for line in await box.read_ledger(made.invoice)]) == ("paid", [3000, 1200])


async def test_more_than_remains_is_refused(box: SandboxClient) -> None:
    made = await box.create_failed_invoice(amount=500)
    with pytest.raises(SandboxError, match="remains"):
        await box.add_partial_payment(made.invoice, 501)


async def test_a_credit_note_of_all_pays_the_invoice(box: SandboxClient, api: stripe.StripeClient) -> None:
    made = await box.create_failed_invoice(amount=2000)
    note = await api.v1.credit_notes.create_async({"invoice": made.invoice, "amount": 500})
    assert (note.amount, note.invoice) == (500, made.invoice)
    assert (await api.v1.invoices.retrieve_async(made.invoice)).amount_remaining == 1500
    await box.credit_invoice(made.invoice)
    found = await api.v1.invoices.retrieve_async(made.invoice)
    assert (found.status, found.amount_remaining, await box.read_ledger(made.invoice)) == ("paid", 0, [])


@pytest.mark.parametrize("type_", ["us_bank_account", "sepa_debit"])
async def test_a_debit_takes_its_time(box: SandboxClient, api: stripe.StripeClient, type_: str) -> None:
    made = await box.create_failed_invoice(method_type=type_)
    sent = await api.v1.invoices.pay_async(made.invoice, {"expand": ["payments.data.payment.payment_intent"]})
    assert (sent.status, await box.read_ledger(made.invoice)) == ("open", [])
    assert sent.payments is not None
    intent = sent.payments.data[0].payment.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert intent.status == "processing"
    charge = await api.v1.charges.retrieve_async(str(intent.latest_charge))
    assert charge.payment_method_details is not None
    assert (charge.status, charge.payment_method_details.type) == ("pending", type_)
    events = (await box.finish_debit(made.invoice)).events
    assert [one["type"] for one in events][-2:] == ["invoice.paid", "invoice.payment_succeeded"]
    assert [line.amount for line in await box.read_ledger(made.invoice)] == [2000]


async def test_a_debit_comes_back(box: SandboxClient, api: stripe.StripeClient) -> None:
    made = await box.create_failed_invoice(method_type="us_bank_account")
    await api.v1.invoices.pay_async(made.invoice)
    events = (await box.finish_debit(made.invoice, "decline:insufficient_funds;network=R01")).events
    assert [one["type"] for one in events] == [
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.payment_failed",
    ]
    intent = await api.v1.payment_intents.retrieve_async(made.payment_intent, {"expand": ["latest_charge"]})
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert (intent.status, intent.latest_charge.failure_code) == ("requires_payment_method", "insufficient_funds")
    assert intent.latest_charge.outcome is not None
    assert intent.latest_charge.outcome.network_decline_code == "R01"


async def test_a_refund_in_two_parts(box: SandboxClient) -> None:
    made = await box.create_failed_invoice()
    await box.pay_hosted(made.invoice)
    seen = []
    for amount in (500, None):
        told = (await box.refund_payment(made.invoice, amount)).events
        assert [one["type"] for one in told] == ["refund.created", "charge.refunded"]
        data = (await box.read_event(told[1]["id"]))["data"]
        seen.append((data["previous_attributes"]["amount_refunded"], data["object"]["amount_refunded"]))
    assert seen == [(0, 500), (500, 2000)]


async def test_a_deleted_customer(box: SandboxClient, api: stripe.StripeClient) -> None:
    made = await box.create_failed_invoice()
    gone = await api.v1.customers.delete_async(made.customer)
    assert (gone.id, gone.deleted) == (made.customer, True)
    found = await api.v1.customers.retrieve_async(made.customer)
    assert found.deleted
    assert (await api.v1.subscriptions.retrieve_async(made.subscription or "")).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        await api.v1.invoices.pay_async(made.invoice)


async def test_a_null_can_be_expanded_and_a_word_cannot(box: SandboxClient, api: stripe.StripeClient) -> None:
    made = await box.create_failed_invoice(subscription=False)
    deep = "parent.subscription_details.subscription.default_source"
    assert (await api.v1.invoices.retrieve_async(made.invoice, {"expand": [deep]})).parent is None
    with pytest.raises(stripe.InvalidRequestError, match="expanded"):
        await api.v1.invoices.retrieve_async(made.invoice, {"expand": ["status"]})
