"""The schedules come back when Temporal has lost them."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import ScheduleAlreadyRunningError
from temporalio.service import RPCError, RPCStatusCode

from workflows import namespace
from workflows.namespace import SearchableNames, kept_schedules
from workflows.options import NOTICE_SCHEDULE, RELAY_SCHEDULE, RETENTION_SCHEDULE

SOON = timedelta(milliseconds=5)


class ForgetfulTemporal:
    """Holds the schedules that were created; `away` for an outage."""

    def __init__(self) -> None:
        self.schedules: set[str] = set()
        self.registered = 0
        self.away = False
        self.refusal = RPCStatusCode.PERMISSION_DENIED

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
        raise RPCError("no", client.refusal, b"")

    monkeypatch.setattr(namespace, "register_attributes", register)
    return server


async def wait_for_schedules(server: ForgetfulTemporal, *names: str) -> None:
    """Returns when the server has these."""
    async with asyncio.timeout(5):
        while server.schedules != set(names):  # noqa: ASYNC110 (there is no event)
            await asyncio.sleep(0.005)


async def test_lost_schedules_and_attributes_are_created_again(temporal: Any) -> None:
    async with kept_schedules(temporal, notices=True, every=SOON):
        await wait_for_schedules(temporal, RELAY_SCHEDULE, RETENTION_SCHEDULE, NOTICE_SCHEDULE)
        for losses in (1, 2, 3):
            await asyncio.sleep(0.03)
            assert temporal.registered == losses, "once for each new set of schedules: it isn't allowed"
            temporal.schedules.clear()
            await wait_for_schedules(temporal, RELAY_SCHEDULE, RETENTION_SCHEDULE, NOTICE_SCHEDULE)


async def test_attributes_are_left_alone_where_the_schedules_are_there(temporal: Any) -> None:
    temporal.schedules |= {RELAY_SCHEDULE, RETENTION_SCHEDULE}
    async with kept_schedules(temporal, notices=False, every=SOON):
        await asyncio.sleep(0.03)
    assert temporal.registered == 0


async def test_attributes_are_registered_when_the_server_is_back(temporal: Any) -> None:
    temporal.refusal = RPCStatusCode.UNAVAILABLE
    async with kept_schedules(temporal, notices=False, every=SOON):
        await asyncio.sleep(0.1)
    assert temporal.registered > 1


async def test_outage_is_waited_for(temporal: Any) -> None:
    async with kept_schedules(temporal, notices=False, every=SOON):
        temporal.away = True
        temporal.schedules.clear()
        await asyncio.sleep(0.03)
        temporal.away = False
        await wait_for_schedules(temporal, RELAY_SCHEDULE, RETENTION_SCHEDULE)


async def test_worker_does_not_start_without_temporal(temporal: Any) -> None:
    temporal.away = True
    with pytest.raises(RPCError):
        async with kept_schedules(temporal, notices=False, every=SOON):
            pass


async def test_recoveries_that_open_together_all_hear_the_search_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = 0, asyncio.Event()

    async def ask(_: object) -> frozenset[str]:
        nonlocal asked
        asked += 1
        await answer.wait()
        return frozenset({"Segment", "RecoveryState"})

    monkeypatch.setattr(namespace, "registered_attributes", ask)
    searchable: Any = SearchableNames(object())  # type: ignore[arg-type]
    opening = [asyncio.create_task(searchable()) for _ in range(3)]
    await asyncio.sleep(0)
    answer.set()
    assert await asyncio.gather(*opening) == [("RecoveryState", "Segment")] * 3
    assert asked == 1


async def test_an_interrupted_question_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: object) -> frozenset[str]:
        await asyncio.sleep(60)
        return frozenset()

    async def ask(_: object) -> frozenset[str]:
        return frozenset({"Segment"})

    searchable = SearchableNames(object())  # type: ignore[arg-type]
    monkeypatch.setattr(namespace, "registered_attributes", hang)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(searchable(), 0.01)
    monkeypatch.setattr(namespace, "registered_attributes", ask)
    assert await searchable() == ("Segment",)
