"""Mail addresses in every valid form, and how they are sent."""

import asyncio
import email
import email.policy
import socket
from typing import Any

import pytest
from aiosmtplib.email import quote_address
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput, NotDelivered
from notifications.email import EmailChannel, SmtpServer, create, sender_name
from notifications.mailboxes import LONGEST_NAME, parse_mailbox, parse_recipient, parse_sender, to_single_line
from tests.notifications.conftest import JENNY, MailServer, a_message

SENDER = "Acme Billing <billing@acme.example>"


def channel_to(mail: MailServer, sender: str = SENDER) -> EmailChannel:
    return EmailChannel(SmtpServer("127.0.0.1", mail.port, tls=False), sender, seconds=2)


def message_to(**changes: Any) -> Any:
    return a_message(contact=JENNY.model_copy(update=changes))


@pytest.mark.parametrize(
    ("address", "header"),
    [
        ("abc..def.@docomo.example", '"abc..def."@docomo.example'),
        (".abc@ezweb.example", '".abc"@ezweb.example'),
        ("abc.@docomo.example", '"abc."@docomo.example'),
        ('"a b"@example.com', '"a b"@example.com'),
        (r'"a\"b"@example.com', r'"a\"b"@example.com'),
        ('"plain"@example.com', "plain@example.com"),
        ("o'neil+shop=1@example.com", "o'neil+shop=1@example.com"),
        ("jenny@münchen.example", "jenny@xn--mnchen-3ya.example"),
        ("jenny@straße.example", "jenny@xn--strae-oqa.example"),
        ("jenny@例え。テスト", "jenny@xn--r8jz45g.xn--zckzah"),
        (" Jenny <jenny@example.com> ", "jenny@example.com"),
        ("jenny@xn--mnchen-3ya.example", "jenny@xn--mnchen-3ya.example"),
    ],
)
async def test_real_addresses_are_sent_as_the_standards_want_them(mail: MailServer, address: str, header: str) -> None:
    await channel_to(mail).send(message_to(email=address))
    assert mail.recipient_spellings == [header]
    assert f"<{header}>\r\n".encode() in mail.raw.partition(b"\r\nSubject")[0] + b"\r\n"


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com, b@example.com", "a@example.com;b@example.com", "a@b@example.com", "a b@example.com",
        "jenny@", "@example.com", "...@example.com", '""@example.com', "jenny@example..com", "jenny@.example.com",
        "jenny@ex ample.com", "jenny@example.com\r\nRCPT TO:<victim@example.com>", "jen\x00ny@example.com",
        f"{'a' * 65}@example.com", f"a@{'b' * 64}.example", "jenny@" + "a." * 130 + "example", "jenny@xn--a.ä",
        "a(b)@example.com", "Jenny <a@example.com> <b@example.com>", "\ud800@example.com",
    ],
)  # fmt: skip
async def test_invalid_address_is_refused_before_sending(mail: MailServer, address: str) -> None:
    with pytest.raises(NotDelivered) as refused:
        await channel_to(mail).send(message_to(email=address))
    assert (refused.value.reason, refused.value.permanent) == ("address_unfit", True)
    assert mail.mails == []


@given(st.text(max_size=80), st.sampled_from(["example.com", "münchen.example", "@", ""]))
def test_address_cannot_inject_a_line(local: str, domain: str) -> None:
    recipient = parse_recipient(f"{local}@{domain}")
    if recipient:
        assert recipient.address.isprintable()
        assert quote_address(recipient.address) == f"<{recipient.address}>"
        assert parse_mailbox(recipient.address) == recipient.model_copy(update={"name": ""})


@pytest.mark.parametrize("local", [".¡", "a..ü", "ü."])
def test_local_part_that_needs_quotes_is_ascii(local: str) -> None:
    assert parse_recipient(f"{local}@example.com") is None
    assert parse_recipient("a..b@example.com")


@given(st.text(max_size=300))
def test_display_name_round_trips(name: str) -> None:
    mail = EmailChannel(SmtpServer("h", 1, tls=False), SENDER)
    raw = mail._encode_mail(
        message_to(email="abc..d@example.com", name=name), _contact("abc..d@example.com", name), False
    )
    header = email.message_from_bytes(raw, policy=email.policy.default)["To"]
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert [(address.username, address.domain) for address in header.addresses] == [("abc..d", "example.com")]
    assert " ".join(header.addresses[0].display_name.split()) == to_single_line(name)
    assert len(to_single_line(name)) <= LONGEST_NAME


def _contact(address: str, name: str) -> Any:
    mailbox = parse_mailbox(address, name)
    assert mailbox
    return mailbox


@pytest.mark.parametrize(
    ("setting", "name", "header"),
    [
        ("Acme, Inc. <billing@acme.example>", "Acme, Inc.", '"Acme, Inc." <billing@acme.example>'),
        ('"Acme, Inc." <billing@acme.example>', "Acme, Inc.", '"Acme, Inc." <billing@acme.example>'),
        ("Acme (Billing) <billing@acme.example>", "Acme (Billing)", '"Acme (Billing)" <billing@acme.example>'),
        ('The "Acme" <billing@acme.example>', 'The "Acme"', '"The \\"Acme\\"" <billing@acme.example>'),
        ("Acme; Sons: Ltd <billing@acme.example>", "Acme; Sons: Ltd", '"Acme; Sons: Ltd" <billing@acme.example>'),
        ("Café Müller, GmbH <billing@acme.example>", "Café Müller, GmbH", '"Café Müller, GmbH" <billing@acme.example>'),
        ("=?utf-8?q?M=C3=BCller?= <billing@acme.example>", "Müller", "Müller <billing@acme.example>"),
        ("billing@acme.example", "", "billing@acme.example"),
        ("<billing@acme.example>", "", "billing@acme.example"),
        ("Acme <billing@münchen.example>", "Acme", "Acme <billing@xn--mnchen-3ya.example>"),
    ],
)
async def test_the_sender_is_quoted_as_it_must_be(mail: MailServer, setting: str, name: str, header: str) -> None:
    assert sender_name(setting) == name
    await channel_to(mail, setting).send(a_message())
    assert str(mail.mails[0]["From"]) == header


@pytest.mark.parametrize(
    "setting",
    [
        "Acme", "Acme, Inc.", "a@acme.example, b@acme.example", "Ann <a@acme.example>, Bob <b@acme.example>",
        "a@acme.example, Bob <b@acme.example>", "Acme <billing>", "Acme <>", "Acme <billing@acme.example",
        "Acme\r\nBcc: v@example.com <billing@acme.example>", "Acme <billing@acme.example> trailing",
    ],
)  # fmt: skip
def test_invalid_sender_is_refused_at_start_in_one_line(setting: str) -> None:
    for refuse in (sender_name, parse_sender, lambda address: create({"SMTP_URL": "smtp://h", "MAIL_FROM": address})):
        with pytest.raises(InvalidInput, match=r"^MAIL_FROM is not one address like [^\n]+$"):
            refuse(setting)


async def test_non_ascii_local_parts_need_smtputf8(mail: MailServer) -> None:
    with pytest.raises(NotDelivered) as refused:
        await channel_to(mail).send(message_to(email="jörg@münchen.example"))
    assert (refused.value.reason, refused.value.permanent) == ("smtputf8_not_offered", True)
    mail.international = True
    await channel_to(mail).send(message_to(email="jörg@münchen.example", name="Jörg"))
    assert mail.recipients == ["jörg@xn--mnchen-3ya.example"]
    assert mail.options == ["BODY=8BITMIME", "SIZE", "SMTPUTF8"]


async def test_mail_is_seven_bit_and_announces_its_size(mail: MailServer) -> None:
    await channel_to(mail).send(a_message())
    assert mail.options == ["SIZE"]
    assert mail.raw.isascii()


async def test_a_mail_that_is_too_long_for_the_server_is_refused_before_it_is_sent(mail: MailServer) -> None:
    mail.size_limit = 100
    with pytest.raises(NotDelivered) as refused:
        await channel_to(mail).send(a_message())
    assert (refused.value.reason, refused.value.permanent) == ("smtp_552", True)


@pytest.mark.parametrize("silent_at", ["", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_connection_lost_before_the_message_counts_as_not_sent(silent_at: str) -> None:
    async with _DroppingServer(silent_at) as port:
        channel = EmailChannel(SmtpServer("127.0.0.1", port, tls=False), SENDER, seconds=2)
        with pytest.raises(NotDelivered) as refused:
            await channel.send(a_message())
    assert not refused.value.permanent


async def test_silent_server_counts_as_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_server:
        waiting = EmailChannel(SmtpServer("127.0.0.1", silent_server.getsockname()[1], tls=False), SENDER, seconds=0.2)
        with pytest.raises(NotDelivered):
            await waiting.send(a_message())


class _DroppingServer:
    """A server that closes the connection at a command ("" is at once); DATA before it asks for the message."""

    def __init__(self, command: str) -> None:
        self._command = command

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._answer_connection, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._command:
            writer.write(b"220 hello\r\n")
            while (line := await reader.readline()) and not line.startswith(self._command.encode()):
                writer.write(b"250 fine\r\n")
        writer.close()
