"""An installation with mail, operators' notices and webhooks, which are read where they arrive."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from standardwebhooks import Webhook

from tests.notifications.conftest import MailServer, mail_server
from tests.notifications.receiver import Receiver, receiver
from tests.support import stacks
from tests.support.service import RunningService, endpoints_of, open_service

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WAIT_SECONDS = 60.0


@dataclass
class NotifyingService:
    """An installation and the receivers of its messages."""

    service: RunningService
    mail: MailServer
    operators: Receiver
    systems: Receiver

    async def wait_until(self, condition: Callable[[], bool], description: str) -> None:
        """Waits until the condition holds. Fails after WAIT_SECONDS."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"no {description} within {WAIT_SECONDS:g} s"
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
async def notifying_service() -> AsyncIterator[NotifyingService]:
    """A stack of its own, with every receiver on this machine."""
    async with AsyncExitStack() as exits:
        mail = await exits.enter_async_context(mail_server())
        operators, systems = [await exits.enter_async_context(receiver()) for _ in range(2)]
        stack = exits.enter_context(
            stacks.running_stack(
                {
                    "SMTP_URL": f"smtp://127.0.0.1:{mail.port}",
                    "MAIL_FROM": "Acme <billing@acme.example>",
                    "OPERATOR_NOTIFY_URLS": operators.url.replace("http://", "json://"),
                    "OUTGOING_WEBHOOK_URLS": systems.url,
                    "OUTGOING_WEBHOOK_SECRET": SECRET,
                }
            )
        )
        service = await exits.enter_async_context(open_service(endpoints_of(stack), stack))
        yield NotifyingService(service, mail, operators, systems)


async def test_customer_gets_one_failure_mail_and_a_recovery_mail(
    notifying_service: NotifyingService,
) -> None:
    recovery = await notifying_service.service.create_failure("expired_card", email="kim@example.com", name="Kim")
    (row,) = await recovery.wait_for_event("notification.sent")
    assert (row["data"]["kind"], row["data"]["channel"], row["data"]["outcome"]) == ("card_data", "email", "sent")
    await notifying_service.service.sandbox.add_card(recovery.customer)
    await recovery.wait_for_one_payment()
    await recovery.wait_for_event("notification.sent", 2)

    mails = [mail for mail in notifying_service.mail.mails if mail["To"] == "Kim <kim@example.com>"]
    assert [mail["Subject"] for mail in mails] == [
        "Please check your card: $20.00 could not be paid",
        "Your payment of $20.00 has gone through",
    ]
    assert all(mail["From"] == "Acme <billing@acme.example>" for mail in mails)


async def test_adyen_customers_get_mail_by_contacts_from_webhooks(
    notifying_service: NotifyingService,
) -> None:
    recovery = await notifying_service.service.create_adyen_failure(
        "Expired Card", email="ada@example.com", name="Ada", locale="de_DE"
    )
    (row,) = await recovery.wait_for_event("notification.sent")
    assert (row["data"]["kind"], row["data"]["language"]) == ("card_data", "de")
    (mail,) = [mail for mail in notifying_service.mail.mails if mail["To"] == "Ada <ada@example.com>"]
    assert mail["Subject"].startswith("Bitte prüfen Sie Ihre Karte")
    assert "ada@example.com" not in json.dumps(await recovery.fetch_events())


async def test_braintree_customers_get_mail_by_contacts_from_the_vault(
    notifying_service: NotifyingService,
) -> None:
    recovery = await notifying_service.service.create_braintree_failure(
        "2004", email="bo@example.com", name="Bo Braun", country="DE"
    )
    (row,) = await recovery.wait_for_event("notification.sent")
    assert (row["data"]["kind"], row["data"]["language"]) == ("card_data", "de")
    assert [mail["To"] for mail in notifying_service.mail.mails if "bo@" in mail["To"]] == ["Bo Braun <bo@example.com>"]
    assert "bo@example.com" not in json.dumps(await recovery.fetch_events())


async def test_systems_get_signed_webhooks_of_a_recovery(notifying_service: NotifyingService) -> None:
    recovery = await notifying_service.service.create_failure("generic_decline")
    await recovery.wait_for_one_payment()

    def webhook_types() -> list[str]:
        bodies = [Webhook(SECRET).verify(body, headers) for headers, body in notifying_service.systems.posts]
        return [body["type"] for body in bodies if body["data"]["invoice_id"] == recovery.invoice]

    await notifying_service.wait_until(lambda: len(webhook_types()) >= 3, "three webhooks")
    assert sorted(webhook_types()) == ["recovery.opened", "recovery.planned", "recovery.recovered"]


async def test_operators_get_notices_that_need_action(notifying_service: NotifyingService) -> None:
    recovery = await notifying_service.service.create_failure("testmode_decline")
    await notifying_service.wait_until(
        lambda: any(recovery.invoice.encode() in body for _, body in notifying_service.operators.posts), "word"
    )
    (body,) = [body for _, body in notifying_service.operators.posts if recovery.invoice.encode() in body]
    assert b"the configuration must be corrected" in body
