"""Small requests that once stopped the process for minutes: answered soon, and read beside the event loop."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

import api.admin.webhooks
import api.simulations
from api.auth import Scope
from api.parser_threads import ParserThreads
from api.simulations import MOST_OPEN
from core.errors import TooManyRequests
from settings import SHIPPED_POLICY
from tests.api.admin.conftest import console
from tests.api.admin.console import AdminBrowser
from tests.api.harness import ApiHarness, stripe_event
from tests.intake.fakes import unique_id

__all__ = ["console"]

SHIPPED: Final = SHIPPED_POLICY.read_text()
MOST_CPU_SECONDS: Final = 3.0
POLICIES: Final = {
    "unknown keys": "".join(f"key{number} = 1\n" for number in range(5_000)),
    "blanks in a header": f"{SHIPPED}\nx = 1\n[{' ' * 2_000}x",
    "long dotted key": "a." * 30_000 + "a = 1",
    "long dotted header": "[" + "a." * 30_000 + "a]\n" + "".join(f"k{number} = 1\n" for number in range(10_000)),
    "segments": "".join(f'[[segments]]\nname = "s{number}"\n' for number in range(8_000)),
    "the same lines": SHIPPED + "".join(f"\n#{line}" for line in SHIPPED.splitlines() * 20),
}


def record_thread(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[threading.Thread]:
    """The threads in which this function is called from now on."""
    seen: list[threading.Thread] = []
    called: Callable[..., object] = getattr(module, name)

    def recording(*args: Any) -> object:
        seen.append(threading.current_thread())
        return called(*args)

    monkeypatch.setattr(module, name, recording)
    return seen


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
async def test_policies_are_checked_soon_and_beside_the_event_loop(
    console: AdminBrowser, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    threads = record_thread(monkeypatch, api.simulations, "parse_policy")
    key = await console.harness.create_key(Scope.SIMULATE, name=unique_id("key"))
    began = time.process_time()
    for field in ("policy", "baseline"):
        answer = await console.harness.client.post(
            "/v1/simulations", headers=key, json={"policy": SHIPPED} | {field: policy}
        )
        assert answer.status_code in (202, 422), answer.text
        assert len(answer.content) < 20_000
    page = await console.sign_in_as().submit_form("/policies/candidate", policy=policy)
    assert page.status in (200, 422)
    assert time.process_time() - began < MOST_CPU_SECONDS
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("text", ["a" * 200_000, "sk_" * 60_000, " " * 200_000], ids=["word", "secrets", "blanks"])
async def test_a_long_text_in_a_webhook_is_masked_soon(
    console: AdminBrowser, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    threads = record_thread(monkeypatch, api.admin.webhooks, "mask_body")
    event = stripe_event("invoice.invented", id="in_x", note=text)
    began = time.process_time()
    assert (await console.harness.send_event(event)).status_code == 202
    page = await console.sign_in_as().get_page(f"/webhooks/stripe/{event['id']}")
    assert page.status == 200
    assert time.process_time() - began < MOST_CPU_SECONDS
    assert threads
    assert threading.main_thread() not in threads


async def test_cookies_with_backslashes_are_not_parsed(harness: ApiHarness) -> None:
    began = time.process_time()
    answer = await harness.client.get("/admin/login", headers={"Cookie": 'a="' + "\\" * 100_000 + '"'})
    assert answer.status_code == 200
    assert time.process_time() - began < MOST_CPU_SECONDS


async def test_open_dry_runs_of_one_key_are_limited(harness: ApiHarness) -> None:
    key, other = [await harness.create_key(Scope.SIMULATE, name=unique_id("key")) for _ in range(2)]

    async def start(headers: dict[str, str]) -> Any:
        return await harness.client.post("/v1/simulations", headers=headers, json={"policy": SHIPPED})

    answers = await asyncio.gather(*(start(key) for _ in range(MOST_OPEN)))
    assert [answer.status_code for answer in answers] == [202] * MOST_OPEN
    refused = await start(key)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert int(refused.headers["retry-after"]) > 0
    assert (await start(other)).status_code == 202
    await harness.client.post(f"/v1/simulations/{answers[0].json()['id']}/cancel", headers=key)


async def test_parallel_starts_of_one_key_do_not_pass_the_limit(harness: ApiHarness) -> None:
    key = await harness.create_key(Scope.SIMULATE, name=unique_id("key"))

    async def start_together(count: int) -> list[int]:
        posts = (harness.client.post("/v1/simulations", headers=key, json={"policy": SHIPPED}) for _ in range(count))
        return [answer.status_code for answer in await asyncio.gather(*posts)]

    statuses = await start_together(MOST_OPEN - 4) + await start_together(12)
    assert [statuses.count(status) for status in (202, 429)] == [MOST_OPEN, 8]


async def test_texts_that_wait_for_a_thread_are_limited() -> None:
    threads, released = ParserThreads(at_a_time=1, most_waiting=1), threading.Event()
    running = [asyncio.create_task(threads.run(released.wait)) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.raises(TooManyRequests) as refused:
        await threads.run(len, "x")
    assert refused.value.retry_after > timedelta(0)
    released.set()
    assert await asyncio.gather(*running) == [True, True]
    assert await threads.run(len, "x") == 1
