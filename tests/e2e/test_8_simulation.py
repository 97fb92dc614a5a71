"""A dry run over the API: started, observed while it runs, read when done."""

import asyncio
from typing import Any

from settings import SHIPPED_POLICY
from tests.support.concurrent_tests import ConcurrentTests
from tests.support.service import RunningService

together = ConcurrentTests()
SHIPPED = SHIPPED_POLICY.read_text()
CANDIDATE = SHIPPED.replace("attempts_allowed = 4", "attempts_allowed = 2")
WAIT_SECONDS = 90


async def create_simulation(service: RunningService, **body: Any) -> dict[str, Any]:
    """A new simulation."""
    answer = await service.api.post("/v1/simulations", json={"policy": CANDIDATE} | body)
    assert answer.status_code == 202, answer.text
    simulation: dict[str, Any] = answer.json()
    return simulation


async def wait_for_state(service: RunningService, id: str, *states: str) -> dict[str, Any]:
    """The simulation once it is in one of these states."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (simulation := (await service.api.get(f"/v1/simulations/{id}")).json())["state"] not in states:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    view: dict[str, Any] = simulation
    return view


@together
async def test_a_dry_run_from_the_order_to_its_report(service: RunningService) -> None:
    simulation = await create_simulation(service, recoveries=2_000, seed=11)
    simulation = await wait_for_state(service, simulation["id"], "done", "failed")
    assert simulation["problem"] is None
    assert simulation["progress"]["done"] == simulation["progress"]["total"]
    result = simulation["result"]
    assert (result["seed"], result["source"], result["recoveries"]) == (11, "synthetic", 2_000)
    baseline, candidate = result["arms"]
    assert candidate["charge_attempts"] < baseline["charge_attempts"]
    assert result["difference"]["ci_high"] < 0
    page = await service.api.get(f"/v1/simulations/{simulation['id']}/report")
    assert page.headers["content-type"].startswith("text/html")
    assert "wins back" in page.text
    assert candidate["policy_version"] in page.text


@together
async def test_long_simulation_is_canceled(service: RunningService) -> None:
    simulation = await create_simulation(service, recoveries=1_000_000)
    await wait_for_state(service, simulation["id"], "running")
    assert (await service.api.post(f"/v1/simulations/{simulation['id']}/cancel")).status_code == 200
    canceled = await wait_for_state(service, simulation["id"], "canceled", "done", "failed")
    assert (canceled["state"], canceled["result"]) == ("canceled", None)
    assert (await service.api.post(f"/v1/simulations/{simulation['id']}/cancel")).json()["code"] == "closed"
