"""`pri notify preview`: prints a message as a customer would get it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from commands import console
from core.classification.taxonomy import Cause
from core.errors import InvalidInput
from core.messages.kinds import MessageKind
from notifications import preview as previews
from notifications.composer import create_composer
from notifications.preview import EdgeCase, MessageExample
from settings import Settings


def print_preview(
    settings: Settings,
    kind: str,
    *,
    language: str,
    html: bool,
    cause: str | None,
    amount: int,
    currency: str,
    edges: Sequence[str] = (),
) -> None:
    """Prints the message, its HTML part if `html` is set.

    Raises InvalidInput for an unknown kind, cause or edge case and for settings that can't be used, NotDelivered for a
    broken template.
    """
    example = MessageExample(
        kind=_parse_kind(kind),
        language=language,
        cause=_parse_cause(_parse_kind(kind), cause),
        amount=amount,
        currency=currency,
        edges=frozenset(map(_parse_edge, edges)),
    )
    composer = create_composer(settings.mail_from, settings.message_dir, settings.customer_page_url)
    message = previews.preview_message(composer, example, datetime.now(UTC))
    console.print_result(message.html if html else f"{message.subject}\n\n{message.text}")


def _parse_kind(text: str) -> MessageKind:
    if text not in set(MessageKind):
        raise InvalidInput(f"{text!r} is no kind of message; there are {', '.join(MessageKind)}")
    return MessageKind(text)


def _parse_edge(text: str) -> EdgeCase:
    if text not in set(EdgeCase):
        raise InvalidInput(f"{text!r} is no edge case; there are {', '.join(EdgeCase)}")
    return EdgeCase(text)


def _parse_cause(kind: MessageKind, text: str | None) -> Cause | None:
    if text is not None and text not in set(Cause):
        raise InvalidInput(
            f"{text!r} is no cause for {kind.value}; there are {', '.join(previews.causes_for_kind(kind))}"
        )
    return Cause(text) if text is not None else None
