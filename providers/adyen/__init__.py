"""Adyen: all that is particular to this payment provider."""

from collections.abc import Mapping
from importlib.resources import files

from providers.adyen.config import AdyenConfig
from providers.adyen.gateway import AdyenGateway
from providers.adyen.webhook import NAME, AdyenWebhooks


class AdyenProvider:
    """Adyen as configured, with the decline table of this package (`decline_codes.csv`, a source in each row)."""

    def __init__(self, config: AdyenConfig) -> None:
        self.name = NAME
        self.livemode = config.livemode
        self.decline_codes = files("providers.adyen").joinpath("decline_codes.csv").read_text("utf-8")
        self._config = config

    def create_webhooks(self) -> AdyenWebhooks | None:
        """The webhook side; None without an HMAC key."""
        return AdyenWebhooks(self._config) if self._config.hmac_keys else None

    def create_gateway(self) -> AdyenGateway | None:
        """The charging side, a new one each time; None without API key and merchant account."""
        return AdyenGateway(self._config) if self._config.can_charge else None

    def startup_notes(self) -> tuple[str, ...]:
        """One sentence for each side that is off and why, and for an unusual setting."""
        return self._config.startup_notes()


def create(environment: Mapping[str, str]) -> AdyenProvider:
    """The entry point: Adyen as this environment configures it."""
    return AdyenProvider(AdyenConfig.from_environment(environment))
