"""E-mail over SMTP, one message a connection: `SMTP_URL`, `MAIL_FROM`, `UNSUBSCRIBE_URL`."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime, formataddr, localtime, parseaddr
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from core.errors import InvalidInput, NotDelivered
from notifications.channels import Letter

SECONDS: Final = 10.0
"""For each step of the conversation."""
NOBODY: Final = "billing@localhost"


@dataclass(frozen=True)
class Server:
    """Where mail is handed in. `tls`: from the first byte; otherwise STARTTLS is used where it is offered."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        """Without the password."""
        return f"Server({self.host}:{self.port})"


def read_url(address: str) -> Server:
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
    return Server(parts.hostname, port or (465 if tls else 587 if user else 25), tls, user, password)


class EmailChannel:
    """Hands in mail. What the server refuses surely didn't go out; a silence after the last byte says nothing."""

    def __init__(self, server: Server, sender: str, unsubscribe: str = "", seconds: float = SECONDS) -> None:
        self._server = server
        self._name, self._sender = parseaddr(sender or NOBODY)
        self._unsubscribe = unsubscribe
        self._seconds = seconds

    async def send(self, letter: Letter) -> None:
        """Raises NotDelivered where it surely did not go out."""
        to = _address(letter.to.email)
        body = self.message(letter).as_bytes(policy=WIRE)
        client = aiosmtplib.SMTP(
            hostname=self._server.host, port=self._server.port, use_tls=self._server.tls, timeout=self._seconds,
            username=self._server.user, password=self._server.password,
        )  # fmt: skip
        try:
            await self._announce(client, to)
            await _hand_in(client, body)
        finally:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await client.quit()
            client.close()

    async def _announce(self, client: aiosmtplib.SMTP, to: str) -> None:
        """Everything before the message itself: whatever goes wrong here, nothing was sent."""
        try:
            await client.connect()
            await client.mail(self._sender)
            await client.rcpt(to)
        except aiosmtplib.SMTPRecipientRefused as refused:
            raise NotDelivered("recipient_refused", permanent=refused.code >= 500) from None
        except aiosmtplib.SMTPAuthenticationError:
            raise NotDelivered("login_refused") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise NotDelivered(_code(error)) from None

    def message(self, letter: Letter) -> EmailMessage:
        """The mail: text and HTML, and the headers that make it a decent one."""
        mail = EmailMessage()
        domain = self._sender.rpartition("@")[2] or "localhost"
        mail["From"] = Address(display_name=self._name, addr_spec=self._sender)
        mail["To"] = Address(display_name=letter.to.name or "", addr_spec=_address(letter.to.email))
        mail["Subject"] = letter.subject
        mail["Date"] = format_datetime(localtime())
        mail["Message-ID"] = f"<{letter.name}@{domain}>"
        mail["Content-Language"] = letter.language
        mail["Auto-Submitted"] = "auto-generated"
        mail["List-Unsubscribe"] = f"<{self._unsubscribe or f'mailto:{self._sender}?subject=unsubscribe'}>"
        if self._unsubscribe.startswith("https:"):
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail.set_content(letter.text)
        mail.add_alternative(letter.html, subtype="html")
        return mail


async def _hand_in(client: aiosmtplib.SMTP, body: bytes) -> None:
    """From here on only the server's own answer says that it was not taken."""
    try:
        await client.data(body)
    except aiosmtplib.SMTPDataError as refused:
        raise NotDelivered(_code(refused), permanent=refused.code >= 500) from None


def _address(email: str | None) -> str:
    """The address, if mail can be sent to it; nothing of it is told where not."""
    found = parseaddr(email or "")[1]
    if not found:
        raise NotDelivered("no_address", permanent=True)
    fits = found.isascii() and found.isprintable() and found.count("@") == 1 and " " not in found
    if not fits or not all(found.split("@")):
        raise NotDelivered("address_unfit", permanent=True)
    return found


def _code(error: Exception) -> str:
    """A short reason: the server's number, or the kind of error; its text may name people."""
    code = getattr(error, "code", None)
    return f"smtp_{code}" if isinstance(code, int) and code > 0 else type(error).__name__


def channel(environment: Mapping[str, str]) -> EmailChannel | None:
    """The plug-in. Raises InvalidInput for a wrong `SMTP_URL`."""
    address = environment.get("SMTP_URL", "")
    if not address:
        return None
    sender = environment.get("MAIL_FROM", "")
    return EmailChannel(read_url(address), sender, environment.get("UNSUBSCRIBE_URL", ""))


def sender_name(sender: str) -> str:
    """Who writes, as `MAIL_FROM` names them: `Acme <billing@acme.example>` is Acme; empty where it names nobody."""
    name, address = parseaddr(sender)
    return name if formataddr((name, address)) and name else ""
