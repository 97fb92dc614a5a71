"""A rolling deploy: the workers are replaced one after another by a later version of the code, then the API.

The later version is this tree with one more patched step in the workflow, as the next release would have it.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from devstack.processes import Program
from devstack.programs import PROJECT_ROOT
from tests.faults.rounds.faults import WORKERS, Fault
from tests.faults.rounds.waiting import wait_until

PATCH: Final = "rolling-deploy"
WORKFLOW: Final = "workflows/recovery.py"
BEFORE: Final = "        self._charging_at = self._recovery.sequence\n"
STEP: Final = f'        if workflow.patched("{PATCH}"):\n            await workflow.sleep(timedelta(milliseconds=10))\n'
SIDE_BY_SIDE_SECONDS: Final = 5.0
"""How long an old and a new worker share the queues."""
READY_SECONDS: Final = 60.0
UNUSED: Final = shutil.ignore_patterns(".*", "__pycache__", "docs", "benchmarks", "*.egg-info")


def build_later_version(folder: Path) -> Path:
    """A copy of this tree whose workflow takes one more step before each charge.

    Raises AssertionError where the workflow has no place for it any more.
    """
    tree = folder / "later"
    shutil.copytree(PROJECT_ROOT, tree, ignore=UNUSED)
    source = (tree / WORKFLOW).read_text()
    assert source.count(BEFORE) == 1, f"{WORKFLOW} has no single place for the step"
    (tree / WORKFLOW).write_text(source.replace(BEFORE, STEP + BEFORE))
    return tree


class RollingDeploy(Fault):
    """Each worker ends and is started from the later version, then the API."""

    name = "rolling-deploy"

    async def inject(self) -> None:
        """Replaces one process after another; old and new workers share the queues for a while."""
        stack = self.target.service.stack
        tree = await asyncio.to_thread(build_later_version, stack.data_dir)
        for worker in WORKERS:
            await self._replace(worker, tree)
            polling = await wait_until(partial(self._is_polling, stack.pid(worker)), READY_SECONDS, every=0.5)
            assert polling, "the new worker polls nothing"
            await asyncio.sleep(SIDE_BY_SIDE_SECONDS)
        await self._replace("api", tree)
        await wait_until(partial(asyncio.to_thread, stack.is_ready), READY_SECONDS)

    async def _replace(self, part: str, tree: Path) -> None:
        stack = self.target.service.stack
        program = await asyncio.to_thread(stack.stop, part)
        stack.start_program(in_tree(program, tree))

    async def _is_polling(self, pid: int) -> bool:
        argv = ("task-queue", "describe", "--task-queue", "recovery", "--output", "json")
        found = json.loads(await self.target.service.run_temporal_cli(*argv))
        return any(poller["identity"].startswith(f"{pid}@") for poller in found["pollers"])

    async def find_problems(self) -> Sequence[str]:
        """That no run took the step that only the later version has."""
        taken = await wait_until(self._is_step_taken, READY_SECONDS, every=0.5)
        return () if taken else ("no run took the later version's step",)

    async def _is_step_taken(self) -> bool:
        query = f"TemporalChangeVersion = '{PATCH}'"
        argv = ("workflow", "count", "--query", query, "--output", "json")
        found = json.loads(await self.target.service.run_temporal_cli(*argv))
        return int(found.get("count", 0)) > 0


def in_tree(program: Program, tree: Path) -> Program:
    """The same program from another tree."""
    argv = tuple(argument.replace(str(PROJECT_ROOT), str(tree)) for argument in program.argv[1:])
    env = {**(program.env or {}), "PYTHONPATH": str(tree)}
    return replace(program, argv=(sys.executable, *argv), env=env, cwd=tree)
