"""Each test runs once per provider under contract, against one sandbox of all of them."""

from collections.abc import AsyncIterator, Iterator

import pytest

from providers.base import Gateway
from sandbox.config import SandboxConfig
from tests.providers.contract.subject import ProviderControl, Subject
from tests.providers.contract.subjects import SUBJECTS
from tests.sandbox.harness import run_sandbox
from tests.support.stack_fixtures import service, stack

__all__ = ["service", "stack"]


@pytest.fixture(params=SUBJECTS, ids=[subject.name for subject in SUBJECTS])
def subject(request: pytest.FixtureRequest) -> Subject:
    """The provider under contract."""
    subject_class: Subject = request.param
    return subject_class


@pytest.fixture(scope="session")
def sandbox_address() -> Iterator[str]:
    """The address of a sandbox that sends nothing by itself."""
    with run_sandbox(SandboxConfig(echo=False)) as address:
        yield address


@pytest.fixture
async def books(subject: Subject, sandbox_address: str) -> AsyncIterator[ProviderControl]:
    """The control side of the provider's sandbox."""
    async with subject.open_control(sandbox_address) as control:
        yield control


@pytest.fixture
async def gateway(subject: Subject, sandbox_address: str) -> AsyncIterator[Gateway]:
    """The provider's gateway, with a long timeout."""
    provider_gateway = subject.gateway(sandbox_address, 10)
    yield provider_gateway
    await provider_gateway.close()


@pytest.fixture
async def impatient_gateway(subject: Subject, sandbox_address: str) -> AsyncIterator[Gateway]:
    """The provider's gateway, which times out after a second."""
    provider_gateway = subject.gateway(sandbox_address, 1)
    yield provider_gateway
    await provider_gateway.close()
