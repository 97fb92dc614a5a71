"""The facts of a story as the page shows them."""

from datetime import UTC, datetime

from markupsafe import Markup, escape

from api.admin import words
from core.telling.telling import Amount, Code, Duration, FactValue, Label, Moment


def when(at: datetime | None, now: datetime) -> Markup:
    """A moment in a list: how far away it is, then the day and the minute; all of it on hover."""
    if at is None:
        return Markup('<span class="none">—</span>')
    utc = at.astimezone(UTC)
    year = "" if utc.year == now.year else f" {utc.year}"
    return Markup('<time datetime="{}" title="{:%Y-%m-%d %H:%M:%S} UTC">{}</time><small>{}</small>').format(
        utc.isoformat(), utc, words.away(at, now), f"{utc:%-d %b}{year}, {utc:%H:%M}"
    )


def shown(value: FactValue, now: datetime) -> Markup:
    """One fact's value, escaped."""
    match value:
        case Code(text=text):
            return Markup("<code>{}</code>").format(text)
        case Label(name=name):
            return escape(words.label(name))
        case Amount(minor=minor, currency=currency):
            return escape(words.money(minor, currency))
        case Moment(at=at):
            return words.moment(at, now)
        case Duration(seconds=seconds):
            return escape(words.span(seconds))
        case str(text):
            return escape(text)
