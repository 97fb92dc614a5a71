"""Adyen: all that is particular to this payment provider."""

from collections.abc import Mapping

from providers.adyen.config import AdyenConfig
from providers.adyen.plugin import AdyenProvider


def create(environment: Mapping[str, str]) -> AdyenProvider:
    """The entry point: Adyen as this environment configures it."""
    return AdyenProvider(AdyenConfig.from_environment(environment))
