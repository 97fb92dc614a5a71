"""Customer contacts: every provider can be asked for them, or sends them with the failure."""

from core.messages.recipients import Contact
from core.payments import InvoiceStatus
from providers.base import ExtractsContacts, Gateway, ReadsContacts
from tests.providers.contract.subject import ProviderControl, Subject, WebhookKind

EMAIL = "jenny.rosen@example.com"
"""Of every customer in the sandbox."""


async def contact_of(subject: Subject, books: ProviderControl, gateway: Gateway) -> tuple[str | None, Contact | None]:
    """Customer and contact behind a failure, read or taken from its webhook."""
    webhooks: object = subject.provider().create_webhooks()
    if isinstance(gateway, ReadsContacts):
        failed = await books.fail_payment()
        recipient = await gateway.read_contact(failed.invoice_id, None)
        assert (recipient.invoice.status, recipient.invoice.customer_id) == (InvoiceStatus.OPEN, failed.customer_id)
        return recipient.invoice.customer_id, recipient.contact
    assert isinstance(webhooks, ExtractsContacts), f"customers of {subject.name} get no messages"
    (contact,) = webhooks.extract_contacts(subject.signed_webhook(WebhookKind.FAILED, "inv_1").body)
    return contact.customer_id, contact.contact


async def test_failure_leads_to_a_contact(subject: Subject, books: ProviderControl, gateway: Gateway) -> None:
    customer, contact = await contact_of(subject, books, gateway)
    assert customer
    assert contact
    assert contact.email == EMAIL
    assert EMAIL not in repr(contact)


async def test_events_and_facts_hold_no_personal_data(
    subject: Subject, books: ProviderControl, gateway: Gateway
) -> None:
    """These go into the history and the log."""
    webhooks = subject.provider().create_webhooks()
    assert webhooks
    events = [event for says in WebhookKind for event in webhooks.normalise(subject.signed_webhook(says, "inv_1").body)]
    texts = [event.model_dump_json() for event in events]
    if gateway.can_read:
        texts.append((await gateway.read_failure((await books.fail_payment()).invoice_id, None)).model_dump_json())
    assert not [text for text in texts if "jenny" in text.lower() or "rosen" in text.lower()]
