"""Everything that an installation keeps and puts out, read as it lies there: tables, histories, logs, pages."""

import re
from collections.abc import AsyncIterator, Iterator
from html import unescape
from typing import Final

import httpx
import psycopg
from temporalio.client import Client

from devstack.stack import DevStack
from tests.support.planted import Sink
from tests.support.service import RunningService

MOST_PAGES: Final = 120
_LINK: Final = re.compile(r'href="(/admin[^"#]*)"')
_TOKEN: Final = re.compile(r'name="token" value="([^"]+)"')


def read_tables(stack: DevStack) -> Iterator[Sink]:
    """Every row of every table of the service."""
    address = stack.addresses.owner_url.replace("+psycopg", "")
    with psycopg.connect(address) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (name,) in names:
            rows = connection.execute(psycopg.sql.SQL("SELECT * FROM {}").format(psycopg.sql.Identifier(name)))
            yield Sink(f"table {name}", b"\n".join(_row_bytes(row) for row in rows))


def _row_bytes(row: tuple[object, ...]) -> bytes:
    return b" ".join(value if isinstance(value, bytes) else str(value).encode() for value in row)


def read_logs(stack: DevStack) -> Iterator[Sink]:
    """The logs of our own processes; the sandbox plays the provider, whose log is not ours."""
    for name in ("api", "worker", "migrate"):
        yield Sink(f"log of {name}", (stack.data_dir / "logs" / f"{name}.log").read_bytes())


async def read_histories(stack: DevStack) -> AsyncIterator[Sink]:
    """Each workflow's history and description: payloads, memo, search attributes, summaries, failures."""
    client = await Client.connect(stack.addresses.temporal)
    async for found in client.list_workflows():
        handle = client.get_workflow_handle(found.id, run_id=found.run_id)
        # Payloads are JSON and stand in the messages as they are.
        async for event in handle.fetch_history_events():
            yield Sink(f"history of {found.id}, {event.event_id}", event.SerializeToString())
        described = await handle.describe()
        yield Sink(f"description of {found.id}", described.raw_description.SerializeToString())
    async for schedule in await client.list_schedules():
        described_schedule = await client.get_schedule_handle(schedule.id).describe()
        yield Sink(f"schedule {schedule.id}", described_schedule.raw_description.SerializeToString())


async def read_metrics(service: RunningService, worker_port: int) -> AsyncIterator[Sink]:
    """The metrics of the API, of the worker, and of Temporal's library in the worker."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for port in (worker_port, worker_port + 1):
            answer = await client.get(f"http://127.0.0.1:{port}/metrics")
            assert answer.status_code == 200
            yield Sink(f"metrics at {port}", answer.content)
    async for sink in read_answers(service, "/metrics"):
        yield sink


async def read_answers(service: RunningService, *paths: str) -> AsyncIterator[Sink]:
    """The API's answers at these paths."""
    for path in paths:
        answer = await service.api.get(path)
        assert answer.status_code == 200, answer.text
        yield Sink(f"answer of {path}", answer.content)


async def read_pages(service: RunningService) -> AsyncIterator[Sink]:
    """Every page of the admin console that can be reached by links, its files and its export."""
    async with httpx.AsyncClient(base_url=service.endpoints.api, trust_env=False, timeout=30) as browser:
        await _sign_in(browser, service.endpoints.key)
        waiting, seen = ["/admin/", "/admin/audit", "/admin/recoveries.csv"], set[str]()
        while waiting and len(seen) < MOST_PAGES:
            path = waiting.pop(0)
            if path in seen or "logout" in path:
                continue
            seen.add(path)
            answer = await browser.get(path, follow_redirects=True)
            yield Sink(f"page {path}", answer.content)
            waiting += [unescape(link) for link in _LINK.findall(answer.text)]
        assert len(seen) > 10, seen


async def _sign_in(browser: httpx.AsyncClient, password: str) -> None:
    token = _TOKEN.search((await browser.get("/admin/login")).text)
    assert token
    form = {"token": token[1], "username": "admin", "password": password}
    answer = await browser.post("/admin/login", data=form)
    assert answer.status_code == 303, answer.text
