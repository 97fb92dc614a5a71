"""Previews of every message: kind, language, edge case."""

from itertools import product

import pytest

from core.classification.taxonomy import Cause
from core.errors import InvalidInput
from core.messages.kinds import CAUSES_BY_KIND, MessageKind
from notifications.composer import MessageComposer
from notifications.locales import LANGUAGES
from notifications.preview import EdgeCase, MessageExample, causes_for_kind, preview_message
from tests.support.builders import THEN

COMPOSER = MessageComposer("Acme")


@pytest.mark.parametrize(("kind", "language"), list(product(MessageKind, LANGUAGES)))
def test_each_kind_in_each_language_with_each_edge_and_all_of_them(kind: MessageKind, language: str) -> None:
    for edges in (frozenset[EdgeCase](), *(frozenset({edge}) for edge in EdgeCase), frozenset(EdgeCase)):
        message = preview_message(COMPOSER, MessageExample(kind=kind, language=language, edges=edges), THEN)
        assert (message.kind, message.language) == (kind, language)
        assert ("Jenny" in message.text) is (EdgeCase.NO_NAME not in edges)
        assert ("https://pay.example.com/" in message.html) is (EdgeCase.NO_LINK not in edges)
        assert ("49,00" in message.subject or "49.00" in message.subject) is (EdgeCase.ZERO_DECIMALS not in edges)
        assert "2026" not in message.text or EdgeCase.NO_DATES not in edges


@pytest.mark.parametrize("kind", list(MessageKind))
def test_each_kind_can_be_shown_for_each_of_its_causes_and_for_no_other(kind: MessageKind) -> None:
    for cause in Cause:
        if cause in CAUSES_BY_KIND.get(kind, frozenset(Cause)):
            assert preview_message(COMPOSER, MessageExample(kind=kind, cause=cause), THEN).subject
        else:
            with pytest.raises(InvalidInput, match=f"'{cause.value}' is no cause for {kind.value}; there are"):
                preview_message(COMPOSER, MessageExample(kind=kind, cause=cause), THEN)


def test_the_usual_cause_comes_first() -> None:
    assert causes_for_kind(MessageKind.PAYMENT_FAILED)[0] is Cause.INSUFFICIENT_FUNDS
    assert causes_for_kind(MessageKind.CARD_DATA) == (Cause.CARD_DATA,)
    assert "not enough money" in preview_message(COMPOSER, MessageExample(kind=MessageKind.PAYMENT_FAILED), THEN).text


def test_preview_shows_the_merchants_page_where_the_provider_has_none() -> None:
    example = MessageExample(kind=MessageKind.CARD_DATA, edges=frozenset({EdgeCase.NO_LINK}))
    message = preview_message(MessageComposer(page="https://acme.example/pay/{provider}/{invoice}"), example, THEN)
    assert "https://acme.example/pay/stripe/in_1234567890" in message.text
