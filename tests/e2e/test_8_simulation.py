"""A dry run over the API: asked for, looked at while it runs, read when it is done."""

import asyncio
from typing import Any

from settings import SHIPPED_POLICY
from tests.support.together import Together
from tests.support.world import World

together = Together()
SHIPPED = SHIPPED_POLICY.read_text()
CANDIDATE = SHIPPED.replace("attempts_allowed = 4", "attempts_allowed = 2")
WITHIN = 90


async def asked(world: World, **body: Any) -> dict[str, Any]:
    """A new one."""
    answer = await world.api.post("/v1/simulations", json={"policy": CANDIDATE} | body)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def until(world: World, id: str, *states: str) -> dict[str, Any]:
    """Waits for one of these states."""
    async with asyncio.timeout(WITHIN):
        while (found := (await world.api.get(f"/v1/simulations/{id}")).json())["state"] not in states:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    view: dict[str, Any] = found
    return view


@together
async def test_a_dry_run_from_the_order_to_its_report(world: World) -> None:
    made = await asked(world, recoveries=2_000, seed=11)
    done = await until(world, made["id"], "done", "failed")
    assert done["problem"] is None
    assert done["progress"]["done"] == done["progress"]["total"]
    result = done["result"]
    assert (result["seed"], result["source"], result["recoveries"]) == (11, "synthetic", 2_000)
    baseline, candidate = result["arms"]
    assert candidate["charge_attempts"] < baseline["charge_attempts"]
    assert result["difference"]["ci_high"] < 0
    page = await world.api.get(f"/v1/simulations/{made['id']}/report")
    assert page.headers["content-type"].startswith("text/html")
    assert "wins back" in page.text
    assert candidate["policy_version"] in page.text


@together
async def test_a_long_one_is_canceled(world: World) -> None:
    made = await asked(world, recoveries=1_000_000)
    await until(world, made["id"], "running")
    assert (await world.api.post(f"/v1/simulations/{made['id']}/cancel")).status_code == 200
    ended = await until(world, made["id"], "canceled", "done", "failed")
    assert (ended["state"], ended["result"]) == ("canceled", None)
    assert (await world.api.post(f"/v1/simulations/{made['id']}/cancel")).json()["code"] == "closed"
