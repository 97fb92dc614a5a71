"""Connected accounts and API keys: permissions and errors."""

import pytest
import stripe

from sandbox.models import Delivery
from sandbox.stripe.client import StripeSandboxClient
from tests.sandbox.harness import Receiver, stripe_client

ACCOUNT = "acct_1Connected"
PERMISSION_ERROR = r"Enabling .* \('(customer_read|invoice_write)'\) permissions"


async def test_an_invoice_of_a_connected_account(box: StripeSandboxClient, api: stripe.StripeClient) -> None:
    failed_invoice = await box.create_failed_invoice(account=ACCOUNT)
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await api.v1.invoices.retrieve_async(failed_invoice.invoice)
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    invoice = await api.v1.invoices.retrieve_async(failed_invoice.invoice, options={"stripe_account": ACCOUNT})
    assert invoice.id == failed_invoice.invoice
    paid = await api.v1.invoices.pay_async(failed_invoice.invoice, options={"stripe_account": ACCOUNT})
    assert paid.status == "paid"


async def test_unconnected_account_is_refused(api: stripe.StripeClient) -> None:
    with pytest.raises(stripe.PermissionError) as refused:
        await api.v1.invoices.list_async(options={"stripe_account": "acct_1Nobody"})
    assert refused.value.http_status == 403


async def test_events_name_their_account(box: StripeSandboxClient, receiver: Receiver) -> None:
    connected = await box.create_failed_invoice(account=ACCOUNT, delivery=Delivery(wait=True))
    own = await box.create_failed_invoice(delivery=Delivery(wait=True))
    assert [event.get("account") for event in receiver.events_about(connected.invoice)] == [ACCOUNT]
    assert ["account" in event for event in receiver.events_about(own.invoice)] == [False]


async def test_a_revoked_key(box: StripeSandboxClient, address: str) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.set_key_rights("sk_test_gone", revoked=True)
    async with stripe_client(address, key="sk_test_gone") as api:
        with pytest.raises(stripe.AuthenticationError) as refused:
            await api.v1.invoices.retrieve_async(failed_invoice.invoice)
        assert refused.value.http_status == 401
        assert "api_key_expired" in str(refused.value.json_body)
        await box.set_key_rights("sk_test_gone")
        assert (await api.v1.invoices.retrieve_async(failed_invoice.invoice)).id == failed_invoice.invoice


async def test_a_restricted_key(box: StripeSandboxClient, address: str) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.set_key_rights("rk_test_few", lacks=("customer_read", "invoice_write"))
    async with stripe_client(address, key="rk_test_few") as api:
        assert (await api.v1.invoices.retrieve_async(failed_invoice.invoice)).id == failed_invoice.invoice
        for refused in (
            api.v1.customers.retrieve_async(failed_invoice.customer),
            api.v1.invoices.retrieve_async(failed_invoice.invoice, {"expand": ["customer"]}),
            api.v1.invoices.pay_async(failed_invoice.invoice),
        ):
            with pytest.raises(
                stripe.PermissionError, match=r"Enabling .* \('(customer_read|invoice_write)'\) permissions"
            ):
                await refused
    assert await box.read_ledger(failed_invoice.invoice) == []
