"""Customer contacts, read from the sandbox over HTTP with the official client."""

from types import SimpleNamespace

import pytest

from core.errors import ProviderUnavailable
from core.messages.recipients import Contact
from core.payments import InvoiceStatus
from providers.base import ReadsContacts
from providers.braintree.contacts import contact_of_customer
from providers.braintree.gateway import BraintreeGateway
from sandbox.braintree.client import BraintreeSandboxClient


@pytest.mark.parametrize("subscription", [True, False])
async def test_the_customer_as_a_person(
    gateway: BraintreeGateway, box: BraintreeSandboxClient, subscription: bool
) -> None:
    more = {"language": "de", "time_zone": "Europe/Berlin"}
    failed_payment = await box.create_failed_payment(
        subscription=subscription, name="Kim van Dam", phone="+4930555010", country="DE", custom_fields=more
    )
    assert isinstance(gateway, ReadsContacts)
    contact = await gateway.read_contact(failed_payment.invoice, None)
    assert (contact.invoice.status, contact.invoice.customer_id) == (InvoiceStatus.OPEN, failed_payment.customer)
    assert contact.contact == Contact(
        email="jenny.rosen@example.com", name="Kim van Dam", phone="+4930555010", country="DE", **more
    )
    assert "jenny" not in repr(contact).lower()


async def test_unknown_fields_stay_unknown(gateway: BraintreeGateway, box: BraintreeSandboxClient) -> None:
    failed_payment = await box.create_failed_payment(email=None, name=None, country=None)
    assert (await gateway.read_contact(failed_payment.invoice, None)).contact == Contact()


async def test_another_card_keeps_the_customers_country(gateway: BraintreeGateway, box: BraintreeSandboxClient) -> None:
    failed_payment = await box.create_failed_payment(country="AT")
    await box.store_card(failed_payment.customer)
    contact = (await gateway.read_contact(failed_payment.invoice, None)).contact
    assert contact
    assert contact.country == "AT"


def test_country_is_that_of_the_default_methods_billing_address() -> None:
    def card_in(country: str, *, default: bool) -> SimpleNamespace:
        return SimpleNamespace(default=default, billing_address=SimpleNamespace(country_code_alpha2=country))

    addresses = [SimpleNamespace(country_code_alpha2="PT")]
    cards = [card_in("FR", default=False), card_in("ES", default=True), SimpleNamespace(default=False)]
    assert contact_of_customer(SimpleNamespace(payment_methods=cards, addresses=addresses)).country == "ES"
    assert contact_of_customer(SimpleNamespace(payment_methods=[], addresses=addresses)).country == "PT"
    assert contact_of_customer(SimpleNamespace()) == Contact()


async def test_contact_of_an_invoice_paid_meanwhile(gateway: BraintreeGateway, box: BraintreeSandboxClient) -> None:
    failed_payment = await box.create_failed_payment()
    await box.report_event(failed_payment.invoice, "subscription_charged_successfully")
    assert (await gateway.read_contact(failed_payment.invoice, None)).invoice.status is InvoiceStatus.PAID


async def test_missing_invoice_has_no_contact(gateway: BraintreeGateway) -> None:
    contact = await gateway.read_contact("nobodys", "nobody")
    assert (contact.invoice.status, contact.contact) == (InvoiceStatus.MISSING, None)


async def test_outage_is_raised_and_not_taken_for_no_contact(
    gateway: BraintreeGateway, box: BraintreeSandboxClient
) -> None:
    failed_payment = await box.create_failed_payment()
    await box.add_fault(f"/braintree/merchants/*/customers/{failed_payment.customer}", "error:500")
    with pytest.raises(ProviderUnavailable):
        await gateway.read_contact(failed_payment.invoice, None)


async def test_missing_customer_is_reported_as_deleted(gateway: BraintreeGateway, box: BraintreeSandboxClient) -> None:
    failed_payment = await box.create_failed_payment()
    assert not (await gateway.read_contact(failed_payment.invoice, None)).invoice.terms.customer_deleted
    await box.remove_customer(failed_payment.customer)
    contact = await gateway.read_contact(failed_payment.invoice, None)
    assert (contact.invoice.terms.customer_deleted, contact.contact) == (True, None)
