"""Customer contacts, read from the sandbox over HTTP."""

from providers.base import ReadsContacts
from providers.stripe.config import StripeConfig
from providers.stripe.gateway import StripeGateway
from sandbox.stripe.client import StripeSandboxClient
from tests.providers.stripe.builders import open_invoice
from tests.providers.stripe.canned_server import canned_server


async def test_the_customer_as_a_person(gateway: StripeGateway, box: StripeSandboxClient) -> None:
    failed_invoice = await box.create_failed_invoice(country="DE", customer_metadata={"time_zone": "Europe/Berlin"})
    assert isinstance(gateway, ReadsContacts)
    contact = await gateway.read_contact(failed_invoice.invoice, None)
    assert (contact.invoice.status, contact.invoice.customer_id) == ("open", failed_invoice.customer)
    assert contact.contact
    assert (contact.contact.email, contact.contact.name) == ("jenny.rosen@example.com", "Jenny Rosen")
    assert (contact.contact.country, contact.contact.time_zone) == ("DE", "Europe/Berlin")
    assert (contact.contact.link or "").startswith("https://invoice.stripe.com/")
    assert (contact.contact.invoice_number or "").startswith("SBX-")
    assert "jenny" not in repr(contact).lower()


async def test_contact_of_an_invoice_paid_meanwhile(gateway: StripeGateway, box: StripeSandboxClient) -> None:
    failed_invoice = await box.create_failed_invoice()
    await box.pay_hosted(failed_invoice.invoice)
    assert (await gateway.read_contact(failed_invoice.invoice, None)).invoice.status == "paid"


async def test_missing_invoice_has_no_contact(gateway: StripeGateway) -> None:
    contact = await gateway.read_contact("in_nobody", "cus_nobody")
    assert (contact.invoice.status, contact.contact) == ("missing", None)


async def test_deleted_customer_is_reported() -> None:
    """Nothing is sent, not even to the address that the invoice still has."""
    with canned_server() as server:
        gateway = StripeGateway(StripeConfig(api_key="sk_test_x", api_base=server.address))
        server.set_answer("GET /v1/invoices/in_1", open_invoice(customer_email="jenny@example.com"))
        server.set_answer("GET /v1/customers/cus_1", {"id": "cus_1", "object": "customer", "deleted": True})
        contact = await gateway.read_contact("in_1", None)
        await gateway.close()
    assert (contact.invoice.terms.customer_deleted, contact.contact) == (True, None)
