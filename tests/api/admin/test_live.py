"""The page of a recovery updates while it is open, at little cost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.admin import live_updates
from api.admin.sessions import Role
from core.events import Event, EventType
from core.recovery.state import Recovery
from db.repositories import event_log
from tests.api.admin.console import AdminBrowser
from tests.api.harness import ApiHarness, app_now, run_server
from tests.intake.fakes import canceled_event, failure_event, store_recovery, unique_id

PATIENCE = 20.0


@pytest.fixture(autouse=True)
def fast_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls ten times as often."""
    monkeypatch.setattr(live_updates, "LOOK_INTERVAL", timedelta(seconds=0.1))


@asynccontextmanager
async def follow_stream(
    console: AdminBrowser, invoice: str, after: int = 1
) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """The events of the page's stream, each with its data."""
    async with run_server(console.harness.app) as address, httpx.AsyncClient(timeout=PATIENCE) as client:
        cookies = await console.cookie_header()
        path = f"{address}/admin/recoveries/stripe/{invoice}/live"
        async with client.stream("GET", path, params={"after": after}, headers=cookies) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield parse_events(answer)


async def parse_events(answer: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    """The server-sent events, one by one."""
    kind = ""
    async for line in answer.aiter_lines():
        name, _, rest = line.partition(": ")
        if name == "event":
            kind = rest
        elif name == "data":
            yield kind, json.loads(rest)


async def open_recovery(harness: ApiHarness) -> Recovery:
    """A recovery with one row."""
    return await store_recovery(harness.db, failure_event(unique_id("in_live")))


async def append_events(harness: ApiHarness, recovery: Recovery, *more: Event) -> Recovery:
    """The recovery with these events appended to its log."""
    async with harness.db.begin() as session:
        await event_log.append_to_log(session, recovery, list(more), app_now())
        stored_recovery = await event_log.load_recovery(session, recovery.recovery_id)
    assert stored_recovery
    return stored_recovery


def pause_event() -> Event:
    """A pause, which changes the page."""
    return Event(type=EventType.PAUSED, occurred_at=app_now(), data={"actor": "bob", "reason": "<b>holiday</b>"})


async def next_parts(stream: AsyncIterator[tuple[str, Any]], count: int = 6) -> dict[str, str]:
    """The next page parts by their id."""
    parts: dict[str, str] = {}
    async with asyncio.timeout(PATIENCE):
        while len(parts) < count:
            kind, data = await anext(stream)
            assert kind == "part", kind
            parts[data["id"]] = data["html"]
    return parts


async def test_new_events_appear_on_the_open_page(console: AdminBrowser) -> None:
    recovery = await open_recovery(console.harness)
    async with follow_stream(console.sign_in_as(Role.OPERATOR), recovery.invoice_id) as stream:
        recovery = await append_events(console.harness, recovery, pause_event())
        parts = await next_parts(stream)
        assert "bob paused the recovery" in parts["timeline"]
        assert "&lt;b&gt;holiday&lt;/b&gt;" in parts["timeline"]
        assert "Paused" in parts["standing"]
        assert "Resume it" in parts["acts"]
        await append_events(console.harness, recovery, canceled_event())
        assert "Canceled" in (await next_parts(stream))["standing"]
        async with asyncio.timeout(PATIENCE):
            assert (await anext(stream))[0] == "end"


async def test_every_part_is_an_element_of_the_page(console: AdminBrowser) -> None:
    recovery = await open_recovery(console.harness)
    browser = console.sign_in_as()
    page = await browser.get_page(f"/recoveries/stripe/{recovery.invoice_id}")
    async with follow_stream(browser, recovery.invoice_id, after=0) as stream:
        assert set(await next_parts(stream)) <= page.parsed.ids


async def test_page_without_updates_holds_no_database_connection(console: AdminBrowser) -> None:
    recovery = await open_recovery(console.harness)
    async with follow_stream(console.sign_in_as(), recovery.invoice_id) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        connection_counts = []
        for _ in range(20):
            await asyncio.sleep(0.03)
            connection_counts.append(console.harness.db.engine.pool.checkedout())  # type: ignore[attr-defined]
        assert not waiting.done()
        assert min(connection_counts) == 0
        waiting.cancel()


async def test_an_ended_session_ends_its_streams(console: AdminBrowser) -> None:
    recovery = await open_recovery(console.harness)
    browser = console.sign_in_as(name=unique_id("ann"))
    async with follow_stream(browser, recovery.invoice_id) as stream, asyncio.timeout(PATIENCE):
        assert (await browser.submit_form("/logout")).status == 303
        assert [kind async for kind, _ in stream] == []


async def test_a_recovery_that_has_ended_ends_the_stream_at_once(console: AdminBrowser) -> None:
    recovery = await store_recovery(console.harness.db, failure_event(unique_id("in_live")), canceled_event())
    async with follow_stream(console.sign_in_as(), recovery.invoice_id, after=recovery.sequence) as stream:
        async with asyncio.timeout(PATIENCE):
            assert [kind async for kind, _ in stream] == ["end"]


async def test_the_stream_ends_with_the_session(console: AdminBrowser) -> None:
    recovery = await open_recovery(console.harness)
    browser = console.sign_in_as(session_length=timedelta(seconds=2))
    async with follow_stream(browser, recovery.invoice_id) as stream, asyncio.timeout(PATIENCE):
        assert [kind async for kind, _ in stream] == []
    assert (await browser.get_page(f"/recoveries/stripe/{recovery.invoice_id}/live")).status == 303


async def test_the_stream_ends_when_the_service_stops(console: AdminBrowser) -> None:
    recovery = await open_recovery(console.harness)
    async with follow_stream(console.sign_in_as(), recovery.invoice_id) as stream, asyncio.timeout(PATIENCE):
        console.harness.app.state.parts.stop_requested.set()
        assert [kind async for kind, _ in stream] == []


async def test_stream_needs_a_session_and_an_existing_recovery(console: AdminBrowser) -> None:
    assert (await console.get_page("/recoveries/stripe/in_x/live")).status == 303
    assert (await console.sign_in_as().get_page("/recoveries/stripe/in_x/live")).status == 404
