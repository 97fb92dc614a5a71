"""Records the histories that `test_histories` replays: `python -m tests.replay.record RELEASE`.

Run it when a path is new or a release is cut, in a commit of its own, and never together with a change of the
workflow: what is stored must have been written by older code than the code it tests. Existing files stay.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from temporalio.testing import WorkflowEnvironment

from settings import Settings
from tests.replay.paths import PATHS
from tests.tools import time_skipping_server
from tests.workflows.conftest import RecoveryRuns, shipped_sources
from workflows.client import temporal_plugin

HISTORIES = Path(__file__).parent / "histories"


async def record(release: str) -> None:
    """Runs every path that has no history of this release yet, and stores its history."""
    program = str(time_skipping_server.find_test_server(Settings().temporal_test_server))
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=program,
        plugins=[temporal_plugin()],
        test_server_startup_timeout=timedelta(seconds=60),
    ) as environment:
        for name, path in PATHS.items():
            target = HISTORIES / f"{name}.{release}.json"
            if not target.exists():
                async with AsyncExitStack() as stack:
                    recovery_run = await path(RecoveryRuns(environment, shipped_sources(), stack))
                    await recovery_run.wait_for_end()
                    history = await recovery_run.running_handle.fetch_history()
                target.write_text(history.to_json() + "\n")
                sys.stderr.write(f"{target.name}: {len(history.events)} events\n")


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1]))
