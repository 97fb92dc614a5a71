"""What one recovery costs, in things that can be counted: statements, transactions, history events, activities, calls.

The recovery fails once, is planned, charged and paid, over the real stack. Counts don't depend on the machine, so a
test holds them (tests/benchmarks/test_recovery_costs.py).
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.counted_service import TALLY_VARIABLE
from benchmarks.measures import Measure, Size
from benchmarks.temporal_actions import count_actions
from devstack.programs import Commands, Options
from devstack.stack import DevStack
from tests.support.service import Recovery, RunningService, endpoints_of, open_service
from tests.support.stacks import FAST_SETTINGS, default_settings, short_folder

MAINTENANCE: Final = frozenset({"relay_inbox", "hand_over"})
"""Activities that run by the clock, whatever recoveries do."""
WARM_UP: Final = 2
"""Recoveries before the one that counts: caches are filled, partitions made."""
QUIET_SECONDS: Final = 2.0
ACTIVITY: Final = "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED"
COMMAND: Final = (sys.executable, "-m", "benchmarks.counted_service")
SANDBOX: Final = (sys.executable, "-m", "sandbox", "--no-echo")
"""Without the webhooks about our own charge: whether they find the run or its end is a race."""


class RecoveryCosts(NamedTuple):
    """What one recovery needed, from its webhook to `recovery.closed`."""

    api_statements: int
    api_transactions: int
    worker_statements: int
    worker_transactions: int
    history_events: int
    activities: int
    """Those that the server schedules; local ones are markers among the history events."""
    provider_calls: int
    temporal_actions: int
    """As Temporal Cloud bills them; see `temporal_actions`."""
    history_bytes: int
    """What the run's history takes in Temporal once it is closed."""


@contextmanager
def counted_stack() -> Iterator[tuple[DevStack, Path]]:
    """A stack whose API and worker note their statements, and the file that they note them in."""
    with short_folder() as data:
        tally = data / "tally"
        tally.touch()
        commands = Commands(api=(*COMMAND, "api"), worker=(*COMMAND, "worker"), sandbox=SANDBOX)
        settings = {**FAST_SETTINGS, TALLY_VARIABLE: str(tally)}
        options = Options(data, 0, 0, 0, environment=settings, commands=commands)
        with DevStack(options, default_settings()) as stack:
            yield stack, tally


async def run_recovery(service: RunningService) -> Recovery:
    """A recovery that is won back by its first retry, and everything after it over."""
    recovery = await service.create_failure("insufficient_funds")
    await recovery.wait_for_pay_calls()  # at the provider: a question to the API would count
    await service.sandbox.wait_until_idle()
    await asyncio.sleep(QUIET_SECONDS)
    return recovery


async def measure_recovery(stack: DevStack, tally: Path) -> RecoveryCosts:
    """The costs of one recovery on this stack."""
    async with open_service(endpoints_of(stack), stack) as service:
        for _ in range(WARM_UP):
            await run_recovery(service)
        before = _read_tally(tally)
        recovery = await run_recovery(service)
        lines = _read_tally(tally) - before
        history = await _history_events(service, recovery.id)
        size = await _history_bytes(service, recovery.id)
        calls = len(await service.sandbox.read_log(recovery.invoice))
    api = {what: lines[f"api {what}"] for what in ("statement", "transaction")}
    worker = {what: sum(n for line, n in lines.items() if line.endswith(what)) - api[what] for what in api}
    activities = len([event for event in history if event["eventType"] == ACTIVITY])
    return RecoveryCosts(
        api["statement"], api["transaction"], worker["statement"], worker["transaction"],
        len(history), activities, calls, count_actions(history), size,
    )  # fmt: skip


def _read_tally(tally: Path) -> Counter[str]:
    """How often each user did what, but for maintenance."""
    return Counter(line for line in tally.read_text().splitlines() if line.partition(" ")[0] not in MAINTENANCE)


async def _history_events(service: RunningService, workflow_id: str) -> list[dict[str, Any]]:
    """All events in the history of the recovery's run."""
    shown = await service.run_temporal_cli("workflow", "show", "--workflow-id", workflow_id, "--output", "json")
    return list(json.loads(shown)["events"])


async def _history_bytes(service: RunningService, workflow_id: str) -> int:
    shown = await service.run_temporal_cli("workflow", "describe", "--workflow-id", workflow_id, "--output", "json")
    return int(json.loads(shown)["workflowExecutionInfo"]["historySizeBytes"])


def measure(_: Size = Size.SMALL) -> Iterator[Measure]:
    """The costs of one recovery. There is no mark here: the test has it."""
    with counted_stack() as (stack, tally):
        costs = asyncio.run(measure_recovery(stack, tally))
    for name, count in costs._asdict().items():
        yield Measure(f"one recovery, {name.replace('_', ' ')}", [count], "")
