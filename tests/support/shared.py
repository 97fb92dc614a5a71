"""The fixtures of stories and faults: one stack for both, its log and the provider's books checked in the end."""

from collections.abc import AsyncIterator, Iterator

import pytest

from devstack.stack import DevStack
from tests.support import laws, stacks
from tests.support.world import World, opened, place_of


@pytest.fixture(scope="session")
def stack() -> Iterator[DevStack]:
    """The whole service, time compressed; the same one for stories and faults."""
    with stacks.SHARED.entered() as running:
        yield running


@pytest.fixture(scope="session")
async def world(stack: DevStack) -> AsyncIterator[World]:
    """The service as a stranger sees it. In the end every law holds for every recovery."""
    async with opened(place_of(stack), stack) as found:
        yield found
        if stacks.SHARED.last:
            await laws.hold(found)
