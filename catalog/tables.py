"""The packaged decline tables."""

from collections.abc import Mapping
from importlib.resources import files

from core.classifier.tables import DeclineTables, parse_decline_tables


def load_decline_tables(provider_decline_codes: Mapping[str, str]) -> DeclineTables:
    """All tables: the networks' from the package, each provider's from its CSV text, by provider name.

    Raises InvalidInput naming file and line.
    """
    providers = {name: (f"{name} decline codes", text) for name, text in provider_decline_codes.items()}
    return parse_decline_tables(providers, _read_packaged("network_codes.csv"), _read_packaged("advice_codes.csv"))


def _read_packaged(name: str) -> tuple[str, str]:
    return name, files("core.classifier").joinpath(name).read_text(encoding="utf-8")
