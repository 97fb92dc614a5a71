"""The facts of a story as the page shows them."""

from datetime import datetime

from markupsafe import Markup, escape

from api.admin import words
from core.telling.telling import Amount, At, Code, Lasting, Named, Shown


def shown(value: Shown, provider: str, now: datetime) -> Markup:
    """One fact's value, escaped; amounts as this provider counts them."""
    match value:
        case Code(text=text):
            return Markup("<code>{}</code>").format(text)
        case Named(name=name):
            return escape(words.label(name))
        case Amount(minor=minor, currency=currency):
            return escape(words.money(minor, currency, provider))
        case At(at=at):
            return words.moment(at, now)
        case Lasting(seconds=seconds):
            return escape(words.span(seconds))
        case str(text):
            return escape(text)
