"""The unsubscribe page: no login, no change by a GET, and requests that take effect at once."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.contacts import StoredContacts
from activities.messaging import Messaging, StoredOutbox, StoredSuppressions
from core.contracts import DeliveryResult, NotifyInput
from core.events.types import MessageOutcome
from core.messages.kinds import MessageKind
from core.messages.recipients import Subscription, create_unsubscribe_token
from core.recovery.state import Recovery
from db.repositories import suppressions
from db.session import Database
from notifications.composer import MessageComposer, UnsubscribeLinks
from notifications.email import EmailChannel, SmtpServer
from tests.api.harness import ApiHarness, build_app, open_harness
from tests.db.conftest import Addresses, run_as_owner
from tests.intake.fakes import FakeRecoveries
from tests.notifications.conftest import JENNY, MailServer, mail
from tests.support.builders import THEN

__all__ = ["mail"]

SECRET = "a secret of thirty-two characters"
JENNYS = Subscription(provider="stripe", customer_id="cus_jenny", channel="email")
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
async def signed(database: Database, addresses: Addresses) -> AsyncIterator[ApiHarness]:
    """The API with unsubscribe secrets, the newest first."""
    run_as_owner(addresses, "DELETE FROM suppression")
    app = build_app(database, FakeRecoveries(), unsubscribe_secrets=(SecretStr(SECRET), SecretStr(SECRET[::-1])))
    async with open_harness(app, database, FakeRecoveries()) as harness:
        yield harness


async def is_unsubscribed(db: Database, subscription: Subscription = JENNYS) -> bool:
    async with db.begin() as session:
        return await suppressions.is_suppressed(session, subscription)


async def test_only_a_post_unsubscribes(signed: ApiHarness) -> None:
    address = f"/unsubscribe/{create_unsubscribe_token(JENNYS, SECRET.encode())}"
    response = await signed.client.get(address)
    assert (response.status_code, '<form method="post">' in response.text) == (200, True)
    assert not await is_unsubscribed(signed.db)
    clicked = await signed.client.post(address, data=ONE_CLICK)
    assert (clicked.status_code, "<form" in clicked.text) == (200, False)
    assert await is_unsubscribed(signed.db)
    assert not await is_unsubscribed(signed.db, JENNYS.model_copy(update={"customer_id": "cus_kim"}))
    assert not await is_unsubscribed(signed.db, JENNYS.model_copy(update={"channel": "sms"}))
    assert (await signed.client.post(address, data=ONE_CLICK)).status_code == 200


@pytest.mark.parametrize("method", ["multipart", "empty", "query", "older", "stored"])
async def test_unsubscribe_by_every_method_of_the_standard_and_every_key(signed: ApiHarness, method: str) -> None:
    key = SECRET[::-1].encode() if method == "older" else SECRET.encode()
    if method == "stored":
        async with signed.db.begin() as session:
            key = (await suppressions.signing_keys(session))[0]
    token = create_unsubscribe_token(JENNYS, key)
    address = f"/unsubscribe?token={token}" if method == "query" else f"/unsubscribe/{token}"
    more: Any = {"files": {"List-Unsubscribe": (None, "One-Click")}} if method == "multipart" else {}
    assert (await signed.client.get(address)).status_code == 200
    assert (await signed.client.post(address, **more)).status_code == 200
    assert await is_unsubscribed(signed.db)


@pytest.mark.parametrize(
    "token", ["", "x", "a.b", create_unsubscribe_token(JENNYS, b"somebody else's key"), "%00", "x" * 3000, "%C3%A9.x"]
)
async def test_invalid_token_shows_an_error_page(signed: ApiHarness, token: str) -> None:
    for address in (f"/unsubscribe/{token}" if token else "/unsubscribe", f"/unsubscribe?token={token}"):
        for answer in (await signed.client.get(address), await signed.client.post(address)):
            assert answer.status_code == 404
            assert "not complete" in answer.text
    assert not await is_unsubscribed(signed.db)


async def test_the_page_speaks_the_readers_language_and_runs_nothing(signed: ApiHarness) -> None:
    address = f"/unsubscribe/{create_unsubscribe_token(JENNYS, SECRET.encode())}"
    german = await signed.client.get(address, headers={"Accept-Language": "nl, de-AT;q=0.8, en;q=0.5"})
    assert '<html lang="de">' in german.text
    assert "bleibt offen" in german.text
    other = await signed.client.get(address, headers={"Accept-Language": "ja"})
    assert '<html lang="en">' in other.text
    assert "default-src 'none'" in other.headers["content-security-policy"]
    assert other.headers["cache-control"] == "no-store"


def prepare_notification(
    harness: ApiHarness, mail: MailServer, customer: str, step: str
) -> tuple[Messaging, NotifyInput]:
    links = UnsubscribeLinks("", "https://pri.example")
    channel = EmailChannel(
        SmtpServer("127.0.0.1", mail.port, tls=False), "Acme, Inc. <billing@acme.example>", seconds=5
    )
    suppressions = StoredSuppressions(harness.db, links, (SECRET.encode(),))
    messages = Messaging(
        {"email": channel}, MessageComposer("Acme"), StoredContacts(harness.db), StoredOutbox(harness.db), suppressions
    )
    recovery = Recovery(provider="stripe", invoice_id=f"in_{customer}").with_changes(
        customer_id=customer, amount=1, currency="EUR"
    )
    order = NotifyInput(recovery=recovery, now=THEN, step=step, kind=MessageKind.CARD_DATA, channel="email")
    return messages, order


async def notify_customer(harness: ApiHarness, mail: MailServer, customer: str, step: str) -> DeliveryResult:
    messages, order = prepare_notification(harness, mail, customer, step)
    return await ActivityEnvironment().run(messages.send_message, order)


async def test_each_customer_has_a_link_of_their_own_and_it_is_honoured(signed: ApiHarness, mail: MailServer) -> None:
    for customer in ("cus_jenny", "cus_kim"):
        await StoredContacts(signed.db).save_contact("stripe", customer, f"in_{customer}", JENNY)
        assert (await notify_customer(signed, mail, customer, "unsubscribing-1")).outcome is MessageOutcome.SENT
    jennys, kims = (str(mail["List-Unsubscribe"]).strip("<>") for mail in mail.mails)
    assert jennys != kims
    assert mail.mails[0]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    body = mail.mails[0].get_body(("plain",))
    assert body
    assert jennys in body.get_content()
    assert "example.com" not in jennys

    assert (await signed.client.post(urlsplit(jennys).path, data=ONE_CLICK)).status_code == 200
    assert await notify_customer(signed, mail, "cus_jenny", "unsubscribing-2") == DeliveryResult(
        outcome=MessageOutcome.FAILED, reason="unsubscribed"
    )
    assert (await notify_customer(signed, mail, "cus_kim", "unsubscribing-2")).outcome is MessageOutcome.SENT
    assert len(mail.mails) == 3
