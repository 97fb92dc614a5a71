"""The fixtures of stories and faults: one stack for both, its log and the provider's books checked in the end."""

from collections.abc import AsyncIterator, Iterator

import pytest

from devstack.stack import DevStack
from tests.support import laws, stacks
from tests.support.service import RunningService, endpoints_of, open_service


@pytest.fixture(scope="session")
def stack() -> Iterator[DevStack]:
    """The whole service, time compressed; the same one for stories and faults."""
    with stacks.SHARED_STACK.enter_stack() as running:
        yield running


@pytest.fixture(scope="session")
async def service(stack: DevStack) -> AsyncIterator[RunningService]:
    """The service as a stranger sees it. In the end every law holds for every recovery."""
    async with open_service(endpoints_of(stack), stack) as running_service:
        yield running_service
        if stacks.SHARED_STACK.is_unused:
            await laws.check_service(running_service)
