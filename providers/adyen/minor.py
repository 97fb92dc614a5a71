"""Adyen's minor units and those of ISO 4217: for four currencies they differ (`core.money.PROVIDER_DECIMALS`)."""

from core.money import decimals, rescaled


def digits(currency: str) -> int:
    """How many decimals an amount of this currency has at Adyen."""
    return decimals(currency, "adyen")


def to_iso(value: int, currency: str) -> int | None:
    """Adyen's amount in minor units of ISO 4217; None for one that has no such amount (half a Chilean peso)."""
    return _exact(value, digits(currency), decimals(currency))


def from_iso(value: int, currency: str) -> int | None:
    """The amount as Adyen wants it; None for one that it can't take."""
    return _exact(value, decimals(currency), digits(currency))


def _exact(value: int, given: int, wanted: int) -> int | None:
    found = rescaled(value, given, wanted)
    return found if rescaled(found, wanted, given) == value else None
