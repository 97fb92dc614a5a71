"""Loads the packaged tables: decline codes, and the card networks' limits, stop instructions and fees."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from core.card_networks.rules import NetworkRules
from core.card_networks.tables import FEES_FILE, LIMITS_FILE, STOPS_FILE, parse_network_rules
from core.classification.tables import DeclineTables, parse_decline_tables


def load_decline_tables(provider_decline_codes: Mapping[str, str]) -> DeclineTables:
    """The decline tables: the networks' from the package, each provider's from its CSV text, by provider name.

    Raises InvalidInput, naming file and line, for a row that does not fit.
    """
    providers = {name: (f"{name} decline codes", text) for name, text in provider_decline_codes.items()}
    return parse_decline_tables(providers, _read_packaged("network_codes.csv"), _read_packaged("advice_codes.csv"))


def _read_packaged(name: str) -> tuple[str, str]:
    return name, files("core.classification").joinpath(name).read_text(encoding="utf-8")


@cache
def network_rules() -> NetworkRules:
    """The networks' own rules with all their effective dates; read once. Raises InvalidInput, naming file and line."""
    limits, stops, fees = (files("core.card_networks").joinpath(name).read_text(encoding="utf-8") for name in _NAMES)
    return parse_network_rules(limits, stops, fees)


_NAMES = (LIMITS_FILE, STOPS_FILE, FEES_FILE)
