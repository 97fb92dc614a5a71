"""How values are written on pages: money, moments, spans, and the names that people use for states and causes."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from babel.core import UnknownLocaleError
from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_compact_currency, format_currency, format_decimal, format_percent
from markupsafe import Markup, escape

from api.admin.people import ROOT
from core.events import State
from core.money import to_major_units

LOCALE: Final = "en"
STATES: Final[Mapping[str, str]] = {
    State.RECEIVED: "Received",
    State.CLASSIFIED: "Classified",
    State.SEGMENTED: "Segmented",
    State.WAITING: "Waiting to retry",
    State.CHARGING: "Charging",
    State.AWAITING_CUSTOMER: "Waiting for customer",
    State.IN_REVIEW: "In review",
    State.PAUSED: "Paused",
    State.RECOVERED: "Recovered",
    State.EXHAUSTED: "Exhausted",
    State.CANCELED: "Canceled",
    State.BLOCKED: "Blocked",
}
_TONES: Final[Mapping[str, str]] = {
    State.RECOVERED: "good",
    State.BLOCKED: "bad",
    State.IN_REVIEW: "warn",
    State.PAUSED: "warn",
    State.AWAITING_CUSTOMER: "warn",
    State.EXHAUSTED: "done",
    State.CANCELED: "done",
}
_ACRONYMS: Final = {"api": "API", "id": "ID", "sms": "SMS"}


def money(amount: int | None, currency: str) -> str:
    """An amount in minor units as people write it; an amount without a known currency stays a bare number."""
    if amount is None:
        return "—"
    if not currency:
        return f"{amount:,} (currency not known yet)"
    value = to_major_units(amount, currency)
    digits = -int(value.as_tuple().exponent)
    pattern = "¤#,##0" + ("." + "0" * digits if digits > 0 else "")
    try:
        return format_currency(value, currency.upper(), pattern, locale=LOCALE, currency_digits=False)
    except (UnknownLocaleError, ValueError):
        return f"{value:,} {currency}"


def short_money(amount: int, currency: str) -> str:
    """An amount in minor units, rounded to what fits a tile: €1.2M."""
    value = to_major_units(amount, currency)
    return (
        money(amount, currency)
        if abs(value) < 100_000
        else format_compact_currency(value, currency.upper(), locale=LOCALE, fraction_digits=2)
    )


def number(value: float | None) -> str:
    """With separators for thousands; a dash for nothing."""
    return "—" if value is None else format_decimal(value, locale=LOCALE)


def percent(share: float | None, digits: int = 1) -> str:
    """0.431 as 43.1%; a dash where there is nothing to divide by."""
    return (
        "—" if share is None else format_percent(share, f"#,##0.{'0' * digits}%" if digits else "#,##0%", locale=LOCALE)
    )


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign: 0.0014 as +0.14."""
    return f"{round(100 * share, 2) + 0.0:+.2f}"


def moment(at: datetime | None, now: datetime | None = None) -> Markup:
    """A moment for people and programs: UTC on the page, how far away it is where `now` is given."""
    if at is None:
        return Markup('<span class="none">—</span>')
    utc = at.astimezone(UTC)
    text = format_datetime(utc, "d MMM y, HH:mm:ss", locale=LOCALE)
    near = f' <span class="away">{escape(away(utc, now))}</span>' if now else ""
    return Markup('<time datetime="{}" title="{} UTC">{}</time>{}').format(
        utc.isoformat(), text, text.rpartition(":")[0] + " UTC", Markup(near)
    )


def away(at: datetime, now: datetime) -> str:
    """In 3 hours, 2 days ago."""
    return format_timedelta(at - now, add_direction=True, threshold=1.2, locale=LOCALE)


def span(seconds: float | timedelta | None) -> str:
    """A length of time in its two largest units: 3 h, 1 d 4 h."""
    if seconds is None:
        return "—"
    left = round(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    if left < 1:
        return "no time"
    said = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            said.append(f"{count} {unit}")
    return " ".join(said[:2])


def label(name: Any) -> str:
    """A name of a program as people write it: INSUFFICIENT_FUNDS, payment_method_change."""
    if name in (None, ""):
        return "—"
    first, *rest = str(name).replace("_", " ").replace(".", " ").lower().split() or [""]
    return " ".join([_ACRONYMS.get(first, first.capitalize()), *(_ACRONYMS.get(word, word) for word in rest)])


def state(name: str) -> str:
    """What people call a state."""
    return STATES.get(name, label(name))


def tone(name: str) -> str:
    """The colour of a state's chip: good, bad, warn, done or busy."""
    return _TONES.get(name, "busy")


def recovery_address(provider: str, invoice_id: str) -> str:
    """The page of a recovery."""
    return f"{ROOT}/recoveries/{segment(provider)}/{segment(invoice_id)}"


def segment(text: str) -> str:
    """A text as one segment of a path, slashes and all."""
    return quote(text, safe="")


def review_address(provider: str, invoice_id: str) -> str:
    """Where decisions about a recovery are sent that leave people at the queue."""
    return f"{ROOT}/reviews/{segment(provider)}/{segment(invoice_id)}"


def webhook_address(provider: str, event_id: str) -> str:
    """The page of a webhook."""
    return f"{ROOT}/webhooks/{segment(provider)}/{segment(event_id)}"


def card_address(provider: str, fingerprint: str) -> str:
    """The page of a card."""
    return f"{ROOT}/credentials/{segment(provider)}/{segment(fingerprint)}"


def query(known: Mapping[str, Any], **changes: Any) -> str:
    """The query of an address with some values changed; empty ones are left out, lists become several."""
    merged = {name: value for name, value in {**known, **changes}.items() if value not in (None, "", [], ())}
    return f"?{urlencode(merged, doseq=True)}"


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    one.__name__: one for one in (money, short_money, number, percent, points, moment, away, span, label, state, tone)
}
GLOBALS: Final[Mapping[str, Callable[..., Any]]] = {
    one.__name__: one for one in (recovery_address, review_address, webhook_address, card_address, query)
}
