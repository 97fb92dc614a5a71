"""Message texts in every language, for every kind and edge case."""

import re
import tomllib
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from core.classification.taxonomy import Cause
from core.errors import InvalidInput, NotDelivered
from core.messages.kinds import CAUSES_BY_KIND, MessageKind
from core.messages.recipients import Contact
from core.money import currency_decimals, to_major_units
from notifications.composer import MessageComposer, create_composer
from notifications.locales import LANGUAGES, format_customer_amount, locale_for
from tests.notifications.conftest import JENNY, a_message, a_subject

KINDS = [(kind, cause) for kind in MessageKind for cause in sorted(CAUSES_BY_KIND.get(kind, set(Cause)))]
EDGES: dict[str, dict[str, Any]] = {
    "everything known": {},
    "no name": {"contact": JENNY.model_copy(update={"name": None})},
    "no link": {"contact": JENNY.model_copy(update={"link": None})},
    "nothing known": {"contact": Contact(email="a@example.com"), "retry_at": None, "deadline": None},
    "no decimals": {"currency": "JPY"},
    "three decimals": {"currency": "KWD"},
    "nothing to pay": {"amount": 0},
    "lower case": {"currency": "usd"},
    "strange zone": {"contact": JENNY.model_copy(update={"time_zone": "Mars/Olympus"})},
}


@pytest.mark.parametrize(("language", "edge"), list(product(LANGUAGES, EDGES)))
def test_every_kind_renders_in_every_language_at_every_edge(language: str, edge: str) -> None:
    composer = MessageComposer("Acme")
    for kind, cause in KINDS:
        message = composer.compose_message(a_subject(kind, **{"cause": cause, **EDGES[edge]}), language)
        assert message.language == language
        for text in (message.subject, message.text, message.html, message.short):
            assert text.strip()
            assert not {"{{", "{%", "None", "Undefined"} & {
                part for part in ("{{", "{%", "None", "Undefined") if part in text
            }
        assert message.html.startswith("<!doctype html>")
        assert "\n" not in message.subject


@pytest.mark.parametrize("language", LANGUAGES)
def test_insufficient_funds_messages_do_not_ask_for_another_card(language: str) -> None:
    words = {"en": "card", "de": "karte", "fr": "carte", "es": "tarjeta", "pt": "cartão"}
    for kind in (MessageKind.PAYMENT_FAILED, MessageKind.LAST_WARNING, MessageKind.ENDED):
        text = MessageComposer().compose_message(a_subject(kind), language).text.partition("\n-- \n")[0]
        assert words[language] not in text.lower()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_placeholders(language: str) -> None:
    """Same kinds, same number of paragraphs, same variables as the English words."""
    folder = Path(__file__).parents[2] / "notifications" / "templates"
    english, other = (tomllib.loads((folder / f"{name}.toml").read_text()) for name in ("en", language))
    assert english.keys() == other.keys()
    for name, words in english.items():
        for key in words if isinstance(words, dict) else ():
            placeholders = [re.findall(r"{[{%].*?[%}]}", str(text[name][key])) for text in (english, other)]
            assert sorted(placeholders[0]) == sorted(placeholders[1]), (name, key)


def test_names_are_escaped_in_html() -> None:
    message = a_message(contact=JENNY.model_copy(update={"name": "<script>{{ 7*7 }}</script>"}))
    assert "<script>" not in message.html
    assert "49</script>" not in message.text
    assert "{{ 7*7 }}" in message.text


def test_the_merchants_number_of_the_invoice_is_named_where_there_is_one() -> None:
    assert "your invoice in_1." in a_message(contact=JENNY.model_copy(update={"invoice_number": None})).text
    numbered = a_message(contact=JENNY.model_copy(update={"invoice_number": "ACME-\n0042"}))
    assert "your invoice ACME- 0042." in numbered.text
    assert "invoice in_1" not in numbered.text


@pytest.mark.parametrize("link", ["javascript:alert(1)", "http://example.com", "data:text/html,x"])
def test_only_safe_links_are_passed_on(link: str) -> None:
    message = a_message(contact=JENNY.model_copy(update={"link": link}))
    assert link not in message.html + message.text


PAGE = "https://acme.example/pay?invoice={invoice}&by={provider}"


@pytest.mark.parametrize("link", [None, "", "javascript:alert(1)"])
def test_without_a_page_of_the_provider_the_merchants_own_is_linked_to(link: str | None) -> None:
    about = a_subject(provider="adyen", invoice_id="2026/11 &x=1", contact=JENNY.model_copy(update={"link": link}))
    message = MessageComposer("Acme", page=PAGE).compose_message(about)
    own = "https://acme.example/pay?invoice=2026%2F11%20%26x%3D1&by=adyen"
    assert own in message.text
    assert own.replace("&", "&amp;") in message.html
    assert message.short.endswith(own)
    assert message.to.link == own


def test_providers_payment_page_takes_precedence() -> None:
    message = MessageComposer("Acme", page=PAGE).compose_message(a_subject())
    assert "https://pay.example.com/in_1" in message.text
    assert "acme.example" not in message.text + message.html


@pytest.mark.parametrize("page", ["http://acme.example", "acme.example/pay", "javascript:alert(1)"])
def test_unsafe_page_address_is_refused_at_start(page: str) -> None:
    with pytest.raises(InvalidInput, match="CUSTOMER_PAGE_URL"):
        create_composer("Acme <billing@acme.example>", page=page)


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        (Contact(language="de"), "de"),
        (Contact(language="pt-BR"), "pt_BR"),
        (Contact(language="fr_CA"), "fr_CA"),
        (Contact(language="en", country="DE"), "en_DE"),
        (Contact(language="ja"), "en"),
        (Contact(country="AT"), "de_AT"),
        (Contact(country="US"), "en_US"),
        (Contact(), "en"),
        (Contact(language="x" * 300), "en"),
    ],
)
def test_the_language_is_the_customers_or_else_english(contact: Contact, expected: str) -> None:
    assert str(locale_for(contact)) == expected


def test_amounts_are_formatted_per_language() -> None:
    english, german = locale_for(Contact(language="en")), locale_for(Contact(language="de"))
    assert format_customer_amount(4900, "EUR", english) == "€49.00"
    assert format_customer_amount(4900, "JPY", english) == "¥4,900"
    assert format_customer_amount(4900, "KWD", english) == "KWD\u00a04.900"
    assert format_customer_amount(123456, "EUR", german) == "1.234,56\u00a0€"
    assert format_customer_amount(4900, "ISK", english) == "ISK\u00a04,900"
    assert format_customer_amount(5000, "UGX", english) == "UGX\u00a05,000"
    assert format_customer_amount(1_000_000, "IDR", english) == "IDR\u00a010,000.00"
    assert (currency_decimals("eur"), str(to_major_units(1, "EUR"))) == (2, "0.01")


def test_merchants_templates_replace_ours(tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "notifications" / "templates" / "en.toml").read_text()
    (tmp_path / "en.toml").write_text(shipped.replace("Hello", "Ahoy"))
    composer = MessageComposer("Acme", tmp_path)
    composer.check_words()
    assert composer.compose_message(a_subject(), "en").text.startswith("Ahoy Jenny Rosen,")
    assert composer.compose_message(a_subject(), "de").text.startswith("Guten Tag")


def greeting_words(greeting: str) -> str:
    """A template file with this greeting, as TOML."""
    rest = "regards = ''\nfooter = ''\n[payment_failed]\nsubject = 'x'\nbody = []\nbutton = ''\n"
    return f"greeting = {greeting}\n{rest}"


def test_broken_templates_are_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text("greeting = ")
    with pytest.raises(InvalidInput, match=r"en\.toml"):
        MessageComposer("", tmp_path).check_words()
    (tmp_path / "en.toml").write_text(greeting_words('"{{ nobody_knows }}"'))
    with pytest.raises(NotDelivered) as refused:
        MessageComposer("", tmp_path).compose_message(a_subject(), "en")
    assert refused.value.permanent


def test_templates_are_sandboxed(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text(greeting_words('"{{ amount.__class__.__mro__ }}"'))
    with pytest.raises(NotDelivered):
        MessageComposer("", tmp_path).compose_message(a_subject(), "en")


def test_repr_of_a_message_shows_no_personal_data() -> None:
    assert "jenny" not in f"{a_message()!r} {a_message()} {JENNY!r} {JENNY}".lower()


@pytest.mark.parametrize("language", LANGUAGES)
def test_footer_links_to_the_unsubscribe_page(language: str) -> None:
    page = "https://pri.example/unsubscribe/TOKEN"
    message = MessageComposer("Acme").compose_message(a_subject(unsubscribe=page), language)
    assert message.text.rstrip().splitlines()[-1].endswith(f": {page}")
    assert f'<a href="{page}"' in message.html
    assert message.unsubscribe == page


@pytest.mark.parametrize("where", ["", "mailto:stop@acme.example", "javascript:alert(1)"])
def test_footer_without_an_unsubscribe_page(where: str) -> None:
    message = a_message(unsubscribe=where)
    assert "No more messages" not in message.text + message.html


def test_templates_of_an_older_release_still_work(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text(greeting_words('"Hello"'))
    message = MessageComposer("", tmp_path).compose_message(
        a_subject(unsubscribe="https://pri.example/unsubscribe/TOKEN"), "en"
    )
    assert "unsubscribe" not in message.text
