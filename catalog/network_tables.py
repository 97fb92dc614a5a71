"""The packaged rules of the card networks."""

from functools import cache
from importlib.resources import files

from core.retry.network_rules import NetworkRules
from core.retry.network_tables import FEES_FILE, LIMITS_FILE, STOPS_FILE, parse_network_rules


@cache
def network_rules() -> NetworkRules:
    """The networks' own rules, of all dates. Raises InvalidInput naming file and line."""
    limits, stops, fees = (files("core.retry").joinpath(name).read_text(encoding="utf-8") for name in _NAMES)
    return parse_network_rules(limits, stops, fees)


_NAMES = (LIMITS_FILE, STOPS_FILE, FEES_FILE)
