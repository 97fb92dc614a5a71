"""Braintree: all that is particular to this payment provider."""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from providers.braintree.config import BraintreeConfig
from providers.braintree.gateway import BraintreeGateway
from providers.braintree.webhook import NAME, BraintreeWebhooks

_RANGE: Final = re.compile(r"^(decline_code),(\d{4})-(\d{4}),(.*)$", re.MULTILINE)


def expand_code_ranges(table: str) -> str:
    """The decline table as CSV text with a row for each code of a range: `2109-2999` becomes 891 rows."""
    return _RANGE.sub(_range_rows, table)


def _range_rows(found: re.Match[str]) -> str:
    kind, first, last, rest = found.groups()
    return "\n".join(f"{kind},{code},{rest}" for code in range(int(first), int(last) + 1))


class BraintreeProvider:
    """Braintree as configured, with the decline table of this package (`decline_codes.csv`, a source in each row)."""

    def __init__(self, config: BraintreeConfig) -> None:
        self.name = NAME
        self.livemode = config.livemode
        table = files("providers.braintree").joinpath("decline_codes.csv").read_text("utf-8")
        self.decline_codes = expand_code_ranges(table)
        self._config = config

    def create_webhooks(self) -> BraintreeWebhooks | None:
        """The webhook side; None without an API key pair."""
        return BraintreeWebhooks(self._config) if self._config.can_verify else None

    def create_gateway(self) -> BraintreeGateway | None:
        """The charging side, a new one each time; None without merchant and API key pair."""
        return BraintreeGateway(self._config) if self._config.can_charge else None

    def startup_notes(self) -> tuple[str, ...]:
        """One sentence for each side that is off and what isn't set, and for an unusual API address."""
        return self._config.startup_notes()


def create(environment: Mapping[str, str]) -> BraintreeProvider:
    """The entry point: Braintree as this environment configures it."""
    return BraintreeProvider(BraintreeConfig.from_environment(environment))
