"""E-mail over SMTP, one message a connection: `SMTP_URL`, `MAIL_FROM`."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime, localtime
from email.utils import quote as escape
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import aiosmtplib

from core.errors import InvalidInput, NotDelivered
from notifications.channels import CustomerMessage
from notifications.mailboxes import Mailbox, parse_recipient, parse_sender, to_single_line

STEP_SECONDS: Final = 10.0
"""For each step of the conversation, and for the message itself with its answer."""
DEFAULT_SENDER: Final = "billing@localhost"
QUIT_SECONDS: Final = 2.0
"""For the last word, when all is said."""
# Bodies in seven bits pass every server, whether it offers 8BITMIME or not.
_BODY_POLICY: Final = WIRE.clone(cte_type="7bit")
# A header that Python folds within a long address comes out encoded, and is no address any more.
_HEADER_POLICY: Final = WIRE.clone(cte_type="7bit", max_line_length=990)


@dataclass(frozen=True)
class SmtpServer:
    """Where mail is handed in. `tls`: from the first byte; otherwise STARTTLS is used where it is offered."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        """Without the password."""
        return f"Server({self.host}:{self.port})"


def parse_smtp_url(address: str) -> SmtpServer:
    """`smtp://user:password@host:587` or `smtps://…`. Raises InvalidInput, without showing the address."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise InvalidInput("SMTP_URL is not an address like smtp://user:password@host:587.") from None
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise InvalidInput("SMTP_URL is not an address like smtp://user:password@host:587.")
    tls = parts.scheme == "smtps"
    user, password = (unquote(one) if one else None for one in (parts.username, parts.password))
    return SmtpServer(parts.hostname, port or (465 if tls else 587 if user else 25), tls, user, password)


class EmailChannel:
    """Hands in mail. What fails before the message is on its way surely didn't go out; after that only the server's
    own answer says so.
    """

    def __init__(self, server: SmtpServer, sender: str, seconds: float = STEP_SECONDS) -> None:
        self._server = server
        self._sender = parse_sender(sender or DEFAULT_SENDER)
        self._seconds = seconds

    async def send(self, message: CustomerMessage) -> None:
        """Raises NotDelivered where it surely did not go out."""
        to = _recipient_mailbox(message)
        wide = to.is_international or self._sender.is_international
        body = self._encode_mail(message, to, wide)
        client = _SmtpClient(
            hostname=self._server.host, port=self._server.port, use_tls=self._server.tls, timeout=self._seconds,
            username=self._server.user, password=self._server.password,
        )  # fmt: skip
        try:
            await self._open_transaction(client, to, len(body), wide)
            await _send_data(client, body)
        finally:
            with contextlib.suppress(Exception):
                await client.quit(timeout=QUIT_SECONDS)
            client.close()

    async def _open_transaction(self, client: "_SmtpClient", to: Mailbox, size: int, wide: bool) -> None:
        """Everything before the message itself: whatever goes wrong here, nothing was sent."""
        try:
            async with asyncio.timeout(2 * self._seconds):
                await client.connect()
                await client.mail(
                    self._sender.address, options=_mail_options(client, size, wide), encoding=_address_encoding(wide)
                )
                await client.rcpt(to.address, encoding=_address_encoding(wide))
                await client.begin_data()
        except NotDelivered:
            raise
        except aiosmtplib.SMTPRecipientRefused as refused:
            raise NotDelivered("recipient_refused", permanent=refused.code >= 500) from None
        except aiosmtplib.SMTPAuthenticationError:
            raise NotDelivered("login_refused") from None
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as refused:
            raise NotDelivered(_error_code(refused), permanent=refused.code >= 500) from None
        except Exception as error:
            raise NotDelivered(_error_code(error)) from None

    def _encode_mail(self, message: CustomerMessage, to: Mailbox, wide: bool) -> bytes:
        """The mail as bytes. Raises NotDelivered for a letter that makes no mail."""
        try:
            return self._build_mail(message, to).as_bytes(policy=_HEADER_POLICY.clone(utf8=wide))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise NotDelivered(f"letter_{type(error).__name__}", permanent=True) from None

    def to_mail(self, message: CustomerMessage) -> EmailMessage:
        """The mail: text and HTML, and the headers that make it a decent one. Raises NotDelivered without address."""
        return self._build_mail(message, _recipient_mailbox(message))

    def _build_mail(self, message: CustomerMessage, to: Mailbox) -> EmailMessage:
        mail = EmailMessage(policy=_BODY_POLICY)
        mail["From"] = _header_text(self._sender)
        mail["To"] = _header_text(to)
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(localtime())
        mail["Message-ID"] = f"<{message.name}@{self._sender.domain}>"
        mail["Content-Language"] = message.language
        mail["Auto-Submitted"] = "auto-generated"
        by_mail = f"mailto:{quote(self._sender.address, safe='@')}?subject=unsubscribe"
        mail["List-Unsubscribe"] = f"<{message.unsubscribe or by_mail}>"
        # One click (RFC 8058) is a promise: only behind an address that says who clicked.
        if message.unsubscribe.startswith("https:"):
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        return mail


class _SmtpClient(aiosmtplib.SMTP):
    """The library's, with the two halves of DATA apart: until the server asks for the message, nothing was sent."""

    async def begin_data(self) -> None:
        """DATA. Raises SMTPDataError where the server doesn't want the message."""
        asked = await self.execute_command(b"DATA")
        if asked.code != aiosmtplib.SMTPStatus.start_input:
            raise aiosmtplib.SMTPDataError(asked.code, asked.message)

    async def finish_data(self, message: bytes) -> None:
        """The message and the server's answer to it. Raises SMTPDataError where it refuses."""
        protocol = self.protocol
        if protocol is None:
            raise NotDelivered("disconnected")
        lines = message if message.endswith(b"\r\n") else message + b"\r\n"
        stuffed = (b"\r\n" + lines).replace(b"\r\n.", b"\r\n..")[2:]
        protocol.write(stuffed + b".\r\n")
        answer = await protocol.read_response(timeout=self.timeout)
        if answer.code != aiosmtplib.SMTPStatus.completed:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)


async def _send_data(client: _SmtpClient, body: bytes) -> None:
    """From here on only the server's own answer says that it was not taken."""
    try:
        await client.finish_data(body)
    except aiosmtplib.SMTPDataError as refused:
        raise NotDelivered(_error_code(refused), permanent=refused.code >= 500) from None


def _mail_options(client: aiosmtplib.SMTP, size: int, wide: bool) -> list[str]:
    """What the server is told of the message. Raises NotDelivered where it can't take such addresses."""
    if wide and not client.supports_extension("smtputf8"):
        raise NotDelivered("smtputf8_not_offered", permanent=True)
    sized = [f"SIZE={size}"] if client.supports_extension("size") else []
    return [*sized, *(["BODY=8BITMIME", "SMTPUTF8"] if wide else [])]


def _address_encoding(wide: bool) -> str:
    return "utf-8" if wide else "ascii"


def _header_text(mailbox: Mailbox) -> str:
    """As text: `headerregistry.Address` would leave `abc..def.@docomo.example` without its quotes."""
    return f'"{escape(mailbox.name)}" <{mailbox.address}>' if mailbox.name else mailbox.address


def _recipient_mailbox(message: CustomerMessage) -> Mailbox:
    """The customer's; nothing of it is told where it is none."""
    if not (message.to.email or "").strip():
        raise NotDelivered("no_address", permanent=True)
    found = parse_recipient(message.to.email or "")
    if found is None:
        raise NotDelivered("address_unfit", permanent=True)
    return found.model_copy(update={"name": to_single_line(message.to.name or "")})


def _error_code(error: Exception) -> str:
    """A short reason: the server's number, or the kind of error; its text may name people."""
    code = getattr(error, "code", None)
    return f"smtp_{code}" if isinstance(code, int) and code > 0 else type(error).__name__


def create(environment: Mapping[str, str]) -> EmailChannel | None:
    """The plug-in. Raises InvalidInput for a wrong `SMTP_URL` or `MAIL_FROM`."""
    address = environment.get("SMTP_URL", "")
    if not address:
        return None
    sender = environment.get("MAIL_FROM", "")
    return EmailChannel(parse_smtp_url(address), sender)


def sender_name(sender: str) -> str:
    """Who writes, as `MAIL_FROM` names them: `Acme <billing@acme.example>` is Acme; empty where it names nobody.

    Raises InvalidInput for what is no sender.
    """
    return parse_sender(sender).name if sender.strip() else ""
