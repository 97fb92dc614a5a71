"""Adyen's minor units and those of ISO 4217: for four currencies they differ (`core.money.PROVIDER_DECIMALS`)."""

from core.money import currency_decimals, rescale_amount


def adyen_decimals(currency: str) -> int:
    """How many decimals an amount of this currency has at Adyen."""
    return currency_decimals(currency, "adyen")


def to_iso(value: int, currency: str) -> int | None:
    """Adyen's amount in minor units of ISO 4217; None for one that has no such amount (half a Chilean peso)."""
    return _rescale_exactly(value, adyen_decimals(currency), currency_decimals(currency))


def from_iso(value: int, currency: str) -> int | None:
    """The amount as Adyen wants it; None for one that it can't take."""
    return _rescale_exactly(value, currency_decimals(currency), adyen_decimals(currency))


def _rescale_exactly(value: int, given: int, wanted: int) -> int | None:
    found = rescale_amount(value, given, wanted)
    return found if rescale_amount(found, wanted, given) == value else None
