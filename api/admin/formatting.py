"""Formats values for pages as `core/formatting.py` does, with a dash for None; labels and addresses of pages."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from markupsafe import Markup, escape

from api.admin.sessions import ROOT
from core.events import State
from core.formatting import (
    format_amount,
    format_duration,
    format_moment,
    format_percent,
    format_points,
    format_short_amount,
    spell_duration,
)
from core.timeline.entries import Amount, Code, Duration, FactValue, Label, Moment

MISSING: Final = "—"
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
    """An amount in minor units as text with its currency; a dash for None."""
    if amount is None:
        return MISSING
    return format_amount(amount, currency) if currency else f"{amount:,} (currency not known yet)"


def format_number(value: int | None) -> str:
    """A number with thousands separators; a dash for None."""
    return MISSING if value is None else f"{value:,}"


def format_share(share: float | None, digits: int = 1) -> str:
    """A share (0 to 1) as a percentage; a dash for None."""
    return MISSING if share is None else format_percent(share, digits)


def format_span(length: float | timedelta | None) -> str:
    """A duration in its two largest units; a dash for None."""
    return MISSING if length is None else format_duration(length)


def format_distance(at: datetime, now: datetime) -> str:
    """The distance of a moment from now: `in 3 h`, `2 d 4 h ago` or `now`. `admin.js` counts in the same words."""
    seconds = round((at - now).total_seconds())
    if seconds == 0:
        return "now"
    return f"in {format_duration(seconds)}" if seconds > 0 else f"{format_duration(-seconds)} ago"


def render_moment(at: datetime | None, now: datetime | None = None) -> Markup:
    """A moment as a `<time>` element in UTC, with its distance from `now` if that is given; a dash for None."""
    if at is None:
        return Markup('<span class="none">{}</span>').format(MISSING)
    near = Markup(' <span class="away">{}</span>').format(format_distance(at, now)) if now else ""
    return _time_element(at, format_moment(at)) + near


def render_list_moment(at: datetime | None, now: datetime) -> Markup:
    """A moment in a list: its distance from now, then the moment in UTC (named in the title only). A dash for None."""
    if at is None:
        return render_moment(None)
    moment = Markup("<small>{}</small>").format(format_moment(at).removesuffix(" UTC"))
    return _time_element(at, format_distance(at, now)) + moment


def _time_element(at: datetime, text: str) -> Markup:
    """A `<time>` element whose attributes hold the moment to the second, for programs and on hover."""
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.astimezone(UTC).isoformat(), format_moment(at, seconds=True), text
    )


def to_label(name: Any) -> str:
    """An identifier as text: INSUFFICIENT_FUNDS as "Insufficient funds"; a dash for None."""
    if name in (None, ""):
        return MISSING
    first, *rest = str(name).replace("_", " ").replace(".", " ").lower().split() or [""]
    return " ".join([_ACRONYMS.get(first, first.capitalize()), *(_ACRONYMS.get(word, word) for word in rest)])


def state_label(name: str) -> str:
    """The label of a state."""
    return STATE_LABELS.get(name, to_label(name))


def state_tone(name: str) -> str:
    """The CSS class for a state's colour: good, bad, warn, done or busy."""
    return _STATE_TONES.get(name, "busy")


def recovery_address(provider: str, invoice_id: str) -> str:
    """The address of a recovery's page."""
    return f"{ROOT}/recoveries/{encode_segment(provider)}/{encode_segment(invoice_id)}"


def encode_segment(text: str) -> str:
    """A text percent-encoded as one segment of a path, slashes included."""
    return quote(text, safe="")


def review_address(provider: str, invoice_id: str) -> str:
    """The address for review decisions from the queue, which lead back to the queue."""
    return f"{ROOT}/reviews/{encode_segment(provider)}/{encode_segment(invoice_id)}"


def webhook_address(provider: str, event_id: str) -> str:
    """The address of a webhook's page."""
    return f"{ROOT}/webhooks/{encode_segment(provider)}/{encode_segment(event_id)}"


def card_address(provider: str, fingerprint: str) -> str:
    """The address of a card's page."""
    return f"{ROOT}/credentials/{encode_segment(provider)}/{encode_segment(fingerprint)}"


def build_query(known: Mapping[str, Any], **changes: Any) -> str:
    """A query string of the known values with some changed; empty values are left out, lists are repeated."""
    merged = {name: value for name, value in {**known, **changes}.items() if value not in (None, "", [], ())}
    return f"?{urlencode(merged, doseq=True)}"


# Filter names are part of the templates, which read `amount|money`.
FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "money": format_display_amount,
    "short_money": format_short_amount,
    "number": format_number,
    "percent": format_share,
    "points": format_points,
    "moment": render_moment,
    "away": format_distance,
    "span": format_span,
    "spelled": spell_duration,
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


def render_fact_value(value: FactValue, now: datetime) -> Markup:
    """The value of a timeline fact as escaped markup."""
    match value:
        case Code(text=text):
            return Markup("<code>{}</code>").format(text)
        case Label(name=name):
            return escape(to_label(name))
        case Amount(minor=minor, currency=currency):
            return escape(format_display_amount(minor, currency))
        case Moment(at=at):
            return render_moment(at, now)
        case Duration(seconds=seconds):
            return escape(format_span(seconds))
        case str(text):
            return escape(text)
