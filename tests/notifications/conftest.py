"""Real SMTP and webhook servers on this machine."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import DATA_SIZE_DEFAULT, SMTP, Envelope, Session

from core.classification.taxonomy import Cause
from core.messages.kinds import MessageKind
from core.messages.recipients import Contact
from notifications.channels import CustomerMessage
from notifications.composer import MessageComposer, MessageSubject
from tests.support.builders import DAY, THEN

JENNY = Contact(
    email="jenny@example.com", name="Jenny Rosen", phone="+15555550100", link="https://pay.example.com/in_1"
)


@dataclass
class MailServer:
    """Keeps received mails. Its answers can be scripted per SMTP command."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    """By command (RCPT, DATA): the answer in place of 250."""
    drops_connection: bool = False
    """Keeps the mail and closes the connection without a word."""
    international: bool = False
    """Offers SMTPUTF8."""
    size_limit: int = DATA_SIZE_DEFAULT
    """Bytes of a mail that it takes."""
    options: list[str] = field(default_factory=list)
    """What came with the last MAIL, without sizes."""
    raw: bytes = b""
    """The last mail as it came."""
    recipient_spellings: list[str] = field(default_factory=list)
    """The recipients as RCPT spelt them: aiosmtpd takes quotes away."""

    def start_conversation(self) -> SMTP:
        """One connection with the current settings."""
        return SpellingSMTP(
            self, hostname="localhost", enable_SMTPUTF8=self.international, data_size_limit=self.size_limit
        )

    async def handle_MAIL(self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """aiosmtpd's hook."""
        self.options = sorted(option.partition("=")[0] if option.startswith("SIZE") else option for option in options)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:
        """aiosmtpd's hook."""
        if answer := self.refusals.get("RCPT"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:
        """aiosmtpd's hook."""
        if answer := self.refusals.get("DATA"):
            return answer
        content = envelope.content
        assert isinstance(content, bytes)
        self.raw = content
        mail = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        if self.drops_connection:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return "250 taken"


class SpellingSMTP(SMTP):
    """One connection to a `MailServer`, which keeps the spelling of addresses."""

    async def smtp_RCPT(self, arg: str | None) -> None:
        """Keeps the spelling of the address."""
        assert isinstance(self.event_handler, MailServer)
        self.event_handler.recipient_spellings.append((arg or "").removeprefix("TO:<").removesuffix(">"))
        await super().smtp_RCPT(arg)


@asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    """A mail server for as long as the block runs."""
    mailbox = MailServer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(mailbox.start_conversation, "127.0.0.1", 0)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    """A mail server."""
    async with mail_server() as server:
        yield server


def a_message(kind: MessageKind = MessageKind.PAYMENT_FAILED, **changes: Any) -> CustomerMessage:
    """A message to Jenny."""
    return MessageComposer("Acme").compose_message(a_subject(kind, **changes))


def a_subject(kind: MessageKind = MessageKind.PAYMENT_FAILED, **changes: Any) -> MessageSubject:
    """The subject of a message: 49 euros, insufficient funds."""
    defaults: dict[str, Any] = {
        "name": "abc123",
        "kind": kind,
        "provider": "stripe",
        "invoice_id": "in_1",
        "amount": 4900,
        "currency": "EUR",
        "cause": Cause.INSUFFICIENT_FUNDS,
        "retry_at": THEN + DAY,
        "deadline": THEN + 7 * DAY,
        "contact": JENNY,
    }
    return MessageSubject(**defaults | changes)
