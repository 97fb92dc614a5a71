"""Stories that sleep most of the time are told at the same time: the first test of a module starts all of them."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.world import World

Story = Callable[[World], Awaitable[None]]
Test = Callable[[World, pytest.FixtureRequest], Awaitable[None]]


class Together:
    """Decorates the independent stories of one module; only those that were selected are begun."""

    def __init__(self) -> None:
        self._stories: dict[str, Story] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def __call__(self, story: Story) -> Test:
        name = story.__name__
        self._stories[name] = story

        async def test(world: World, request: pytest.FixtureRequest) -> None:
            if not self._running:
                self._begin(world, request)
            await self._running[name]

        test.__name__, test.__doc__, test.__module__ = name, story.__doc__, story.__module__
        return test

    def _begin(self, world: World, request: pytest.FixtureRequest) -> None:
        here = {item.name for item in request.session.items if item.path == request.path}
        for name in self._stories.keys() & here:
            self._running[name] = asyncio.create_task(self._told(name, world))

    async def _told(self, name: str, world: World) -> None:
        await self._stories[name](world)
