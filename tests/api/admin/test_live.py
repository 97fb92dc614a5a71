"""A page of a recovery stays up to date while it is open, and costs little."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.admin import live
from api.admin.people import Role
from core.events import Event, EventType
from core.retry.recovery import Recovery
from db.repositories import event_log
from tests.api.admin.desk import Desk
from tests.api.house import House, now, served
from tests.intake.fakes import canceled, failure, stored, unique

PATIENCE = 20.0


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks ten times as often."""
    monkeypatch.setattr(live, "EVERY", timedelta(seconds=0.1))


@asynccontextmanager
async def following(desk: Desk, invoice: str, after: int = 1) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """The events of its page's stream, each with its data."""
    async with served(desk.house.app) as address, httpx.AsyncClient(timeout=PATIENCE) as client:
        cookie = "; ".join(f"{name}={value}" for name, value in desk.cookies.items())
        path = f"{address}/admin/recoveries/stripe/{invoice}/live"
        async with client.stream("GET", path, params={"after": after}, headers={"Cookie": cookie}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield events(answer)


async def events(answer: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    """One by one, as a browser reads them."""
    kind = ""
    async for line in answer.aiter_lines():
        name, _, rest = line.partition(": ")
        if name == "event":
            kind = rest
        elif name == "data":
            yield kind, json.loads(rest)


async def a_recovery(house: House) -> Recovery:
    """With one row."""
    return await stored(house.db, failure(unique("in_live")))


async def append(house: House, recovery: Recovery, *more: Event) -> Recovery:
    """The log grows."""
    async with house.db.begin() as session:
        await event_log.append(session, recovery, list(more), now())
        found = await event_log.recovery(session, recovery.recovery_id)
    assert found
    return found


def pause() -> Event:
    """Something to see."""
    return Event(type=EventType.PAUSED, occurred_at=now(), data={"actor": "bob", "reason": "<b>holiday</b>"})


async def parts_of(stream: AsyncIterator[tuple[str, Any]], count: int = 6) -> dict[str, str]:
    """The next parts by their id."""
    found: dict[str, str] = {}
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            kind, data = await anext(stream)
            assert kind == "part", kind
            found[data["id"]] = data["html"]
    return found


async def test_what_happens_appears_on_the_open_page(desk: Desk) -> None:
    recovery = await a_recovery(desk.house)
    async with following(desk.signed_in(Role.OPERATOR), recovery.invoice_id) as stream:
        recovery = await append(desk.house, recovery, pause())
        parts = await parts_of(stream)
        assert "bob paused the recovery" in parts["timeline"]
        assert "&lt;b&gt;holiday&lt;/b&gt;" in parts["timeline"]
        assert "Paused" in parts["standing"]
        assert "Resume it" in parts["acts"]
        await append(desk.house, recovery, canceled())
        assert "Canceled" in (await parts_of(stream))["standing"]
        async with asyncio.timeout(PATIENCE):
            assert (await anext(stream))[0] == "end"


async def test_every_part_is_an_element_of_the_page(desk: Desk) -> None:
    recovery = await a_recovery(desk.house)
    here = desk.signed_in()
    page = await here.get(f"/recoveries/stripe/{recovery.invoice_id}")
    async with following(here, recovery.invoice_id, after=0) as stream:
        assert set(await parts_of(stream)) <= page.read.ids


async def test_a_page_that_shows_all_is_told_nothing_and_holds_no_connection(desk: Desk) -> None:
    recovery = await a_recovery(desk.house)
    async with following(desk.signed_in(), recovery.invoice_id) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        held = []
        for _ in range(20):
            await asyncio.sleep(0.03)
            held.append(desk.house.db.engine.pool.checkedout())  # type: ignore[attr-defined]
        assert not waiting.done()
        assert min(held) == 0
        waiting.cancel()


async def test_a_recovery_that_has_ended_ends_the_stream_at_once(desk: Desk) -> None:
    ended = await stored(desk.house.db, failure(unique("in_live")), canceled())
    async with following(desk.signed_in(), ended.invoice_id, after=ended.sequence) as stream:
        async with asyncio.timeout(PATIENCE):
            assert [kind async for kind, _ in stream] == ["end"]


async def test_the_stream_ends_with_the_session(desk: Desk) -> None:
    recovery = await a_recovery(desk.house)
    here = desk.signed_in(stay=timedelta(seconds=2))
    async with following(here, recovery.invoice_id) as stream, asyncio.timeout(PATIENCE):
        assert [kind async for kind, _ in stream] == []
    assert (await here.get(f"/recoveries/stripe/{recovery.invoice_id}/live")).status == 303


async def test_the_stream_ends_when_the_service_stops(desk: Desk) -> None:
    recovery = await a_recovery(desk.house)
    async with following(desk.signed_in(), recovery.invoice_id) as stream, asyncio.timeout(PATIENCE):
        desk.house.app.state.parts.leaving.set()
        assert [kind async for kind, _ in stream] == []


async def test_nobody_follows_without_login_or_what_is_not_there(desk: Desk) -> None:
    assert (await desk.get("/recoveries/stripe/in_x/live")).status == 303
    assert (await desk.signed_in().get("/recoveries/stripe/in_x/live")).status == 404
