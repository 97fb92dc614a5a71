"""Stripe: all that is particular to this payment provider."""

from collections.abc import Mapping
from importlib.resources import files

from providers.stripe.config import StripeConfig
from providers.stripe.gateway import StripeGateway
from providers.stripe.webhook import NAME, StripeWebhooks


class StripeProvider:
    """Stripe as configured, with the decline table of this package (`decline_codes.csv`, a source in each row)."""

    def __init__(self, config: StripeConfig) -> None:
        self.name = NAME
        self.livemode = config.livemode
        self.decline_codes = files("providers.stripe").joinpath("decline_codes.csv").read_text("utf-8")
        self._config = config

    def create_webhooks(self) -> StripeWebhooks | None:
        """The webhook side; None without a webhook secret."""
        return StripeWebhooks(self._config) if self._config.webhook_secrets else None

    def create_gateway(self) -> StripeGateway | None:
        """The charging side, a new one each time; None without an API key."""
        return StripeGateway(self._config) if self._config.api_key else None

    def startup_notes(self) -> tuple[str, ...]:
        """One sentence for each side that is off and why, and for an unusual API address."""
        return self._config.startup_notes()


def create(environment: Mapping[str, str]) -> StripeProvider:
    """The entry point: Stripe as this environment configures it."""
    return StripeProvider(StripeConfig.from_environment(environment))
