"""The schedules come back when Temporal has lost them."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import ScheduleAlreadyRunningError
from temporalio.service import RPCError, RPCStatusCode

from workflows import namespace
from workflows.namespace import kept_schedules
from workflows.options import NOTICE_SCHEDULE, RELAY_SCHEDULE

SOON = timedelta(milliseconds=5)


class ForgetfulTemporal:
    """Holds the schedules that were created; `away` for an outage."""

    def __init__(self) -> None:
        self.schedules: set[str] = set()
        self.registered = 0
        self.away = False

    async def create_schedule(self, name: str, _: object) -> None:
        """As a client does it."""
        if self.away:
            raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        if name in self.schedules:
            raise ScheduleAlreadyRunningError
        self.schedules.add(name)


@pytest.fixture
def temporal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty server; `registered` counts how often search attributes were registered."""
    server = ForgetfulTemporal()

    async def register(client: ForgetfulTemporal) -> None:
        client.registered += 1
        raise RPCError("not allowed", RPCStatusCode.PERMISSION_DENIED, b"")

    monkeypatch.setattr(namespace, "register_attributes", register)
    return server


async def wait_for_schedules(server: ForgetfulTemporal, *names: str) -> None:
    """Returns when the server has these."""
    async with asyncio.timeout(5):
        while server.schedules != set(names):  # noqa: ASYNC110 (there is no event)
            await asyncio.sleep(0.005)


async def test_lost_schedules_and_attributes_are_created_again(temporal: Any) -> None:
    async with kept_schedules(temporal, notices=True, every=SOON):
        await wait_for_schedules(temporal, RELAY_SCHEDULE, NOTICE_SCHEDULE)
        assert temporal.registered == 0, "`pri migrate` does that where nothing was lost"
        for losses in (1, 2):
            temporal.schedules.clear()
            await wait_for_schedules(temporal, RELAY_SCHEDULE, NOTICE_SCHEDULE)
            await asyncio.sleep(0.02)
            assert temporal.registered == losses


async def test_outage_is_waited_for(temporal: Any) -> None:
    async with kept_schedules(temporal, notices=False, every=SOON):
        temporal.away = True
        temporal.schedules.clear()
        await asyncio.sleep(0.03)
        temporal.away = False
        await wait_for_schedules(temporal, RELAY_SCHEDULE)


async def test_worker_does_not_start_without_temporal(temporal: Any) -> None:
    temporal.away = True
    with pytest.raises(RPCError):
        async with kept_schedules(temporal, notices=False, every=SOON):
            pass
