"""Both API shapes, as the official library sees them."""

import pytest
import stripe

from sandbox.models import Shape
from sandbox.stripe.client import StripeSandboxClient
from sandbox.stripe.models import FailedInvoice
from sandbox.stripe.webhooks import failed_invoice_event

EXPANDED = {"expand": ["payments.data.payment.payment_intent", "confirmation_secret", "customer"]}


async def test_the_newer_shape_has_payments_only_when_asked(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(subscription="sub_shape")
    plain = (await api.v1.invoices.retrieve_async(failed_invoice.invoice)).to_dict()
    assert not {"payments", "confirmation_secret", "payment_intent", "charge", "paid", "subscription"} & set(plain)
    assert plain["parent"]["subscription_details"]["subscription"] == "sub_shape"
    full = (await api.v1.invoices.retrieve_async(failed_invoice.invoice, EXPANDED)).to_dict()  # type: ignore[arg-type]
    intent = full["payments"]["data"][0]["payment"]["payment_intent"]
    assert (intent["id"], intent["last_payment_error"]["decline_code"]) == (
        failed_invoice.payment_intent,
        "insufficient_funds",
    )
    assert full["confirmation_secret"]["client_secret"].startswith(failed_invoice.payment_intent)
    assert full["customer"]["id"] == failed_invoice.customer
    assert "invoice" not in intent


async def test_the_older_shape_names_intent_and_charge(box: StripeSandboxClient, old_api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    invoice = await old_api.v1.invoices.retrieve_async(
        failed_invoice.invoice, {"expand": ["payment_intent.latest_charge"]}
    )
    fields = invoice.to_dict()
    assert (fields["charge"], fields["subscription"], fields["paid"]) == (
        failed_invoice.charge,
        failed_invoice.subscription,
        False,
    )
    assert fields["payment_intent"]["latest_charge"]["outcome"]["network_status"] == "declined_by_network"
    assert (
        fields["payment_intent"]["invoice"]
        == fields["payment_intent"]["latest_charge"]["invoice"]
        == failed_invoice.invoice
    )
    assert not {"parent", "payments", "confirmation_secret"} & set(fields)
    await old_api.v1.invoices.pay_async(failed_invoice.invoice)
    assert (await old_api.v1.invoices.retrieve_async(failed_invoice.invoice)).to_dict()["paid"] is True


@pytest.mark.parametrize("path", ["payments.data.payment.payment_intent.latest_charge", "total", "payment_intent"])
async def test_a_wrong_expansion_is_refused(box: StripeSandboxClient, api: stripe.StripeClient, path: str) -> None:
    failed_invoice = await box.create_failed_invoice()
    with pytest.raises(stripe.InvalidRequestError):
        await api.v1.invoices.retrieve_async(failed_invoice.invoice, {"expand": [path, f"{path}.more"]})


async def test_objects_can_be_found_from_each_other(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    payment = {"type": "payment_intent", "payment_intent": failed_invoice.payment_intent}
    by_intent = await api.v1.invoice_payments.list_async({"payment": payment})  # type: ignore[arg-type]
    by_invoice = await api.v1.invoice_payments.list_async({"invoice": failed_invoice.invoice})
    assert [p.id for p in by_intent.data] == [p.id for p in by_invoice.data] == [failed_invoice.invoice_payment]
    charges = await api.v1.charges.list_async({"payment_intent": failed_invoice.payment_intent})
    assert [charge.id for charge in charges.data] == [failed_invoice.charge]
    intent = await api.v1.payment_intents.retrieve_async(failed_invoice.payment_intent, {"expand": ["latest_charge"]})
    assert isinstance(intent.latest_charge, stripe.Charge)
    open_ones = await api.v1.invoices.list_async({"customer": failed_invoice.customer, "status": "open"})
    assert [invoice.id for invoice in open_ones.data] == [failed_invoice.invoice]


async def test_lists_are_paged(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoices = [await box.create_failed_invoice(customer_id="cus_paged") for _ in range(3)]
    page = await api.v1.invoices.list_async({"customer": "cus_paged", "limit": 2})
    assert page.has_more
    ids = [invoice.id async for invoice in page.auto_paging_iter()]
    assert ids == [failed_invoice.invoice for failed_invoice in reversed(failed_invoices)]


async def test_a_missing_object_is_a_404(api: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as excinfo:
        await api.v1.invoices.retrieve_async("in_nowhere")
    assert (excinfo.value.http_status, excinfo.value.code) == (404, "resource_missing")


async def test_customers_and_cards_through_the_api(api: stripe.StripeClient) -> None:
    customer = await api.v1.customers.create_async({"email": "a@example.com", "metadata": {"plan": "pro"}})
    method = await api.v1.payment_methods.create_async({"type": "card", "card": {"token": "tok_visa"}})
    await api.v1.payment_methods.attach_async(method.id, {"customer": customer.id})
    settings = {"default_payment_method": method.id}
    changed = await api.v1.customers.update_async(customer.id, {"invoice_settings": settings})  # type: ignore[arg-type]
    assert changed.invoice_settings is not None
    assert changed.invoice_settings.default_payment_method == method.id
    draft = await api.v1.invoices.create_async({"customer": customer.id})
    assert (await api.v1.invoices.finalize_invoice_async(draft.id)).status == "open"


async def test_a_scripted_read_fault_strikes_as_often_as_asked(
    box: StripeSandboxClient, api: stripe.StripeClient
) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.add_fault(f"/v1/invoices/{failed_invoice.invoice}", "error:500", times=2)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            await api.v1.invoices.retrieve_async(failed_invoice.invoice)
    assert (await api.v1.invoices.retrieve_async(failed_invoice.invoice)).status == "open"


@pytest.mark.parametrize("shape", list(Shape))
def test_a_sample_needs_no_server(shape: Shape) -> None:
    spec = FailedInvoice(invoice_id="in_sample", amount=4200, decline_code="expired_card")
    event = failed_invoice_event(spec, shape=shape, event_id="evt_1", now=1_800_000_000)
    invoice = event["data"]["object"]
    assert (event["type"], invoice["id"], invoice["amount_due"]) == ("invoice.payment_failed", "in_sample", 4200)
    assert ("payment_intent" in invoice) is (shape is Shape.LEGACY)
    assert (event["api_version"] < "2025-03-31") is (shape is Shape.LEGACY)
