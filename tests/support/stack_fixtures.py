"""The fixtures of tests/e2e and tests/faults: one stack for both, checked against the laws at the end."""

from collections.abc import AsyncIterator, Iterator

import pytest

from devstack.stack import DevStack
from tests.support import laws, stacks
from tests.support.service import RunningService, endpoints_of, open_service


@pytest.fixture(scope="session")
def stack() -> Iterator[DevStack]:
    """The whole service with compressed time, shared by tests/e2e and tests/faults."""
    with stacks.SHARED_STACK.enter_stack() as running:
        yield running


@pytest.fixture(scope="session")
async def service(stack: DevStack) -> AsyncIterator[RunningService]:
    """The service seen from outside. At the end every law is checked for every recovery."""
    async with open_service(endpoints_of(stack), stack) as running_service:
        yield running_service
        if stacks.SHARED_STACK.is_unused:
            await laws.check_service(running_service)
