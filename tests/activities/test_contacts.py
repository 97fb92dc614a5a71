"""Messages reach customers of every provider: contacts as each reports them, a real table, real SMTP."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from temporalio.testing import ActivityEnvironment

from activities.contacts import Contacts, StoredContacts
from activities.messaging import Messaging, StoredOutbox
from core.contracts import NotifyInput, ReadInput
from core.events.types import MessageOutcome
from core.messages.kinds import MessageKind
from core.payments import InvoiceStatus
from core.recovery.state import Recovery
from db.repositories import contacts
from db.session import Database
from notifications.composer import create_composer
from notifications.email import EmailChannel, SmtpServer
from providers.base import ExtractsContacts
from sandbox.config import SandboxConfig
from tests.db.conftest import addresses, cluster, database, fresh_database, migrated
from tests.notifications.conftest import MailServer, mail
from tests.providers.contract.subject import Subject, WebhookKind
from tests.providers.contract.subjects import SUBJECTS
from tests.sandbox.harness import run_sandbox
from tests.support.builders import THEN

__all__ = ["addresses", "cluster", "database", "fresh_database", "mail", "migrated"]

PAGE = "https://acme.example/pay/{provider}/{invoice}"


@pytest.fixture(scope="module")
def sandbox_address() -> Iterator[str]:
    """A sandbox that sends nothing by itself."""
    with run_sandbox(SandboxConfig(echo=False)) as address:
        yield address


async def failed_recovery(subject: Subject, address: str, database: Database) -> Recovery:
    """A recovery whose customer the failure's webhook names, or whose contact can be read."""
    webhooks: object = subject.provider().create_webhooks()
    if isinstance(webhooks, ExtractsContacts):
        webhook_contacts = webhooks.extract_contacts(subject.signed_webhook(WebhookKind.FAILED, "inv_1").body)
        async with database.begin() as session:
            await contacts.learn_contacts(session, subject.name, webhook_contacts, datetime.now(UTC))
        invoice, customer = webhook_contacts[0].invoice_id, webhook_contacts[0].customer_id
    else:
        async with subject.open_control(address) as books:
            failed_payment = await books.fail_payment()
        assert failed_payment.customer_id
        invoice, customer = failed_payment.invoice_id, failed_payment.customer_id
    fields = {"customer_id": customer, "amount": 2000, "currency": "USD"}
    return Recovery(provider=subject.name, invoice_id=invoice).with_changes(**fields)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
async def test_failure_leads_to_a_mail_with_a_payment_page(
    subject: Subject, sandbox_address: str, database: Database, mail: MailServer
) -> None:
    recovery, gateway = await failed_recovery(subject, sandbox_address, database), subject.gateway(sandbox_address, 10)
    book, channel = (
        StoredContacts(database),
        EmailChannel(SmtpServer("127.0.0.1", mail.port, tls=False), "Acme <a@b.test>"),
    )
    contacts = Contacts({subject.name: gateway}, book)
    messages = Messaging({"email": channel}, create_composer("Acme <a@b.test>", "", PAGE), book, StoredOutbox(database))
    order = NotifyInput(recovery=recovery, now=THEN, step="card_data-1", kind=MessageKind.CARD_DATA, channel="email")

    invoice = await ActivityEnvironment().run(contacts.refresh_contact, ReadInput(recovery=recovery))
    outcome = await ActivityEnvironment().run(messages.send_message, order)
    await gateway.close()

    assert (invoice.status if invoice else None) is (InvoiceStatus.OPEN if gateway.can_read else None)
    assert outcome.outcome is MessageOutcome.SENT
    (arrived,) = mail.mails
    assert arrived["To"] == "Jenny Rosen <jenny.rosen@example.com>"
    body = arrived.get_body(("plain",))
    assert body
    own = PAGE.format(provider=subject.name, invoice=recovery.invoice_id)
    assert (own in body.get_content()) is (subject.name != "stripe")
    assert "https://" in body.get_content()
