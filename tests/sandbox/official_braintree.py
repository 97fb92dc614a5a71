"""Braintree's official client, pointed at the sandbox."""

from typing import Any
from urllib.parse import urlsplit

import braintree


def braintree_client(address: str) -> Any:
    """The official client, unchanged except for the address."""
    url = urlsplit(address)
    environment = braintree.Environment("sandbox", url.hostname, f"{url.port}/braintree", "", False, None)
    return braintree.BraintreeGateway(braintree.Configuration(environment, "sandbox_merchant", "public", "private"))
