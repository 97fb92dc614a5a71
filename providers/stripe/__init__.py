"""Stripe: all that is particular to this payment provider."""

from collections.abc import Mapping

from providers.stripe.config import StripeConfig
from providers.stripe.plugin import StripeProvider


def create(environment: Mapping[str, str]) -> StripeProvider:
    """The entry point: Stripe as this environment configures it."""
    return StripeProvider(StripeConfig.from_environment(environment))
