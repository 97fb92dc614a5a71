"""The fake Braintree over HTTP, and our gateway in front of it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from providers.braintree.gateway import BraintreeGateway
from sandbox.braintree.client import BraintreeSandboxClient
from sandbox.config import SandboxConfig
from tests.providers.contract.braintree_subject import sandbox_config
from tests.sandbox.harness import run_sandbox


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """A sandbox that sends nothing by itself."""
    with run_sandbox(SandboxConfig(echo=False)) as sandbox_url:
        yield sandbox_url


@pytest.fixture
async def box(address: str) -> AsyncIterator[BraintreeSandboxClient]:
    """Its control side."""
    async with BraintreeSandboxClient(address) as client:
        yield client


@pytest.fixture
async def gateway(address: str) -> AsyncIterator[BraintreeGateway]:
    """Ours."""
    braintree_gateway = BraintreeGateway(sandbox_config(address), call_seconds=10)
    yield braintree_gateway
    await braintree_gateway.close()
