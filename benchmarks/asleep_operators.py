"""What operators do while charges are due: commands and looks at recoveries, over HTTP, each answer timed."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import httpx

from benchmarks.recovery_rate_load import BenchmarkFailed
from core.operators import Action
from devstack.stack import DevStack

ROUNDS: Final = ((Action.PAUSE, Action.RESUME), (Action.CANCEL,), (Action.RETRY,))
"""What each recovery is asked, in turn: the first is paused and resumed, the second canceled, the third charged now."""
RIGHT_STATUSES: Final = (200, 202, 409)
"""Done; left as a signal, since no worker answered; refused with a reason, as where the charge was made already."""
LOOK_INTERVAL: Final = 0.1


class Answer(NamedTuple):
    """One answer to an operator."""

    number: int
    action: Action
    status: int
    seconds: float


class Operators:
    """Operators with the API's key; what they were answered is kept."""

    def __init__(self, stack: DevStack, invoices: Sequence[str]) -> None:
        self._invoices = invoices
        self._client = httpx.AsyncClient(
            base_url=stack.addresses.api,
            headers={"Authorization": f"Bearer {stack.environment['BOOTSTRAP_API_KEY']}"},
            timeout=60,
            trust_env=False,
        )
        self.answers: list[Answer] = []
        self.looks: list[float] = []
        """Seconds that each view of a recovery took."""

    async def submit(self, number: int, action: Action) -> int:
        """The status of the answer. Raises BenchmarkFailed for one that no command may get."""
        began = time.monotonic()
        path = f"/v1/recoveries/stripe/{self._invoices[number]}/{action.value}"
        answer = await self._client.post(path, json={"reason": "the benchmark asks"})
        self.answers.append(Answer(number, action, answer.status_code, time.monotonic() - began))
        if answer.status_code not in RIGHT_STATUSES:
            raise BenchmarkFailed(f"{action.value} was answered with {answer.status_code}: {answer.text}")
        return answer.status_code

    async def command_over(self, seconds: float, numbers: Sequence[int]) -> None:
        """Commands to these recoveries, begun at even intervals over this time."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for index, (number, actions) in enumerate(zip(numbers, itertools.cycle(ROUNDS), strict=False)):
                await asyncio.sleep(began + seconds * index / len(numbers) - time.monotonic())
                group.create_task(self._submit_all(number, actions))

    async def _submit_all(self, number: int, actions: Sequence[Action]) -> None:
        for action in actions:
            await self.submit(number, action)

    async def look_around(self, numbers: Sequence[int]) -> None:
        """Looks at one recovery after the other until it is cancelled."""
        for number in itertools.cycle(numbers):
            began = time.monotonic()
            answer = await self._client.get(f"/v1/recoveries/stripe/{self._invoices[number]}")
            answer.raise_for_status()
            self.looks.append(time.monotonic() - began)
            await asyncio.sleep(LOOK_INTERVAL)

    def slowest(self) -> Iterator[tuple[str, float]]:
        """The slowest answer to each action, in seconds."""
        for action in sorted({answer.action for answer in self.answers}):
            yield action.value, max(answer.seconds for answer in self.answers if answer.action is action)

    def count_statuses(self) -> Counter[str]:
        """How often each action was answered with each status."""
        return Counter(f"{answer.action.value} {answer.status}" for answer in self.answers)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
