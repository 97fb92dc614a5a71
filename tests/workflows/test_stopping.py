"""The workers of one process stop at the same moment."""

import asyncio
from typing import cast

import pytest
from temporalio.worker import Worker

from worker import poll_together


class SlowWorker:
    """A worker that stops only when all have begun to stop; `began` is the order of their beginnings."""

    def __init__(self, all_of_them: asyncio.Barrier, began: list[str]) -> None:
        self._all, self._began = all_of_them, began
        self._stopped = False

    async def __aenter__(self) -> "SlowWorker":
        self._began.append("poll")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    async def shutdown(self) -> None:
        """Begins to stop, and waits for the others."""
        if not self._stopped:
            self._stopped = True
            self._began.append("stop")
            await self._all.wait()


@pytest.mark.parametrize("failure", [None, RuntimeError("what ran beside them failed")])
async def test_all_queues_stop_at_the_same_moment(failure: RuntimeError | None) -> None:
    """One after the other, the first would wait for ever for the second to stop."""
    barrier, began = asyncio.Barrier(3), list[str]()
    workers = [cast("Worker", SlowWorker(barrier, began)) for _ in range(3)]
    stopped = None
    async with asyncio.timeout(5):
        try:
            async with poll_together(*workers):
                assert began == ["poll"] * 3
                if failure:
                    raise failure
        except RuntimeError as error:
            stopped = error
    assert stopped is failure
    assert began == ["poll"] * 3 + ["stop"] * 3
