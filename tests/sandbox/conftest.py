"""A sandbox on a real port with the official library, and a receiver of its webhooks."""

from collections.abc import AsyncIterator, Iterator

import pytest
import stripe

from sandbox.config import SandboxConfig
from sandbox.stripe.client import StripeSandboxClient
from tests.sandbox.harness import SECRET, Receiver, run_receiver, run_sandbox, stripe_client

STRIPE_ON_HTTPX = "ignore:Use 'content=:DeprecationWarning"
"""The official library hands httpx its request bodies in a way that httpx calls deprecated."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "sandbox":
            item.add_marker(pytest.mark.filterwarnings(STRIPE_ON_HTTPX))


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    with run_receiver() as running_receiver:
        yield running_receiver


@pytest.fixture(scope="session")
def address(receiver: Receiver) -> Iterator[str]:
    config = SandboxConfig(webhook_url=receiver.url, webhook_secret=SECRET, retry_delays=(0.01, 0.02))
    with run_sandbox(config) as sandbox_url:
        yield sandbox_url


@pytest.fixture(scope="session")
async def box(address: str) -> AsyncIterator[StripeSandboxClient]:
    async with StripeSandboxClient(address) as client:
        yield client


@pytest.fixture(scope="session")
async def api(address: str) -> AsyncIterator[stripe.StripeClient]:
    async with stripe_client(address) as client:
        yield client


@pytest.fixture(scope="session")
async def old_api(address: str) -> AsyncIterator[stripe.StripeClient]:
    async with stripe_client(address, "2024-06-20") as client:
        yield client
