"""The options of `pri notify preview`."""

from typing import Annotated

import typer

from settings import Settings


def notify_preview(
    kind: Annotated[str, typer.Argument(help="payment_failed, card_data, authentication, no_method, last_warning …")],
    language: Annotated[str, typer.Option(help="en, de, fr, es or pt, also with a country: pt-BR.")] = "en",
    html: Annotated[bool, typer.Option("--html", help="The HTML part instead of the text.")] = False,
    cause: Annotated[str | None, typer.Option(help="The failure's cause; one that fits when left out.")] = None,
    amount: Annotated[int, typer.Option(min=1, help="Minor currency units.")] = 4900,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "EUR",
    edge: Annotated[
        list[str] | None, typer.Option(help="no_name, no_link, no_dates, zero_decimals; also several.")
    ] = None,
) -> None:
    """Print a message as a customer would get it, with made-up facts. Sends nothing."""
    from commands.preview import print_preview as show

    show(
        Settings(),
        kind,
        language=language,
        html=html,
        cause=cause,
        amount=amount,
        currency=currency,
        edges=edge or (),
    )
