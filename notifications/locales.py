"""Language, money and dates as the customer reads them."""

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
"""Where a customer's language isn't known, but the country is."""
_LETTER_BY_DIGIT: Final = re.compile(r"(?<=[^\W\d_])(?=\d)")
"""CHF49.00 wants a space, $49.00 doesn't."""


def locale_for(contact: Contact) -> Locale:
    """The customer's locale, in one of our languages; English where nothing is known."""
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
    """Minor units as text: 4900 EUR is €49.00, 4900 JPY is ¥4,900. Decimals are ISO's, not CLDR's."""
    if not currency:
        return str(amount)
    pattern, places = copy.copy(locale.currency_formats["standard"]), currency_decimals(currency)
    pattern.frac_prec = (places, places)
    text: str = pattern.apply(
        to_major_units(amount, currency), locale, currency=currency.upper(), currency_digits=False
    )
    return _LETTER_BY_DIGIT.sub("\u00a0", text).replace("\u202f", "\u00a0")


def format_earliest_date(moment: datetime, locale: Locale, zones: Sequence[str]) -> str:
    """The earliest date that it is in these time zones, in words; UTC counts where none is known."""
    known = [moment.astimezone(_parse_zone(name)).date() for name in zones or ("UTC",)]
    return str(format_date(min(known), format="long", locale=locale))


def _parse_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
