"""Runs scenarios that mostly sleep at the same time: the first test of a module starts all of them."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.service import RunningService

Scenario = Callable[[RunningService], Awaitable[None]]
Test = Callable[[RunningService, pytest.FixtureRequest], Awaitable[None]]


EARLY_GROUPS: list["ConcurrentTests"] = []


class ConcurrentTests:
    """A decorator for the independent scenarios of a module; it starts only those that were selected.

    `early` ones start with the first test of any module, because they take long.
    """

    def __init__(self, *, early: bool = False) -> None:
        if early:
            EARLY_GROUPS.append(self)
        self._scenarios: dict[str, Scenario] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def __call__(self, scenario: Scenario) -> Test:
        name = scenario.__name__
        self._scenarios[name] = scenario

        async def test(service: RunningService, request: pytest.FixtureRequest) -> None:
            for group in (self, *EARLY_GROUPS):
                group._start_all(service, request)
            await self._running[name]

        test.__name__, test.__doc__, test.__module__ = name, scenario.__doc__, scenario.__module__
        return test

    def _start_all(self, service: RunningService, request: pytest.FixtureRequest) -> None:
        chosen = {(item.path, item.name) for item in request.session.items}
        for name, scenario in self._scenarios.items() if not self._running else ():
            if (Path(inspect.getfile(scenario)), name) in chosen:
                self._running[name] = asyncio.create_task(self._run_scenario(scenario, service))

    async def _run_scenario(self, scenario: Scenario, service: RunningService) -> None:
        await scenario(service)
