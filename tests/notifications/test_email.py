"""E-mail over real SMTP, and the meaning of a server's answers."""

import socket

import pytest

from core.errors import InvalidInput, NotDelivered
from core.messages.recipients import Contact
from notifications.email import EmailChannel, SmtpServer, create, parse_smtp_url, sender_name
from tests.notifications.conftest import JENNY, MailServer, a_message

SENDER = "Acme Billing <billing@acme.example>"
UNSUBSCRIBE = f"https://acme.example/unsubscribe?token={'x' * 200}"
"""Longer than a line of a header: it must not be folded, nor encoded."""
UNFIT = [
    "jenny@b@example.com",
    "a@example.com, b@example.com",
    "jenny@example..com",
    "jen ny@example.com",
    "jenny@-.com",
]


def channel_to(mail: MailServer, seconds: float = 5) -> EmailChannel:
    return EmailChannel(SmtpServer("127.0.0.1", mail.port, tls=False), SENDER, seconds)


async def test_received_mail_is_well_formed(mail: MailServer) -> None:
    await channel_to(mail).send(a_message(unsubscribe=UNSUBSCRIBE))
    (arrived,) = mail.mails
    assert mail.recipients == ["jenny@example.com"]
    assert arrived["From"] == "Acme Billing <billing@acme.example>"
    assert arrived["To"] == "Jenny Rosen <jenny@example.com>"
    assert arrived["Subject"] == "Your payment of €49.00 did not go through"
    assert f"\r\nList-Unsubscribe: <{UNSUBSCRIBE}>\r\n".encode() in mail.raw
    assert arrived["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert arrived["Message-ID"] == "<abc123@acme.example>"
    assert arrived["Auto-Submitted"] == "auto-generated"
    plain, rich = (arrived.get_body((kind,)) for kind in ("plain", "html"))
    assert plain
    assert rich
    assert "https://pay.example.com/in_1" in plain.get_content()
    assert 'href="https://pay.example.com/in_1"' in rich.get_content()
    assert "not enough money" in plain.get_content()


async def test_unsubscribe_by_mail_without_a_page(mail: MailServer) -> None:
    await channel_to(mail).send(a_message())
    assert mail.mails[0]["List-Unsubscribe"] == "<mailto:billing@acme.example?subject=unsubscribe>"
    assert mail.mails[0]["List-Unsubscribe-Post"] is None


@pytest.mark.parametrize(
    ("command", "answer", "reason", "permanent"),
    [
        ("RCPT", "550 no such user", "recipient_refused", True),
        ("RCPT", "450 try later", "recipient_refused", False),
        ("DATA", "554 spam", "smtp_554", True),
        ("DATA", "451 try later", "smtp_451", False),
    ],
)
async def test_refused_mail_counts_as_not_sent(
    mail: MailServer, command: str, answer: str, reason: str, permanent: bool
) -> None:
    mail.refusals[command] = answer
    with pytest.raises(NotDelivered) as refused:
        await channel_to(mail).send(a_message())
    assert (refused.value.reason, refused.value.permanent) == (reason, permanent)
    assert mail.mails == []


async def test_timeout_after_the_last_byte_counts_as_maybe_sent(mail: MailServer) -> None:
    """The server may have accepted the mail: the error must not be NotDelivered."""
    mail.drops_connection = True
    with pytest.raises(Exception) as excinfo:  # noqa: PT011
        await channel_to(mail).send(a_message())
    assert not isinstance(excinfo.value, NotDelivered)
    assert len(mail.mails) == 1


async def test_unreachable_server_counts_as_not_sent() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        closed = EmailChannel(SmtpServer("127.0.0.1", listener.getsockname()[1], tls=False), SENDER)
        with pytest.raises(NotDelivered) as refused:
            await closed.send(a_message())
    assert not refused.value.permanent


@pytest.mark.parametrize("address", [None, "", "jenny", "jenny@", "@example.com", *UNFIT])
async def test_without_a_usable_address_nothing_is_tried(mail: MailServer, address: str | None) -> None:
    with pytest.raises(NotDelivered) as refused:
        await channel_to(mail).send(a_message(contact=JENNY.model_copy(update={"email": address})))
    assert refused.value.permanent
    assert address is None or address not in str(refused.value) or not address


async def test_name_cannot_inject_a_header(mail: MailServer) -> None:
    mean = Contact(email="jenny@example.com", name='Jenny"\r\nBcc: victim@example.com')
    await channel_to(mail).send(a_message(contact=mean))
    assert mail.recipients == ["jenny@example.com"]
    assert mail.mails[0]["Bcc"] is None


def test_smtp_addresses_are_parsed() -> None:
    assert parse_smtp_url("smtp://127.0.0.1:2525") == SmtpServer("127.0.0.1", 2525, tls=False)
    assert parse_smtp_url("smtps://mail.example.com") == SmtpServer("mail.example.com", 465, tls=True)
    assert parse_smtp_url("smtp://ann:p%40ss@mail.example.com") == SmtpServer(
        "mail.example.com", 587, False, "ann", "p@ss"
    )
    assert "p@ss" not in repr(parse_smtp_url("smtp://ann:p%40ss@mail.example.com"))
    for address in ("mail.example.com", "http://mail.example.com", "smtp://", "smtp://h:x"):
        with pytest.raises(InvalidInput):
            parse_smtp_url(address)


def test_without_a_server_the_channel_is_off() -> None:
    assert create({}) is None
    assert create({"SMTP_URL": ""}) is None
    assert isinstance(create({"SMTP_URL": "smtp://127.0.0.1"}), EmailChannel)
    assert sender_name("Acme <a@acme.example>") == "Acme"
    assert sender_name("a@acme.example") == ""
