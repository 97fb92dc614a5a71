"""Braintree as one configured provider."""

from importlib.resources import files

from providers.braintree.config import BraintreeConfig
from providers.braintree.gateway import BraintreeGateway
from providers.braintree.table import expand_code_ranges
from providers.braintree.webhook import NAME, BraintreeWebhooks


class BraintreeProvider:
    """What is configured, and the decline table that comes with this folder."""

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
        """What is off, and what is unusual."""
        return self._config.startup_notes()
