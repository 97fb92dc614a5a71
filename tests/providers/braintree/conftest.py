"""The fake Braintree over HTTP, and our gateway in front of it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from providers.braintree.gateway import BraintreeGateway
from sandbox.braintree.client import BraintreeSandbox
from sandbox.config import SandboxConfig
from tests.providers.contract.of_braintree import config
from tests.sandbox.harness import serving


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """A sandbox that sends nothing by itself."""
    with serving(SandboxConfig(echo=False)) as found:
        yield found


@pytest.fixture
async def box(address: str) -> AsyncIterator[BraintreeSandbox]:
    """Its control side."""
    async with BraintreeSandbox(address) as found:
        yield found


@pytest.fixture
async def gateway(address: str) -> AsyncIterator[BraintreeGateway]:
    """Ours."""
    made = BraintreeGateway(config(address), call_seconds=10)
    yield made
    await made.close()
