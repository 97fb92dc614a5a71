"""Whom to write to, read from the sandbox over HTTP."""

from providers.base import KnowsContacts
from providers.stripe.gateway import StripeGateway
from sandbox.client import SandboxClient


async def test_the_customer_as_a_person(gateway: StripeGateway, box: SandboxClient) -> None:
    made = await box.create_failed_invoice(country="DE", customer_metadata={"time_zone": "Europe/Berlin"})
    assert isinstance(gateway, KnowsContacts)
    found = await gateway.read_contact(made.invoice, None)
    assert (found.invoice.status, found.invoice.customer_id) == ("open", made.customer)
    assert found.contact
    assert (found.contact.email, found.contact.name) == ("jenny.rosen@example.com", "Jenny Rosen")
    assert (found.contact.country, found.contact.time_zone) == ("DE", "Europe/Berlin")
    assert (found.contact.link or "").startswith("https://invoice.stripe.com/")
    assert "jenny" not in repr(found).lower()


async def test_an_invoice_that_was_paid_meanwhile(gateway: StripeGateway, box: SandboxClient) -> None:
    made = await box.create_failed_invoice()
    await box.pay_hosted(made.invoice)
    assert (await gateway.read_contact(made.invoice, None)).invoice.status == "paid"


async def test_nobody_is_known_of_an_invoice_that_is_not_there(gateway: StripeGateway) -> None:
    found = await gateway.read_contact("in_nobody", "cus_nobody")
    assert (found.invoice.status, found.contact) == ("missing", None)
