"""The Braintree sandbox over HTTP, and our gateway in front of it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from providers.braintree.gateway import BraintreeGateway
from sandbox.braintree.client import BraintreeSandboxClient
from sandbox.config import SandboxConfig
from tests.providers.contract.braintree_subject import sandbox_config
from tests.sandbox.harness import run_sandbox


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of a sandbox that sends nothing by itself."""
    with run_sandbox(SandboxConfig(echo=False)) as sandbox_url:
        yield sandbox_url


@pytest.fixture
async def box(address: str) -> AsyncIterator[BraintreeSandboxClient]:
    """The control client of the sandbox."""
    async with BraintreeSandboxClient(address) as client:
        yield client


@pytest.fixture
async def gateway(address: str) -> AsyncIterator[BraintreeGateway]:
    """Our gateway at the sandbox."""
    braintree_gateway = BraintreeGateway(sandbox_config(address), call_seconds=10)
    yield braintree_gateway
    await braintree_gateway.close()
