"""Composes messages in the customer's language: texts from one file per language, layout from two templates."""

import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from babel import Locale
from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from core.base import Value
from core.classification.taxonomy import Cause, Chargeability
from core.errors import InvalidInput, NotDelivered
from core.messages.kinds import MessageKind
from core.messages.recipients import Contact
from notifications.channels import CustomerMessage
from notifications.email import sender_name
from notifications.locales import LANGUAGES, format_customer_amount, format_earliest_date, locale_for

_REASONS: Final = {
    Cause.INSUFFICIENT_FUNDS: "funds",
    Cause.VELOCITY: "limit",
    Cause.TECHNICAL: "technical",
    Cause.API_LIMIT: "technical",
}
_REMEDIES: Final = {
    Cause.CARD_DATA: "card_data",
    Cause.AUTHENTICATION_REQUIRED: "authentication",
    Cause.PERMANENT: "method",
    Cause.FRAUD: "method",
}
SMALLEST_STEP: Final = timedelta(microseconds=1)
_SAFE_LINKS: Final = ("https://", "http://127.0.0.1", "http://localhost")


class MessageSubject(Value):
    """The facts that a message is composed from. Amount in minor units; no personal data but the contact."""

    name: str
    """Unique name of the message."""
    kind: MessageKind
    provider: str
    invoice_id: str
    amount: int
    currency: str
    cause: Cause | None = None
    ability: Chargeability = Chargeability.CHARGEABLE
    retry_at: datetime | None = None
    deadline: datetime | None = None
    """When the customer must have paid: the last retry, or the end of the deadline."""
    contact: Contact
    unsubscribe: str = ""
    """Unsubscribe link of this customer."""
    zones: tuple[str, ...] = ()
    """Time zones that the customer may live in: dates are the earliest in any of them. Empty: the contact's own."""


class MessageComposer:
    """Composes messages. `folder` may hold the merchant's own versions of any of the files.

    `page` is the link for invoices without a page at the provider; it may contain {provider} and {invoice}.
    """

    def __init__(self, company: str = "", folder: Path | None = None, page: str = "") -> None:
        self._company, self._folder, self._page = company, folder, page
        self._compiled: dict[str, Template] = {}
        self._text_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True)
        self._html_environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, autoescape=True, trim_blocks=True
        )

    def compose_message(self, about: MessageSubject, language: str | None = None) -> CustomerMessage:
        """The message in `language`, else in the contact's. Raises NotDelivered (permanent) for a broken template."""
        contact = about.contact.model_copy(update={"language": language}) if language else about.contact
        locale = locale_for(contact)
        try:
            return self._render_message(about, locale)
        except (TemplateError, KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise NotDelivered(f"template_{type(error).__name__}", permanent=True) from error

    def check_words(self) -> None:
        """Reads every language's file. Raises InvalidInput, naming the file or setting, for one that can't be used."""
        if self._page and not self._page.startswith(_SAFE_LINKS):
            raise InvalidInput("CUSTOMER_PAGE_URL is not an address that begins with https://.")
        for language in LANGUAGES:
            words = self._words_by_language[language]
            if missing := [kind.value for kind in MessageKind if kind.value not in words]:
                raise InvalidInput(f"{language}.toml: {', '.join(missing)} is missing")

    @cached_property
    def _words_by_language(self) -> Mapping[str, Mapping[str, Any]]:
        found = {}
        for language in LANGUAGES:
            try:
                found[language] = tomllib.loads(self._read_file(f"{language}.toml"))
            except tomllib.TOMLDecodeError as error:
                raise InvalidInput(f"{language}.toml: {error}") from error
        return found

    def _read_file(self, name: str) -> str:
        own = self._folder / name if self._folder else None
        if own and own.is_file():
            return own.read_text(encoding="utf-8")
        return files("notifications").joinpath("templates", name).read_text(encoding="utf-8")

    def _render_message(self, about: MessageSubject, locale: Locale) -> CustomerMessage:
        words, known = self._words_by_language[locale.language], self._template_values(about, locale)
        own = words[about.kind.value]
        link = known["link"]
        subject, said = self._fill_text(own["subject"], known), [self._fill_text(text, known) for text in own["body"]]
        page: dict[str, Any] = {name: self._fill_text(words[name], known) for name in ("greeting", "regards", "footer")}
        page |= {"body": [text for text in said if text], "subject": subject, "link": link}
        page |= {"language": locale.language, "button": self._fill_text(own["button"], known)}
        # A merchant's own file from an older release has no such text.
        no_more = words.get("unsubscribe", "")
        page |= {"unsubscribe": _unsubscribe_page(about) if no_more else "", "no_more": no_more}
        return CustomerMessage(
            name=about.name,
            kind=about.kind,
            language=locale.language,
            subject=subject,
            short=f"{subject} {link}" if link else subject,
            text=self._text_environment.from_string(self._read_file("letter.txt")).render(page),
            html=self._html_environment.from_string(self._read_file("letter.html")).render(page),
            to=about.contact.model_copy(update={"name": known["name"] or None, "link": link or None}),
            unsubscribe=about.unsubscribe,
        )

    def _fill_text(self, text: str, known: Mapping[str, Any]) -> str:
        return " ".join(self._compiled_template(text).render(known).split(" ")).strip()

    def _compiled_template(self, text: str) -> Template:
        # Compiled once: there are a few dozen texts and many messages.
        if text not in self._compiled:
            self._compiled[text] = self._text_environment.from_string(text)
        return self._compiled[text]

    def _template_values(self, about: MessageSubject, locale: Locale) -> dict[str, Any]:
        contact = about.contact
        return {
            "name": _single_line_name(contact.name),
            "company": self._company,
            "amount": format_customer_amount(about.amount, about.currency, locale),
            "invoice": _single_line_name(contact.invoice_number) or about.invoice_id,
            "link": contact.link if (contact.link or "").startswith(_SAFE_LINKS) else self._merchant_page(about),
            "retry_on": _customer_date(about, about.retry_at, locale),
            # A deadline at midnight ends with the day before: a customer reads a date as "until the end of that day".
            "deadline": _customer_date(about, about.deadline and about.deadline - SMALLEST_STEP, locale),
            "reason": _REASONS.get(about.cause, "bank") if about.cause else "bank",
            "group": _remedy(about),
        }

    def _merchant_page(self, about: MessageSubject) -> str:
        """The merchant's own page for an invoice without one at the provider; empty if none is configured."""
        named = self._page.replace("{provider}", quote(about.provider, safe=""))
        return named.replace("{invoice}", quote(about.invoice_id, safe=""))


def _customer_date(about: MessageSubject, moment: datetime | None, locale: Locale) -> str:
    """A date in the customer's time zone; empty for None."""
    own = about.contact.time_zone
    return format_earliest_date(moment, locale, about.zones or ((own,) if own else ())) if moment else ""


def _unsubscribe_page(about: MessageSubject) -> str:
    """The unsubscribe page to name in the text; empty for a mailto: link, which only the mail header carries."""
    return about.unsubscribe if about.unsubscribe.startswith(_SAFE_LINKS) else ""


def _remedy(about: MessageSubject) -> str:
    """The group of texts by what the customer must do."""
    # That there is nothing to charge comes before the cause of the decline: a new card is needed in any case.
    if about.ability is not Chargeability.CHARGEABLE:
        return "method" if about.ability is Chargeability.NO_METHOD else "no_card"
    return _REMEDIES.get(about.cause, "retry") if about.cause else "retry"


def create_composer(sender: str, folder: str = "", page: str = "") -> MessageComposer:
    """A composer for the settings MAIL_FROM, MESSAGE_DIR and CUSTOMER_PAGE_URL, with every language checked.

    Raises InvalidInput for a setting or a file that can't be used.
    """
    made = MessageComposer(sender_name(sender), Path(folder) if folder else None, page)
    made.check_words()
    return made


def _single_line_name(name: str | None) -> str:
    """A name on one line, up to 100 characters."""
    # The name comes from outside and goes into mail headers: a line break would add a header.
    kept = "".join(letter if letter.isprintable() else " " for letter in name or "")
    return " ".join(kept.split())[:100]


TOKEN_PLACEHOLDER: Final = "{token}"
_INVALID_ADDRESS: Final = "UNSUBSCRIBE_URL is not an address that begins with https:// or mailto:."


class UnsubscribeLinks:
    """Builds the unsubscribe link of a message. Raises InvalidInput for an address that can't be used in a header."""

    def __init__(self, unsubscribe_url: str = "", public_url: str = "") -> None:
        ours = f"{public_url.rstrip('/')}/unsubscribe/{TOKEN_PLACEHOLDER}" if public_url else ""
        self._address = unsubscribe_url.strip() or ours
        fits = self._address.isascii() and self._address.isprintable() and not set(self._address) & set("<> ,")
        if self._address and not (fits and _is_usable(self._address)):
            raise InvalidInput(_INVALID_ADDRESS)

    @property
    def is_personal(self) -> bool:
        """Whether links need a token that names the customer: pages do, a mail comes from the customer anyway."""
        return self._address.startswith(("https://", "http://"))

    def link_for(self, token: str) -> str:
        """The link with the token in place of `{token}`, else as its last parameter; empty without an address."""
        if TOKEN_PLACEHOLDER in self._address or not self.is_personal:
            return self._address.replace(TOKEN_PLACEHOLDER, token)
        bare, hash_, fragment = self._address.partition("#")
        return f"{bare}{'&' if urlsplit(bare).query else '?'}token={token}{hash_}{fragment}"


def _is_usable(address: str) -> bool:
    try:
        parts = urlsplit(address.replace(TOKEN_PLACEHOLDER, "token"))
    except ValueError:
        return False
    return bool(parts.hostname) if parts.scheme in {"https", "http"} else parts.scheme == "mailto"
