"""Whom to write to, read from the sandbox over HTTP."""

from providers.base import ReadsContacts
from providers.stripe.config import StripeConfig
from providers.stripe.gateway import StripeGateway
from sandbox.client import SandboxClient
from tests.providers.stripe.builders import open_invoice
from tests.providers.stripe.canned_server import canned_server


async def test_the_customer_as_a_person(gateway: StripeGateway, box: SandboxClient) -> None:
    made = await box.create_failed_invoice(country="DE", customer_metadata={"time_zone": "Europe/Berlin"})
    assert isinstance(gateway, ReadsContacts)
    found = await gateway.read_contact(made.invoice, None)
    assert (found.invoice.status, found.invoice.customer_id) == ("open", made.customer)
    assert found.contact
    assert (found.contact.email, found.contact.name) == ("jenny.rosen@example.com", "Jenny Rosen")
    assert (found.contact.country, found.contact.time_zone) == ("DE", "Europe/Berlin")
    assert (found.contact.link or "").startswith("https://invoice.stripe.com/")
    assert (found.contact.invoice_number or "").startswith("SBX-")
    assert "jenny" not in repr(found).lower()


async def test_an_invoice_that_was_paid_meanwhile(gateway: StripeGateway, box: SandboxClient) -> None:
    made = await box.create_failed_invoice()
    await box.pay_hosted(made.invoice)
    assert (await gateway.read_contact(made.invoice, None)).invoice.status == "paid"


async def test_nobody_is_known_of_an_invoice_that_is_not_there(gateway: StripeGateway) -> None:
    found = await gateway.read_contact("in_nobody", "cus_nobody")
    assert (found.invoice.status, found.contact) == ("missing", None)


async def test_a_deleted_customer_is_said_and_nobody_is_written_to() -> None:
    """Not even at the address that the invoice still has."""
    with canned_server() as server:
        gateway = StripeGateway(StripeConfig(api_key="sk_test_x", api_base=server.address))
        server.set_answer("GET /v1/invoices/in_1", open_invoice(customer_email="jenny@example.com"))
        server.set_answer("GET /v1/customers/cus_1", {"id": "cus_1", "object": "customer", "deleted": True})
        found = await gateway.read_contact("in_1", None)
        await gateway.close()
    assert (found.invoice.terms.customer_deleted, found.contact) == (True, None)
