"""Braintree: all that is particular to this payment provider."""

from collections.abc import Mapping

from providers.braintree.config import BraintreeConfig
from providers.braintree.plugin import BraintreeProvider


def create(environment: Mapping[str, str]) -> BraintreeProvider:
    """The entry point: Braintree as this environment configures it."""
    return BraintreeProvider(BraintreeConfig.from_environment(environment))
