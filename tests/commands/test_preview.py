"""`pri notify preview`: what a customer would get, without sending anything."""

import pytest

from tests.commands.conftest import Pri


def test_a_message_as_a_customer_would_get_it(pri: Pri) -> None:
    answer = pri("notify", "preview", "payment_failed", "--language", "de", MAIL_FROM="Acme <billing@acme.example>")
    assert answer.code == 0
    assert answer.out.startswith(
        "Ihre Zahlung über 49,00\N{NO-BREAK SPACE}€ ist nicht angekommen\n\nGuten Tag Jenny Rosen,"
    )
    assert "an Acme konnte nicht eingezogen werden: Das Konto war nicht ausreichend gedeckt." in answer.out


def test_the_html_part(pri: Pri) -> None:
    answer = pri("notify", "preview", "card_data", "--html", "--currency", "JPY")
    assert answer.out.startswith("<!doctype html>")
    assert "¥4,900" in answer.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("update_your_card",), "'update_your_card' is no message; there are payment_failed"),
        (("card_data", "--cause", "INSUFFICIENT_FUNDS"), "'INSUFFICIENT_FUNDS' is no cause for card_data"),
    ],
)
def test_what_does_not_exist_is_one_clear_error(pri: Pri, words: tuple[str, ...], said: str) -> None:
    assert said in pri("notify", "preview", *words).complaint()


def test_webhooks_without_a_secret_are_refused_at_start(pri: Pri) -> None:
    answer = pri("notify", "preview", "ended", OUTGOING_WEBHOOK_URLS="https://example.com/hook")
    assert "OUTGOING_WEBHOOK_URLS needs OUTGOING_WEBHOOK_SECRET" in answer.complaint()
