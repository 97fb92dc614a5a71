"""`pri notify preview`: messages as customers would get them, without sending any."""

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


def test_preview_of_edge_cases(pri: Pri) -> None:
    page = "https://acme.example/pay/{invoice}"
    words = ("notify", "preview", "no_method", "--edge", "no_name", "--edge", "no_link", "--edge", "zero_decimals")
    answer = pri(*words, CUSTOMER_PAGE_URL=page)
    assert "¥4,900" in answer.out
    assert "Hello," in answer.out
    assert "https://acme.example/pay/in_1234567890" in answer.out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("update_your_card",), "'update_your_card' is no kind of message; there are payment_failed"),
        (("card_data", "--cause", "NONSENSE"), "'NONSENSE' is no cause for card_data; there are CARD_DATA"),
        (("card_data", "--edge", "no_sense"), "'no_sense' is no edge case; there are no_name"),
        (("card_data", "--cause", "INSUFFICIENT_FUNDS"), "'INSUFFICIENT_FUNDS' is no cause for card_data"),
    ],
)
def test_unknown_preview_is_a_one_line_error(pri: Pri, words: tuple[str, ...], problem: str) -> None:
    assert problem in pri("notify", "preview", *words).error_line()


def test_webhooks_without_a_secret_are_refused_at_start(pri: Pri) -> None:
    answer = pri("notify", "preview", "ended", OUTGOING_WEBHOOK_URLS="https://example.com/hook")
    assert "OUTGOING_WEBHOOK_URLS needs OUTGOING_WEBHOOK_SECRET" in answer.error_line()
