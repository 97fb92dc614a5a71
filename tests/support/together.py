"""Stories that sleep most of the time are told at the same time: the first test of a module starts all of them."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.world import World

Story = Callable[[World], Awaitable[None]]
Test = Callable[[World, pytest.FixtureRequest], Awaitable[None]]


EARLY: list["Together"] = []


class Together:
    """Decorates the independent stories of one module; only those that were selected are begun.

    `early` ones begin with the first story of any module, because they take long.
    """

    def __init__(self, *, early: bool = False) -> None:
        if early:
            EARLY.append(self)
        self._stories: dict[str, Story] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def __call__(self, story: Story) -> Test:
        name = story.__name__
        self._stories[name] = story

        async def test(world: World, request: pytest.FixtureRequest) -> None:
            for group in (self, *EARLY):
                group._begin(world, request)
            await self._running[name]

        test.__name__, test.__doc__, test.__module__ = name, story.__doc__, story.__module__
        return test

    def _begin(self, world: World, request: pytest.FixtureRequest) -> None:
        chosen = {(item.path, item.name) for item in request.session.items}
        for name, story in self._stories.items() if not self._running else ():
            if (Path(inspect.getfile(story)), name) in chosen:
                self._running[name] = asyncio.create_task(self._told(story, world))

    async def _told(self, story: Story, world: World) -> None:
        await story(world)
