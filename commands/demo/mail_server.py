"""The mail server of the demo: keeps every message that it receives from the worker, and delivers none."""

import email
import email.policy
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from devstack.ports import free_port


@dataclass
class Mailbox:
    """The messages received so far. Written by the server's thread, read by another."""

    port: int
    _mails: list[EmailMessage] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        """Keeps a message; aiosmtpd calls it for each one."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        mail = email.message_from_bytes(content, policy=email.policy.default)
        with self._lock:
            self._mails.append(mail)
        return "250 taken"

    @property
    def mails(self) -> Sequence[EmailMessage]:
        """The messages in the order of their arrival."""
        with self._lock:
            return tuple(self._mails)

    @property
    def smtp_settings(self) -> dict[str, str]:
        """The worker's settings for this server."""
        return {"SMTP_URL": f"smtp://127.0.0.1:{self.port}", "MAIL_FROM": "Demo Shop <billing@shop.example>"}


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Runs a mail server on a free local port during the block."""
    box = Mailbox(free_port())
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


def is_about_invoice(mail: EmailMessage, invoice: str) -> bool:
    """Whether a mail is about this invoice."""
    body = mail.get_body(("plain",))
    return body is not None and invoice in body.get_content()
