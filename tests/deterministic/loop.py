"""An event loop over a virtual clock, and processes that can be killed or stopped between any two of their steps.

Nothing sleeps and nothing runs beside anything else: when no callback is ready, the clock jumps to the next timer. The
same calls give the same order of steps.
"""

import asyncio
import contextlib
import heapq
import inspect
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Process:
    """An operating system's process. What was started in it takes no further step once it is dead."""

    name: str
    is_alive: bool = True
    stopped_until: float = 0.0
    """Virtual time (seconds) until which it is stopped (SIGSTOP)."""
    sessions: list[Any] = field(default_factory=list)
    """Its open database transactions."""


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
"""The process that runs now; None for a server of somebody else: the provider, PostgreSQL, Temporal."""


class CallbackLoop(asyncio.AbstractEventLoop):
    """What asyncio's tasks, futures and time-outs need of a loop. Callbacks run in the order in which they came."""

    def __init__(self) -> None:
        self._ready: deque[asyncio.Handle] = deque()
        self.problems: list[str] = []
        """Exceptions that nobody took."""
        # Strong references: what belonged to a dead process must not be ended by the collector, in mid-simulation.
        self._tasks: list[asyncio.Task[Any]] = []

    def get_debug(self) -> bool:
        """False: debug mode would look at the real clock."""
        return False

    def is_running(self) -> bool:
        """True: it only exists while it runs."""
        return True

    def is_closed(self) -> bool:
        """False: it is dropped, not closed."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keeps the exception for the checks."""
        self.problems.append(f"{context.get('message')}: {context.get('exception')!r}")

    def create_future(self) -> "asyncio.Future[Any]":
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> "asyncio.Task[Any]":
        """A task of this loop. It may be left unfinished: the end of a simulation ends it."""
        task = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._tasks.append(task)
        return task

    def close(self) -> None:
        """Ends what is left unfinished; whatever that does is of no consequence any more."""
        for task in self._tasks:
            while not task.done() and _is_suspended(task):
                # A `finally` that awaits refuses to end once; the next time it is thrown out of that await.
                with contextlib.suppress(BaseException):
                    task.get_coro().close()
        self._tasks.clear()

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        """Calls back once everything that is ready now had its turn."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A timer was cancelled; it is skipped when it is due."""


def _is_suspended(task: "asyncio.Task[Any]") -> bool:
    return inspect.getcoroutinestate(task.get_coro()) != inspect.CORO_CLOSED  # type: ignore[arg-type]


_Sleeper = tuple["asyncio.Future[None]", Process | None]
"""What sleeps, and in which process."""


class VirtualLoop(CallbackLoop):
    """The loop of the whole world: every process and every server."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle | _Sleeper]] = []
        self._timer_count = 0
        self.steps = 0

    def time(self) -> float:
        """The virtual time, in seconds since the start."""
        return self._now

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Calls back after `delay` virtual seconds."""
        return self.call_at(self._now + max(delay, 0.0), callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Calls back at this virtual time. Of equal times the earlier call comes first."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, timer))
        return timer

    def run(self, main: Coroutine[Any, Any, None], most_steps: int) -> bool:
        """Runs `main` to its end. False where it took more than `most_steps`, or waits for nothing that comes."""
        outer = events._get_running_loop()  # a test with a loop of its own may play a world
        events._set_running_loop(self)
        try:
            task = self.create_task(main)
            while not task.done():
                if not self._step() or self.steps > most_steps:
                    return False
            task.result()
            return True
        finally:
            events._set_running_loop(outer)

    def _step(self) -> bool:
        if not self._ready:
            return self._fire_next_timer()
        handle = self._ready.popleft()
        if handle._cancelled:
            return True
        process = handle._context.get(PROCESS)  # type: ignore[attr-defined]
        if process is not None:
            if not process.is_alive:
                return True
            if process.stopped_until > self._now:
                self._run_after_stop(handle, process)
                return True
        self.steps += 1
        handle._run()
        return True

    def _fire_next_timer(self) -> bool:
        if not self._timers:
            return False
        when, _, timer = heapq.heappop(self._timers)
        if not isinstance(timer, tuple):
            if not timer.cancelled():
                self._now = max(self._now, when)
                self._ready.append(timer)
            return True
        future, process = timer
        if process is not None and (not process.is_alive or process.stopped_until > when):
            if process.is_alive:
                self._timer_count += 1
                heapq.heappush(self._timers, (process.stopped_until, self._timer_count, timer))
            return True
        if not future.done():
            self._now = max(self._now, when)
            future.set_result(None)
        return True

    def _run_after_stop(self, handle: asyncio.Handle, process: Process) -> None:
        self.call_at(process.stopped_until, self._ready.append, handle, context=Context())

    async def sleep(self, seconds: float) -> None:
        """Returns after so many virtual seconds. Cheaper than asyncio.sleep, which makes a handle and a context."""
        future = self.create_future()
        self._timer_count += 1
        heapq.heappush(self._timers, (self._now + seconds, self._timer_count, (future, PROCESS.get())))
        await future


def run_in_process(process: Process | None, call: Callable[..., Any], *args: Any) -> Any:
    """Calls within this process: the tasks that the call starts belong to it, and inherit nothing else."""
    context = Context()
    context.run(PROCESS.set, process)
    return context.run(call, *args)
