"""Braintree's decimal amounts and the minor units of ISO 4217.

Braintree takes and tells amounts as decimal texts in major units, with as many decimals as ISO 4217 says, and so needs
no table of its own. Source: developer.paypal.com/braintree/docs/reference/request/transaction/sale ("amount").
"""

from decimal import Decimal

from core.money import currency_decimals


def to_minor(amount: Decimal, currency: str) -> int | None:
    """In minor units; None for what is no such amount."""
    if not amount.is_finite() or not 0 <= amount < Decimal(10) ** 15:
        return None
    scaled = amount.scaleb(currency_decimals(currency))
    return int(scaled) if scaled == int(scaled) else None


def to_amount_text(minor: int, currency: str) -> str:
    """As Braintree's API takes it, e.g. `20.00`."""
    return f"{Decimal(minor).scaleb(-currency_decimals(currency)):.{currency_decimals(currency)}f}"
