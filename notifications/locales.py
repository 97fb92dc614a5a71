"""Language, amounts and dates in the customer's locale."""

import copy
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date

from core.messages.recipients import Contact
from core.money import currency_decimals, to_major_units

LANGUAGES: Final = ("en", "de", "fr", "es", "pt")
_LANGUAGE_BY_COUNTRY: Final = {
    "DE": "de", "AT": "de", "CH": "de", "LI": "de", "FR": "fr", "MC": "fr", "ES": "es", "MX": "es", "AR": "es",
    "CL": "es", "CO": "es", "PE": "es", "PT": "pt", "BR": "pt",
}  # fmt: skip
"""Language of customers whose country is known and whose language isn't."""
_LETTER_BY_DIGIT: Final = re.compile(r"(?<=[^\W\d_])(?=\d)")
"""Between a letter and a digit: CHF49.00 needs a space, $49.00 doesn't."""


def locale_for(contact: Contact) -> Locale:
    """The customer's locale in one of our languages; English if their language is another one or unknown."""
    said = (contact.language or "").replace("_", "-").strip()
    language = said.partition("-")[0].lower()
    if language not in LANGUAGES:
        language = _LANGUAGE_BY_COUNTRY.get((contact.country or "").upper(), "en") if not said else "en"
    for region in (said.partition("-")[2], contact.country):
        if region and (found := _parse_locale(f"{language}_{region.upper()}")):
            return found
    return Locale.parse(language)


def _parse_locale(name: str) -> Locale | None:
    try:
        return Locale.parse(name)
    except (UnknownLocaleError, ValueError, TypeError):
        return None


def format_customer_amount(amount: int, currency: str, locale: Locale) -> str:
    """An amount in minor units as text: 4900 EUR is €49.00, 4900 JPY is ¥4,900. Decimals are ISO 4217's, not CLDR's."""
    if not currency:
        return str(amount)
    pattern, places = copy.copy(locale.currency_formats["standard"]), currency_decimals(currency)
    pattern.frac_prec = (places, places)
    text: str = pattern.apply(
        to_major_units(amount, currency), locale, currency=currency.upper(), currency_digits=False
    )
    return _LETTER_BY_DIGIT.sub("\u00a0", text).replace("\u202f", "\u00a0")


def format_earliest_date(moment: datetime, locale: Locale, zones: Sequence[str]) -> str:
    """The earliest date of the moment in these time zones, as text in the locale; in UTC without zones."""
    known = [moment.astimezone(_parse_zone(name)).date() for name in zones or ("UTC",)]
    return str(format_date(min(known), format="long", locale=locale))


def _parse_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
