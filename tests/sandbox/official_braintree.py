"""The official client of Braintree, pointed at a fake."""

from typing import Any
from urllib.parse import urlsplit

import braintree


def braintree_client(address: str) -> Any:
    """The official client with its own transport; nothing of it is changed but where Braintree is."""
    url = urlsplit(address)
    environment = braintree.Environment("sandbox", url.hostname, f"{url.port}/braintree", "", False, None)
    return braintree.BraintreeGateway(braintree.Configuration(environment, "sandbox_merchant", "public", "private"))
