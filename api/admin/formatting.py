"""How values are written on pages: money, moments, spans, and the names that people use for states and causes."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from babel.core import UnknownLocaleError
from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_compact_currency, format_currency, format_decimal, format_percent
from markupsafe import Markup, escape

from api.admin.sessions import ROOT
from core.events import State
from core.money import to_major_units
from core.timeline.entries import Amount, Code, Duration, FactValue, Label, Moment

LOCALE: Final = "en"
STATE_LABELS: Final[Mapping[str, str]] = {
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
_STATE_TONES: Final[Mapping[str, str]] = {
    State.RECOVERED: "good",
    State.BLOCKED: "bad",
    State.IN_REVIEW: "warn",
    State.PAUSED: "warn",
    State.AWAITING_CUSTOMER: "warn",
    State.EXHAUSTED: "done",
    State.CANCELED: "done",
}
_ACRONYMS: Final = {"api": "API", "id": "ID", "sms": "SMS"}


def format_display_amount(amount: int | None, currency: str) -> str:
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


def format_short_amount(amount: int, currency: str) -> str:
    """An amount in minor units, rounded to what fits a tile: €1.2M."""
    value = to_major_units(amount, currency)
    return (
        format_display_amount(amount, currency)
        if abs(value) < 100_000
        else format_compact_currency(value, currency.upper(), locale=LOCALE, fraction_digits=2)
    )


def format_number(value: float | None) -> str:
    """With separators for thousands; a dash for nothing."""
    return "—" if value is None else format_decimal(value, locale=LOCALE)


def format_share(share: float | None, digits: int = 1) -> str:
    """0.431 as 43.1%; a dash where there is nothing to divide by."""
    return (
        "—" if share is None else format_percent(share, f"#,##0.{'0' * digits}%" if digits else "#,##0%", locale=LOCALE)
    )


def format_percentage_points(share: float) -> str:
    """A difference of shares in percentage points, with its sign: 0.0014 as +0.14."""
    return f"{round(100 * share, 2) + 0.0:+.2f}"


def format_moment(at: datetime | None, now: datetime | None = None) -> Markup:
    """A moment for people and programs: UTC on the page, how far away it is where `now` is given."""
    if at is None:
        return Markup('<span class="none">—</span>')
    utc = at.astimezone(UTC)
    text = format_datetime(utc, "d MMM y, HH:mm:ss", locale=LOCALE)
    near = f' <span class="away">{escape(format_distance(utc, now))}</span>' if now else ""
    return Markup('<time datetime="{}" title="{} UTC">{}</time>{}').format(
        utc.isoformat(), text, text.rpartition(":")[0] + " UTC", Markup(near)
    )


def format_distance(at: datetime, now: datetime) -> str:
    """In 3 hours, 2 days ago."""
    return format_timedelta(at - now, add_direction=True, threshold=1.2, locale=LOCALE)


def format_span(seconds: float | timedelta | None) -> str:
    """A length of time in its two largest units: 3 h, 1 d 4 h."""
    if seconds is None:
        return "—"
    left = round(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    if left < 1:
        return "no time"
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def to_label(name: Any) -> str:
    """A name of a program as people write it: INSUFFICIENT_FUNDS, payment_method_change."""
    if name in (None, ""):
        return "—"
    first, *rest = str(name).replace("_", " ").replace(".", " ").lower().split() or [""]
    return " ".join([_ACRONYMS.get(first, first.capitalize()), *(_ACRONYMS.get(word, word) for word in rest)])


def state_label(name: str) -> str:
    """What people call a state."""
    return STATE_LABELS.get(name, to_label(name))


def state_tone(name: str) -> str:
    """The colour of a state's chip: good, bad, warn, done or busy."""
    return _STATE_TONES.get(name, "busy")


def recovery_address(provider: str, invoice_id: str) -> str:
    """The page of a recovery."""
    return f"{ROOT}/recoveries/{encode_segment(provider)}/{encode_segment(invoice_id)}"


def encode_segment(text: str) -> str:
    """A text as one segment of a path, slashes and all."""
    return quote(text, safe="")


def review_address(provider: str, invoice_id: str) -> str:
    """Where decisions about a recovery are sent that leave people at the queue."""
    return f"{ROOT}/reviews/{encode_segment(provider)}/{encode_segment(invoice_id)}"


def webhook_address(provider: str, event_id: str) -> str:
    """The page of a webhook."""
    return f"{ROOT}/webhooks/{encode_segment(provider)}/{encode_segment(event_id)}"


def card_address(provider: str, fingerprint: str) -> str:
    """The page of a card."""
    return f"{ROOT}/credentials/{encode_segment(provider)}/{encode_segment(fingerprint)}"


def build_query(known: Mapping[str, Any], **changes: Any) -> str:
    """The query of an address with some values changed; empty ones are left out, lists become several."""
    merged = {name: value for name, value in {**known, **changes}.items() if value not in (None, "", [], ())}
    return f"?{urlencode(merged, doseq=True)}"


# Jinja's names are short and stay: a template reads `amount|money`.
FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "money": format_display_amount,
    "short_money": format_short_amount,
    "number": format_number,
    "percent": format_share,
    "points": format_percentage_points,
    "moment": format_moment,
    "away": format_distance,
    "span": format_span,
    "label": to_label,
    "state": state_label,
    "tone": state_tone,
}
GLOBALS: Final[Mapping[str, Callable[..., Any]]] = {
    "recovery_address": recovery_address,
    "review_address": review_address,
    "webhook_address": webhook_address,
    "card_address": card_address,
    "query": build_query,
}


def format_list_moment(at: datetime | None, now: datetime) -> Markup:
    """A moment in a list: how far away it is, then the day and the minute; all of it on hover."""
    if at is None:
        return Markup('<span class="none">—</span>')
    utc = at.astimezone(UTC)
    year = "" if utc.year == now.year else f" {utc.year}"
    return Markup('<time datetime="{}" title="{:%Y-%m-%d %H:%M:%S} UTC">{}</time><small>{}</small>').format(
        utc.isoformat(), utc, format_distance(at, now), f"{utc:%-d %b}{year}, {utc:%H:%M}"
    )


def render_fact_value(value: FactValue, now: datetime) -> Markup:
    """One fact's value, escaped."""
    match value:
        case Code(text=text):
            return Markup("<code>{}</code>").format(text)
        case Label(name=name):
            return escape(to_label(name))
        case Amount(minor=minor, currency=currency):
            return escape(format_display_amount(minor, currency))
        case Moment(at=at):
            return format_moment(at, now)
        case Duration(seconds=seconds):
            return escape(format_span(seconds))
        case str(text):
            return escape(text)
