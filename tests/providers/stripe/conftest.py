"""The Stripe gateway at the sandbox, at a server with canned answers, and at stripe-mock."""

import contextlib
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import httpx
import pytest

from providers.stripe.config import StripeConfig
from providers.stripe.gateway import StripeGateway
from sandbox.config import SandboxConfig
from sandbox.stripe.client import StripeSandboxClient
from tests.providers.stripe.canned_server import CannedServer, canned_server
from tests.sandbox.harness import run_sandbox
from tests.tools.go_programs import ensure_go_tool

KEY = "sk_test_provider"


def gateway_at(address: str, seconds: float = 10, key: str = KEY) -> StripeGateway:
    return StripeGateway(StripeConfig(api_key=key, api_base=address), call_seconds=seconds)


@pytest.fixture(scope="session")
def sandbox_address() -> Iterator[str]:
    with run_sandbox(SandboxConfig(echo=False)) as address:
        yield address


@pytest.fixture
async def box(sandbox_address: str) -> AsyncIterator[StripeSandboxClient]:
    async with StripeSandboxClient(sandbox_address) as client:
        yield client
        await client.clear_faults()


@pytest.fixture
async def gateway(sandbox_address: str) -> AsyncIterator[StripeGateway]:
    stripe_gateway = gateway_at(sandbox_address)
    yield stripe_gateway
    await stripe_gateway.close()


@pytest.fixture
async def impatient_gateway(sandbox_address: str) -> AsyncIterator[StripeGateway]:
    """A gateway that times out after a second."""
    stripe_gateway = gateway_at(sandbox_address, seconds=1.0)
    yield stripe_gateway
    await stripe_gateway.close()


@pytest.fixture
def canned() -> Iterator[CannedServer]:
    with canned_server() as server:
        yield server


@pytest.fixture
async def foreign(canned: CannedServer) -> AsyncIterator[StripeGateway]:
    """A gateway at a server that only claims to be compatible with Stripe."""
    stripe_gateway = gateway_at(canned.address, seconds=2)
    yield stripe_gateway
    await stripe_gateway.close()


@pytest.fixture(scope="session")
def mock_address() -> Iterator[str]:
    """The address of stripe-mock, which checks requests against Stripe's published API description."""
    for _ in range(5):  # between our finding a port and its taking it, somebody else may have
        address, process = _start_stripe_mock()
        try:
            if _is_answering(address, process):
                yield f"http://{address}"
                return
        finally:
            process.terminate()
            process.wait(10)
    raise AssertionError("stripe-mock did not start")


def _start_stripe_mock() -> tuple[str, subprocess.Popen[bytes]]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    # Without an address of its own, each listens for HTTPS at one and the same port (its main.go).
    command = [str(ensure_go_tool("stripe-mock")), "-http-addr", address, "-https-addr", "127.0.0.1:0"]
    return address, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _is_answering(address: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether it answers HTTP: on a free port a mere connection may be the probe with itself."""
    for _ in range(300):
        if process.poll() is not None:
            return False
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://{address}/v1/charges", trust_env=False)
            return process.poll() is None
        time.sleep(0.05)
    return False
