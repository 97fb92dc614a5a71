"""Two people above the policy's amount, where only one of the processes has that policy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack.programs import CLI_COMMAND, Commands, Options
from devstack.stack import DevStack
from settings import SHIPPED_POLICY
from tests.support.service import Recovery, RunningService, endpoints_of, open_service
from tests.support.stacks import FAST_SETTINGS, default_settings, short_folder

LIMITED_POLICY = "\n[operators]\nsecond_approver_above = { EUR = 1000, USD = 1000 }\n"
SLOW_CODE = "card_velocity_exceeded"


class LimitedService:
    """A stack and its operators."""

    def __init__(self, service: RunningService, limited: str) -> None:
        self.service, self.limited = service, limited

    async def create_key(self, name: str) -> dict[str, str]:
        """The headers of a new API key of this operator."""
        argv = ("keys", "create", "--scope", "recoveries:write", "--scope", "recoveries:read", "--name", name)
        pipes: dict[str, Any] = {"stdout": asyncio.subprocess.PIPE, "env": self.service.stack.environment}
        process = await asyncio.create_subprocess_exec(*CLI_COMMAND, *argv, **pipes)
        output, _ = await process.communicate()
        return {"Authorization": f"Bearer {next(w for w in output.decode().split() if w.startswith('pri_'))}"}

    async def request_retry(self, recovery: Recovery, key: dict[str, str]) -> httpx.Response:
        """The API's response to a retry command."""
        body = {"reason": "the customer called"}
        return await self.service.api.post(f"{recovery.path}/retry", json=body, headers=key)


def stack_commands(operator: str, policy: Path) -> Commands:
    """The commands of a stack in which one process has this policy."""
    plain = Commands()
    argv = (*("env", f"POLICY_FILE={policy}"), *getattr(plain, operator))
    return replace(plain, **{operator: argv})


@pytest.fixture(scope="module", params=["api", "worker"])
async def limited_service(request: pytest.FixtureRequest) -> AsyncIterator[LimitedService]:
    """A stack where only the API has the policy, and one where only the worker has it."""
    async with AsyncExitStack() as exits:
        data = exits.enter_context(short_folder())
        policy = data / "policies.toml"
        policy.write_text(SHIPPED_POLICY.read_text() + LIMITED_POLICY)
        options = Options(data, 0, 0, 0, commands=stack_commands(request.param, policy), environment=FAST_SETTINGS)
        stack = exits.enter_context(DevStack(options, default_settings()))
        yield LimitedService(await exits.enter_async_context(open_service(endpoints_of(stack), stack)), request.param)


async def test_retry_above_the_amount_needs_two_people(limited_service: LimitedService) -> None:
    ann, bob = await limited_service.create_key("ann"), await limited_service.create_key("bob")
    recovery = await limited_service.service.create_failure(SLOW_CODE, amount=2000)
    await recovery.wait_for_event("retry.planned")
    for _ in range(2):
        answer = await limited_service.request_retry(recovery, ann)
        assert (answer.status_code, answer.json()["code"]) == (403, "second_approver"), answer.text
        assert "ann submitted the command" in answer.json()["detail"]
    assert await recovery.fetch_pay_calls() == []
    assert (await limited_service.request_retry(recovery, bob)).status_code == 200
    await recovery.wait_for_one_payment()
    data = (await recovery.fetch_only_event("operator.retry_requested"))["data"]
    assert (data["actor"], data["asked_by"]) == ("bob", "ann")


async def test_retry_up_to_the_amount_needs_one_person(limited_service: LimitedService) -> None:
    recovery = await limited_service.service.create_failure(SLOW_CODE, amount=1000)
    await recovery.wait_for_event("retry.planned")
    assert (await limited_service.request_retry(recovery, await limited_service.create_key("ann"))).status_code == 200
    await recovery.wait_for_one_payment()


async def test_signal_cannot_claim_an_approval(limited_service: LimitedService) -> None:
    """Signals reach the worker only: where that has no limit, they pass, as docs/operations.md says."""
    recovery = await limited_service.service.create_failure(SLOW_CODE, amount=2000)
    await recovery.wait_for_event("retry.planned")
    await recovery.send_signal("retry_now", "--input", '{"actor": "bob", "asked_by": "ann", "request_id": "made-up"}')
    (row,) = await recovery.wait_for_event("operator.retry_requested")
    if limited_service.limited == "api":
        assert "refused" not in row["data"]
        await recovery.wait_for_one_payment()
        return
    assert row["data"]["refused"] == "second_approver"
    assert await recovery.fetch_pay_calls() == []
    await recovery.submit_command("cancel")
    await recovery.wait_for_unpaid_end("canceled")
