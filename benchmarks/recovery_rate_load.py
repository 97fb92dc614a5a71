"""Load for the service and for the floor: a closed loop that keeps so many in flight, an open one at a steady rate."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

from temporalio.client import Client

from benchmarks.bare_recovery import WORKFLOW_QUEUE
from benchmarks.recovery_rate_stripe import FastStripe
from sandbox.stripe.webhooks import sign_stripe_payload

BACKOFF_SECONDS: Final = 1.05
"""The floor's timer. Ours waits 1.0 to 1.1 seconds, by the jitter of the shipped policy."""
END_SECONDS: Final = 60.0
"""A recovery that takes longer has stopped: the benchmark fails."""


class BenchmarkFailed(Exception):
    """What was measured isn't what should have been measured."""


class Load(Protocol):
    """Something that can be started again and again, and ends by itself."""

    async def start(self) -> int:
        """Starts one, and returns its number."""

    def end_of(self, number: int) -> asyncio.Future[None]:
        """Done when the charge of this one was answered."""


class Window(NamedTuple):
    """What happened in a stretch of time, in seconds since 1970."""

    start: float
    end: float
    numbers: list[int]
    """What was started from the warm-up to the end."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


class ServiceLoad:
    """Failed payments, each posted as a webhook; what the service then asks and charges reaches the fake Stripe."""

    def __init__(self, fake: FastStripe, port: int, secret: str) -> None:
        self._fake, self._port, self._secret = fake, port, secret
        self._numbers = itertools.count()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.sent_at: dict[int, float] = {}

    async def start(self, failed_at: int | None = None) -> int:
        """Posts the webhook of a failure, of now or of `failed_at`. Raises BenchmarkFailed unless it is accepted."""
        number = next(self._numbers)
        body = self._fake.failure_event(number, failed_at)
        signature = sign_stripe_payload(body, self._secret, int(time.time()))
        head = (
            f"POST /webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Stripe-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.sent_at[number] = time.time()
        status = await self._post(head.encode() + body)
        if status != b"202":
            raise BenchmarkFailed(f"a webhook was answered with {status.decode()}")
        return number

    def end_of(self, number: int) -> asyncio.Future[None]:
        """Done when the fake has answered the pay call."""
        return self._fake.ends[number]

    async def _post(self, request: bytes) -> bytes:
        """The status of the answer, over a kept connection."""
        reader, writer = self._take_idle() or await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        await reader.readexactly(int(length))
        self._idle.append((reader, writer))
        return head.split(b" ", 2)[1]

    def _take_idle(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A kept connection that the service hasn't closed meanwhile, as it does with those unused for long."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    def close(self) -> None:
        """Closes all connections."""
        for _, writer in self._idle:
            writer.close()


class FloorLoad(asyncio.DatagramProtocol):
    """Bare workflows; their worker tells by datagrams what is done."""

    def __init__(self, client: Client, prefix: str) -> None:
        self._client, self._prefix = client, prefix
        self._numbers = itertools.count()
        self._ends: dict[int, asyncio.Future[None]] = {}
        self.sent_at: dict[int, float] = {}
        self.done_at: dict[str, dict[int, float]] = defaultdict(dict)
        """By kind of activity and number: seconds since 1970."""

    async def start(self) -> int:
        """Signals a new workflow with start."""
        number = next(self._numbers)
        self._ends[number] = asyncio.get_running_loop().create_future()
        self.sent_at[number] = time.time()
        await self._client.start_workflow(
            "BareRecovery",
            BACKOFF_SECONDS,
            id=f"{self._prefix}{number}",
            task_queue=WORKFLOW_QUEUE,
            start_signal="provider_event",
            start_signal_args=["failed"],
        )
        return number

    def end_of(self, number: int) -> asyncio.Future[None]:
        """Done when the last activity is."""
        return self._ends[number]

    def datagram_received(self, data: bytes, _: object) -> None:
        """What the worker tells: `KIND WORKFLOW SECONDS`."""
        kind, name, moment = data.decode().split()
        number = int(name.removeprefix(self._prefix))
        self.done_at[kind][number] = float(moment)
        if kind == "charge" and not self._ends[number].done():
            self._ends[number].set_result(None)


async def run_closed_loop(
    load: Load, in_flight: int, warm_up: float, seconds: float, at_edge: Callable[[], None]
) -> Window:
    """Keeps `in_flight` going for warm-up and window, then lets all end; `at_edge` is called when the window begins
    and when it ends.

    Raises BenchmarkFailed if one doesn't end.
    """
    stop, numbers = asyncio.Event(), list[int]()

    async def keep_one_going() -> None:
        while not stop.is_set():
            numbers.append(number := await load.start())
            await _await_end(load, number)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(keep_one_going())
        await asyncio.sleep(warm_up)
        start = time.time()
        at_edge()
        await asyncio.sleep(seconds)
        end = time.time()
        at_edge()
        stop.set()
    return Window(start, end, numbers)


async def run_open_loop(load: Load, per_second: float, seconds: float) -> list[int]:
    """Starts one after the other at this rate, however long each takes; the numbers, when all have ended.

    Raises BenchmarkFailed if one doesn't end.
    """
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = []
        for moment in _moments(per_second, seconds):
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            tasks.append(group.create_task(_run_one(load)))
    return [task.result() for task in tasks]


def _moments(per_second: float, seconds: float) -> Iterator[float]:
    return (index / per_second for index in range(round(per_second * seconds)))


async def _run_one(load: Load) -> int:
    number = await load.start()
    await _await_end(load, number)
    return number


async def _await_end(load: Load, number: int) -> None:
    try:
        await asyncio.wait_for(load.end_of(number), END_SECONDS)
    except TimeoutError:
        raise BenchmarkFailed(f"number {number} was not charged within {END_SECONDS:g} s") from None
