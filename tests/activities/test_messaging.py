"""Each message is sent at most once: real SMTP, a real table, and workers that die in between."""

from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.contacts import StoredContacts
from activities.messaging import MOST_TRIES, Messaging, StoredOutbox
from core.contracts import DeliveryResult, NotifyInput
from core.errors import StoreUnavailable
from core.events.types import MessageOutcome
from core.messages.kinds import MessageKind
from core.recovery.state import Recovery
from db.repositories.messages import MessageName, MessageState
from db.session import Database
from notifications.channels import CustomerMessage
from notifications.composer import MessageComposer, MessageSubject
from notifications.email import EmailChannel, SmtpServer
from tests.db.conftest import Addresses, addresses, cluster, database, fresh_database, migrated, run_as_owner
from tests.notifications.conftest import JENNY, MailServer, mail
from tests.support.builders import THEN

__all__ = ["addresses", "cluster", "database", "fresh_database", "mail", "migrated"]


class DyingOutbox(StoredOutbox):
    """An outbox whose worker dies after sending, before the outcome is recorded."""

    async def conclude_message(self, _: MessageName, __: MessageState, ___: str | None, ____: str | None) -> None:
        """Raises as if the worker died."""
        raise StoreUnavailable("the worker dies here")


@pytest.fixture
async def database_with_contact(database: Database, addresses: Addresses) -> Database:
    """A database with Jenny's contact and no messages."""
    await StoredContacts(database).save_contact("stripe", "cus_1", "in_1", JENNY)
    run_as_owner(addresses, "DELETE FROM message")
    return database


def messaging_activities(database: Database, mail: MailServer, outbox: StoredOutbox | None = None) -> Messaging:
    channel = EmailChannel(SmtpServer("127.0.0.1", mail.port, tls=False), "Acme <billing@acme.example>", seconds=5)
    return Messaging(
        {"email": channel}, MessageComposer("Acme"), StoredContacts(database), outbox or StoredOutbox(database)
    )


def message_order(**changes: object) -> NotifyInput:
    fields = {"customer_id": "cus_1", "amount": 4900, "currency": "EUR"} | changes
    recovery = Recovery(provider="stripe", invoice_id="in_1").with_changes(**fields)
    return NotifyInput(recovery=recovery, now=THEN, step="card_data-1", kind=MessageKind.CARD_DATA, channel="email")


async def notify_customer(messages: Messaging, **changes: object) -> DeliveryResult:
    return await ActivityEnvironment().run(messages.send_message, message_order(**changes))


async def test_a_message_arrives_once_however_often_the_activity_runs(
    database_with_contact: Database, mail: MailServer
) -> None:
    messages = messaging_activities(database_with_contact, mail)
    assert await notify_customer(messages) == DeliveryResult(outcome=MessageOutcome.SENT, language="en")
    assert (await notify_customer(messages)).outcome is MessageOutcome.SENT
    (arrived,) = mail.mails
    assert arrived["Subject"] == "Please check your card: €49.00 could not be paid"


async def test_crash_after_sending_counts_as_maybe_sent_and_never_sends_twice(
    database_with_contact: Database, mail: MailServer
) -> None:
    with pytest.raises(StoreUnavailable):
        await notify_customer(messaging_activities(database_with_contact, mail, DyingOutbox(database_with_contact)))
    assert len(mail.mails) == 1
    assert await notify_customer(messaging_activities(database_with_contact, mail)) == DeliveryResult(
        outcome=MessageOutcome.MAYBE_SENT, reason="worker_lost"
    )
    assert len(mail.mails) == 1


async def test_a_connection_lost_after_the_last_byte_is_maybe_sent(
    database_with_contact: Database, mail: MailServer
) -> None:
    mail.drops_connection = True
    assert (
        await notify_customer(messaging_activities(database_with_contact, mail))
    ).outcome is MessageOutcome.MAYBE_SENT
    mail.drops_connection = False
    assert (
        await notify_customer(messaging_activities(database_with_contact, mail))
    ).outcome is MessageOutcome.MAYBE_SENT
    assert len(mail.mails) == 1


async def test_temporary_refusal_is_retried_and_then_given_up(
    database_with_contact: Database, mail: MailServer
) -> None:
    mail.refusals["DATA"] = "451 try later"
    pauses = []
    for _ in range(MOST_TRIES - 1):
        with pytest.raises(ApplicationError) as refused:
            await notify_customer(messaging_activities(database_with_contact, mail))
        pauses.append(refused.value.next_retry_delay)
    assert pauses == [timedelta(seconds=5), timedelta(seconds=20), timedelta(seconds=80)]
    assert await notify_customer(messaging_activities(database_with_contact, mail)) == DeliveryResult(
        outcome=MessageOutcome.FAILED, reason="smtp_451"
    )
    mail.refusals.clear()
    assert (await notify_customer(messaging_activities(database_with_contact, mail))).outcome is MessageOutcome.FAILED
    assert mail.mails == []


async def test_temporary_refusal_may_be_followed_by_success(database_with_contact: Database, mail: MailServer) -> None:
    mail.refusals["RCPT"] = "450 try later"
    with pytest.raises(ApplicationError):
        await notify_customer(messaging_activities(database_with_contact, mail))
    mail.refusals.clear()
    assert (await notify_customer(messaging_activities(database_with_contact, mail))).outcome is MessageOutcome.SENT
    assert len(mail.mails) == 1


async def test_activity_heartbeats_while_it_sends(database_with_contact: Database, mail: MailServer) -> None:
    environment, beats = ActivityEnvironment(), list[object]()
    environment.on_heartbeat = lambda *details: beats.append(details)
    await environment.run(messaging_activities(database_with_contact, mail).send_message, message_order())
    assert beats


@pytest.mark.parametrize(
    ("changes", "reason"), [({"customer_id": None}, "no_contact"), ({"customer_id": "cus_nobody"}, "no_contact")]
)
async def test_message_without_a_recipient_fails_at_once(
    database_with_contact: Database, mail: MailServer, changes: dict[str, object], reason: str
) -> None:
    assert await notify_customer(messaging_activities(database_with_contact, mail), **changes) == DeliveryResult(
        outcome=MessageOutcome.FAILED, reason=reason
    )


@pytest.mark.parametrize(
    "address", ["a@example.com, b@example.com", "jenny@", "jörg@example.com", "jenny@example..com"]
)
async def test_invalid_address_counts_as_not_sent(
    database_with_contact: Database, mail: MailServer, address: str
) -> None:
    await StoredContacts(database_with_contact).save_contact(
        "stripe", "cus_1", "in_1", JENNY.model_copy(update={"email": address})
    )
    assert (await notify_customer(messaging_activities(database_with_contact, mail))).outcome is MessageOutcome.FAILED
    assert mail.mails == []


class BrokenComposer(MessageComposer):
    """A composer that raises an unexpected error."""

    def compose_message(self, about: MessageSubject, language: str | None = None) -> CustomerMessage:
        """Raises OSError."""
        raise OSError(f"the folder of {about.kind} and {language} is gone")


async def test_failed_rendering_counts_as_not_sent(database_with_contact: Database, mail: MailServer) -> None:
    channel = EmailChannel(SmtpServer("127.0.0.1", mail.port, tls=False), "billing@acme.example", seconds=5)
    broken = Messaging(
        {"email": channel}, BrokenComposer(), StoredContacts(database_with_contact), StoredOutbox(database_with_contact)
    )
    assert await notify_customer(broken) == DeliveryResult(outcome=MessageOutcome.FAILED, reason="template_OSError")


async def test_removed_channel_fails_at_once(database_with_contact: Database) -> None:
    messaging = Messaging(
        {}, MessageComposer(), StoredContacts(database_with_contact), StoredOutbox(database_with_contact)
    )
    assert (await notify_customer(messaging)).reason == "channel_not_set_up"
