"""The packaged rules of the card networks."""

from functools import cache
from importlib.resources import files

from core.retry.network_rules import NetworkRules
from core.retry.network_tables import FEES, LIMITS, STOPS, parse


@cache
def network_rules() -> NetworkRules:
    """The networks' own rules, of all dates. Raises InvalidInput naming file and line."""
    limits, stops, fees = (files("core.retry").joinpath(name).read_text(encoding="utf-8") for name in _NAMES)
    return parse(limits, stops, fees)


_NAMES = (LIMITS, STOPS, FEES)
