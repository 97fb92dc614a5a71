"""Two people above the policy's amount, where only one of the processes has that policy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack.children import CLI, Commands, Options
from devstack.stack import DevStack
from settings import SHIPPED_POLICY
from tests.support.stacks import FASTER, folder, newcomer
from tests.support.world import Recovery, World, opened, place_of

LIMITED = "\n[operators]\nsecond_approver_above = { EUR = 1000, USD = 1000 }\n"
SLOW = "card_velocity_exceeded"


class Office:
    """A stack, and the people who act in it."""

    def __init__(self, world: World, limited: str) -> None:
        self.world, self.limited = world, limited

    async def key(self, name: str) -> dict[str, str]:
        """A key of this name."""
        argv = ("keys", "create", "--scope", "recoveries:write", "--scope", "recoveries:read", "--name", name)
        pipes: dict[str, Any] = {"stdout": asyncio.subprocess.PIPE, "env": self.world.stack.environment}
        process = await asyncio.create_subprocess_exec(*CLI, *argv, **pipes)
        said, _ = await process.communicate()
        return {"Authorization": f"Bearer {next(w for w in said.decode().split() if w.startswith('pri_'))}"}

    async def retry(self, recovery: Recovery, key: dict[str, str]) -> httpx.Response:
        """What somebody hears who asks for a charge."""
        body = {"reason": "the customer called"}
        return await self.world.api.post(f"{recovery.path}/retry", json=body, headers=key)


def commands(who: str, policy: Path) -> Commands:
    """Those of a stack in which one process has this policy."""
    plain = Commands()
    argv = (*("env", f"POLICY_FILE={policy}"), *getattr(plain, who))
    return replace(plain, **{who: argv})


@pytest.fixture(scope="module", params=["api", "worker"])
async def office(request: pytest.FixtureRequest) -> AsyncIterator[Office]:
    """One where only the API has the policy, and one where only the worker has it."""
    async with AsyncExitStack() as exits:
        data = exits.enter_context(folder())
        policy = data / "policies.toml"
        policy.write_text(SHIPPED_POLICY.read_text() + LIMITED)
        options = Options(data, 0, 0, 0, commands=commands(request.param, policy), environment=FASTER)
        stack = exits.enter_context(DevStack(options, newcomer()))
        yield Office(await exits.enter_async_context(opened(place_of(stack), stack)), request.param)


async def test_a_retry_takes_two(office: Office) -> None:
    ann, bob = await office.key("ann"), await office.key("bob")
    recovery = await office.world.fails(SLOW, amount=2000)
    await recovery.until_event("retry.planned")
    for _ in range(2):
        answer = await office.retry(recovery, ann)
        assert (answer.status_code, answer.json()["code"]) == (403, "second_approver"), answer.text
        assert "ann asked for it" in answer.json()["detail"]
    assert await recovery.pay_calls() == []
    assert (await office.retry(recovery, bob)).status_code == 200
    await recovery.recovered_once()
    told = (await recovery.only("operator.retry_requested"))["data"]
    assert (told["actor"], told["asked_by"]) == ("bob", "ann")


async def test_up_to_the_amount_one_is_enough(office: Office) -> None:
    recovery = await office.world.fails(SLOW, amount=1000)
    await recovery.until_event("retry.planned")
    assert (await office.retry(recovery, await office.key("ann"))).status_code == 200
    await recovery.recovered_once()


async def test_a_signal_that_says_so_is_nobodys_approval(office: Office) -> None:
    """Signals reach the worker only: where that has no limit, they pass, as docs/operations.md says."""
    recovery = await office.world.fails(SLOW, amount=2000)
    await recovery.until_event("retry.planned")
    await recovery.signal("retry_now", "--input", '{"actor": "bob", "asked_by": "ann", "request_id": "made-up"}')
    (row,) = await recovery.until_event("operator.retry_requested")
    if office.limited == "api":
        assert "refused" not in row["data"]
        await recovery.recovered_once()
        return
    assert row["data"]["refused"] == "second_approver"
    assert await recovery.pay_calls() == []
    await recovery.ask("cancel")
    await recovery.ended_unpaid("canceled")
