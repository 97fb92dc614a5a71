"""A message in the customer's language: the words from one file per language, the layout from two templates."""

import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from babel import Locale
from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from core.base import Value
from core.classifier.taxonomy import Cause, Chargeability
from core.errors import InvalidInput, NotDelivered
from core.messages.contact import Contact
from core.messages.kinds import MessageKind
from notifications.channels import Letter
from notifications.email import sender_name
from notifications.locales import LANGUAGES, day, locale_for, money

_REASONS: Final = {
    Cause.INSUFFICIENT_FUNDS: "funds",
    Cause.VELOCITY: "limit",
    Cause.TECHNICAL: "technical",
    Cause.API_LIMIT: "technical",
}
_GROUPS: Final = {
    Cause.CARD_DATA: "card_data",
    Cause.AUTHENTICATION_REQUIRED: "authentication",
    Cause.PERMANENT: "method",
    Cause.FRAUD: "method",
}
MOMENT: Final = timedelta(microseconds=1)
_SAFE_LINKS: Final = ("https://", "http://127.0.0.1", "http://localhost")


class Subject(Value):
    """What a message is about: no personal data but the contact."""

    name: str
    """Of the message."""
    kind: MessageKind
    provider: str
    invoice_id: str
    amount: int
    currency: str
    cause: Cause | None = None
    ability: Chargeability = Chargeability.CHARGEABLE
    retry_at: datetime | None = None
    deadline: datetime | None = None
    """The last retry or the customer's last day."""
    contact: Contact
    unsubscribe: str = ""
    """Where this customer ends such messages."""
    zones: tuple[str, ...] = ()
    """Where the customer may live: the earliest of their dates is named. Left out: the contact's own time zone."""


class Letters:
    """Writes letters. A folder of the merchant's own may hold other versions of any of the files.

    `page` is linked to where the provider has no page for the invoice; it may hold {provider} and {invoice}.
    """

    def __init__(self, company: str = "", folder: Path | None = None, page: str = "") -> None:
        self._company, self._folder, self._page = company, folder, page
        self._compiled: dict[str, Template] = {}
        self._plain = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True)
        self._marked = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=True, trim_blocks=True)

    def write(self, about: Subject, language: str | None = None) -> Letter:
        """The letter. Raises NotDelivered where a template can't be filled in."""
        told = about.contact.model_copy(update={"language": language}) if language else about.contact
        locale = locale_for(told)
        try:
            return self._written(about, locale)
        except (TemplateError, KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise NotDelivered(f"template_{type(error).__name__}", permanent=True) from error

    def check(self) -> None:
        """Read every language once. Raises InvalidInput naming the file or the setting that is wrong."""
        if self._page and not self._page.startswith(_SAFE_LINKS):
            raise InvalidInput("CUSTOMER_PAGE_URL is not an address that begins with https://.")
        for language in LANGUAGES:
            words = self._words[language]
            if missing := [kind.value for kind in MessageKind if kind.value not in words]:
                raise InvalidInput(f"{language}.toml: {', '.join(missing)} is missing")

    @cached_property
    def _words(self) -> Mapping[str, Mapping[str, Any]]:
        found = {}
        for language in LANGUAGES:
            try:
                found[language] = tomllib.loads(self._file(f"{language}.toml"))
            except tomllib.TOMLDecodeError as error:
                raise InvalidInput(f"{language}.toml: {error}") from error
        return found

    def _file(self, name: str) -> str:
        own = self._folder / name if self._folder else None
        if own and own.is_file():
            return own.read_text(encoding="utf-8")
        return files("notifications").joinpath("templates", name).read_text(encoding="utf-8")

    def _written(self, about: Subject, locale: Locale) -> Letter:
        words, known = self._words[locale.language], self._known(about, locale)
        own = words[about.kind.value]
        link = known["link"]
        subject, said = self._fill(own["subject"], known), [self._fill(text, known) for text in own["body"]]
        page: dict[str, Any] = {name: self._fill(words[name], known) for name in ("greeting", "regards", "footer")}
        page |= {"body": [text for text in said if text], "subject": subject, "link": link}
        page |= {"language": locale.language, "button": self._fill(own["button"], known)}
        # A merchant's own words from an older release don't have these.
        no_more = words.get("unsubscribe", "")
        page |= {"unsubscribe": _page_of(about) if no_more else "", "no_more": no_more}
        return Letter(
            name=about.name,
            kind=about.kind,
            language=locale.language,
            subject=subject,
            short=f"{subject} {link}" if link else subject,
            text=self._plain.from_string(self._file("letter.txt")).render(page),
            html=self._marked.from_string(self._file("letter.html")).render(page),
            to=about.contact.model_copy(update={"name": known["name"] or None, "link": link or None}),
            unsubscribe=about.unsubscribe,
        )

    def _fill(self, text: str, known: Mapping[str, Any]) -> str:
        return " ".join(self._template(text).render(known).split(" ")).strip()

    def _template(self, text: str) -> Template:
        """Compiled once: the words are a few dozen, the letters many."""
        if text not in self._compiled:
            self._compiled[text] = self._plain.from_string(text)
        return self._compiled[text]

    def _known(self, about: Subject, locale: Locale) -> dict[str, Any]:
        contact = about.contact
        return {
            "name": _one_line(contact.name),
            "company": self._company,
            "amount": money(about.amount, about.currency, locale),
            "invoice": about.invoice_id,
            "link": contact.link if (contact.link or "").startswith(_SAFE_LINKS) else self._own_page(about),
            "retry_on": _day(about, about.retry_at, locale),
            # What ends at midnight ends with the day before.
            "deadline": _day(about, about.deadline and about.deadline - MOMENT, locale),
            "reason": _REASONS.get(about.cause, "bank") if about.cause else "bank",
            "group": _group(about),
        }

    def _own_page(self, about: Subject) -> str:
        """The merchant's own page, where the provider has none for the invoice; empty where there is neither."""
        named = self._page.replace("{provider}", quote(about.provider, safe=""))
        return named.replace("{invoice}", quote(about.invoice_id, safe=""))


def _day(about: Subject, moment: datetime | None, locale: Locale) -> str:
    """A date by the customer's clock; empty where there is none."""
    own = about.contact.time_zone
    return day(moment, locale, about.zones or ((own,) if own else ())) if moment else ""


def _page_of(about: Subject) -> str:
    """The page where the customer ends such messages, for the text itself; a mail to the sender needs no words."""
    return about.unsubscribe if about.unsubscribe.startswith(_SAFE_LINKS) else ""


def _group(about: Subject) -> str:
    """What kind of mending is asked for: that nothing can be charged counts before what the bank said."""
    if about.ability is not Chargeability.CHARGEABLE:
        return "method" if about.ability is Chargeability.NO_METHOD else "no_card"
    return _GROUPS.get(about.cause, "retry") if about.cause else "retry"


def letters_of(sender: str, folder: str = "", page: str = "") -> Letters:
    """Letters as these settings (MAIL_FROM, MESSAGE_DIR, CUSTOMER_PAGE_URL) want them. Raises InvalidInput."""
    made = Letters(sender_name(sender), Path(folder) if folder else None, page)
    made.check()
    return made


def _one_line(name: str | None) -> str:
    """A name as people write it: somebody else's text ends in headers and must not add any."""
    kept = "".join(letter if letter.isprintable() else " " for letter in name or "")
    return " ".join(kept.split())[:100]
