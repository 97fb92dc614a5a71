"""`pri notify preview`: a message as a customer would get it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from commands import console
from core.classifier.taxonomy import Cause
from core.errors import InvalidInput
from core.messages.contact import Contact
from core.messages.kinds import FITS, MessageKind
from notifications.email import sender_name
from notifications.letters import Letters, Subject
from settings import Settings


def letters(settings: Settings) -> Letters:
    """As the worker writes them. Raises InvalidInput for a file of words that can't be used."""
    made = Letters(sender_name(settings.mail_from), Path(settings.message_dir) if settings.message_dir else None)
    made.check()
    return made


def preview(
    settings: Settings, kind: str, language: str, html: bool, cause: str | None, amount: int, currency: str
) -> None:
    """Print it. Raises InvalidInput for a kind or a cause that doesn't exist."""
    about = _about(_kind(kind), _cause(_kind(kind), cause), amount, currency)
    letter = letters(settings).write(about, language)
    console.result(letter.html if html else f"{letter.subject}\n\n{letter.text}")


def _kind(text: str) -> MessageKind:
    if text not in set(MessageKind):
        raise InvalidInput(f"{text!r} is no message; there are {', '.join(MessageKind)}")
    return MessageKind(text)


def _cause(kind: MessageKind, text: str | None) -> Cause | None:
    fitting = [one for one in Cause if one in FITS.get(kind, frozenset(Cause))]
    if text is None:
        return Cause.INSUFFICIENT_FUNDS if Cause.INSUFFICIENT_FUNDS in fitting else fitting[0]
    if text not in fitting:
        raise InvalidInput(f"{text!r} is no cause for {kind.value}; there are {', '.join(fitting)}")
    return Cause(text)


def _about(kind: MessageKind, cause: Cause | None, amount: int, currency: str) -> Subject:
    now = datetime.now(UTC)
    person = Contact(email="jenny@example.com", name="Jenny Rosen", link="https://pay.example.com/invoice")
    retried = cause in FITS[MessageKind.PAYMENT_FAILED] and kind is MessageKind.PAYMENT_FAILED
    return Subject(
        name="preview",
        kind=kind,
        provider="stripe",
        invoice_id="in_1234567890",
        amount=amount,
        currency=currency,
        cause=cause,
        retry_at=now + timedelta(days=1) if retried else None,
        deadline=now + timedelta(days=7),
        contact=person,
    )
