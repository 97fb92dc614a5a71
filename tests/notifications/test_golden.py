"""The messages as customers read them, word for word and in the order that readers need."""

import pytest

from core.messages.kinds import MessageKind
from notifications.composer import MessageComposer
from notifications.locales import LANGUAGES
from tests.notifications.conftest import a_subject
from tests.notifications.golden import composed_messages, golden_file

REQUESTS = (MessageKind.CARD_DATA, MessageKind.AUTHENTICATION, MessageKind.NO_METHOD)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_equals_its_golden_file(language: str) -> None:
    assert composed_messages(language) == golden_file(language).read_text(encoding="utf-8"), (
        "read the change, then write it with python -m tests.notifications.golden"
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", REQUESTS)
def test_message_order_is_event_request_deadline_link(kind: MessageKind, language: str) -> None:
    message = MessageComposer("Acme").compose_message(a_subject(kind), language)
    paragraphs = message.text.partition("\n-- \n")[0].split("\n\n")
    event, request, deadline, lead, link = paragraphs[1:6]
    assert "Acme" in event
    assert request.endswith(".")
    assert any(digit in deadline for digit in "123456789")
    assert lead.endswith(":")
    assert link.startswith("https://")
