"""The channel `email`: SMTP with one connection per message, configured by `SMTP_URL` and `MAIL_FROM`."""

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
"""Time limit for each SMTP command, and for the message with the server's answer."""
DEFAULT_SENDER: Final = "billing@localhost"
QUIT_SECONDS: Final = 2.0
"""Time limit for QUIT, after which the result is known anyway."""
# 7-bit bodies pass every server, whether it offers 8BITMIME or not.
_BODY_POLICY: Final = WIRE.clone(cte_type="7bit")
# Python encodes a long address when it folds the header within it, which makes it unusable: so headers are not folded.
_HEADER_POLICY: Final = WIRE.clone(cte_type="7bit", max_line_length=990)


@dataclass(frozen=True)
class SmtpServer:
    """The SMTP server. `tls` means TLS from the first byte; otherwise STARTTLS is used if it is offered."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        """Host and port, without the password."""
        return f"SmtpServer({self.host}:{self.port})"


def parse_smtp_url(address: str) -> SmtpServer:
    """The server of `smtp://user:password@host:587` or `smtps://…`; the default port is 465, 587 or 25.

    Raises InvalidInput for any other address; its text does not contain the address.
    """
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
    """Sends messages by SMTP.

    A failure before the message itself is transmitted means that it was not sent. From then on, only a refusal by the
    server means that. Raises InvalidInput for a sender that can't be used.
    """

    def __init__(self, server: SmtpServer, sender: str, seconds: float = STEP_SECONDS) -> None:
        self._server = server
        self._sender = parse_sender(sender or DEFAULT_SENDER)
        self._seconds = seconds

    async def send(self, message: CustomerMessage) -> None:
        """Sends the message. Raises NotDelivered if it certainly did not go out; other errors leave that open."""
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
        """All SMTP commands before the message. Raises NotDelivered for any error, since nothing was sent yet."""
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
        """The mail as bytes. Raises NotDelivered (permanent) for a message that can't be encoded."""
        try:
            return self._build_mail(message, to).as_bytes(policy=_HEADER_POLICY.clone(utf8=wide))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise NotDelivered(f"letter_{type(error).__name__}", permanent=True) from None

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
        # One-click (RFC 8058) only with an https link, whose token names the customer: mail clients post nothing else.
        if message.unsubscribe.startswith("https:"):
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        return mail


class _SmtpClient(aiosmtplib.SMTP):
    """aiosmtplib's client with DATA in two steps, because nothing was sent until the server asks for the message."""

    async def begin_data(self) -> None:
        """Sends DATA. Raises SMTPDataError if the server refuses."""
        asked = await self.execute_command(b"DATA")
        if asked.code != aiosmtplib.SMTPStatus.start_input:
            raise aiosmtplib.SMTPDataError(asked.code, asked.message)

    async def finish_data(self, message: bytes) -> None:
        """Sends the message and reads the answer. Raises SMTPDataError if the server refuses it."""
        protocol = self.protocol
        if protocol is None:
            raise NotDelivered("disconnected")
        lines = message if message.endswith(b"\r\n") else message + b"\r\n"
        # A line with a single dot ends the message, so dots at the beginning of a line are doubled (RFC 5321 4.5.2).
        stuffed = (b"\r\n" + lines).replace(b"\r\n.", b"\r\n..")[2:]
        protocol.write(stuffed + b".\r\n")
        answer = await protocol.read_response(timeout=self.timeout)
        if answer.code != aiosmtplib.SMTPStatus.completed:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)


async def _send_data(client: _SmtpClient, body: bytes) -> None:
    # NotDelivered only for a refusal: after a time-out or a lost connection the server may have accepted the message.
    try:
        await client.finish_data(body)
    except aiosmtplib.SMTPDataError as refused:
        raise NotDelivered(_error_code(refused), permanent=refused.code >= 500) from None


def _mail_options(client: aiosmtplib.SMTP, size: int, wide: bool) -> list[str]:
    """Parameters of MAIL FROM. Raises NotDelivered (permanent) if the server can't take international addresses."""
    if wide and not client.supports_extension("smtputf8"):
        raise NotDelivered("smtputf8_not_offered", permanent=True)
    sized = [f"SIZE={size}"] if client.supports_extension("size") else []
    return [*sized, *(["BODY=8BITMIME", "SMTPUTF8"] if wide else [])]


def _address_encoding(wide: bool) -> str:
    return "utf-8" if wide else "ascii"


def _header_text(mailbox: Mailbox) -> str:
    """The mailbox as text for a header."""
    # headerregistry.Address would drop the quotes that `"abc..def."@docomo.example` needs.
    return f'"{escape(mailbox.name)}" <{mailbox.address}>' if mailbox.name else mailbox.address


def _recipient_mailbox(message: CustomerMessage) -> Mailbox:
    """The customer's mailbox. Raises NotDelivered (permanent), without the address, for a missing or invalid one."""
    if not (message.to.email or "").strip():
        raise NotDelivered("no_address", permanent=True)
    found = parse_recipient(message.to.email or "")
    if found is None:
        raise NotDelivered("address_unfit", permanent=True)
    return found.model_copy(update={"name": to_single_line(message.to.name or "")})


def _error_code(error: Exception) -> str:
    """A short reason: the server's reply code, or the type of the error. Not its text, which may hold personal data."""
    code = getattr(error, "code", None)
    return f"smtp_{code}" if isinstance(code, int) and code > 0 else type(error).__name__


def create(environment: Mapping[str, str]) -> EmailChannel | None:
    """The channel plug-in; None without SMTP_URL. Raises InvalidInput for an invalid `SMTP_URL` or `MAIL_FROM`."""
    address = environment.get("SMTP_URL", "")
    if not address:
        return None
    sender = environment.get("MAIL_FROM", "")
    return EmailChannel(parse_smtp_url(address), sender)


def sender_name(sender: str) -> str:
    """The name in `MAIL_FROM`: Acme for `Acme <billing@acme.example>`; empty if it has none.

    Raises InvalidInput for an invalid sender.
    """
    return parse_sender(sender).name if sender.strip() else ""
