"""Runs the real workflow class outside Temporal: the part of the SDK that turns a history into steps of a workflow.

As in the SDK, a workflow has a loop of its own that runs until nothing in it can go on, and its history, applied again,
brings a new instance to the same place. The real class finds this runtime by the attribute that the SDK's own has.
"""

import asyncio
import contextvars
from asyncio import events
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final, NoReturn

from temporalio import activity as activities
from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from core.contracts import RecoveryInput
from core.operators import Command
from tests.deterministic.loop import CallbackLoop
from workflows.recovery import PaymentRecovery

ActivityName = str
SIGNALS: Final = {"retry_now", "cancel", "pause", "resume", "review"}
"""Signals of operators; their handlers are named after them."""


@dataclass
class Update:
    """An operator's command that somebody waits for."""

    update_id: str
    command: Command
    is_accepted: bool = False
    answer: "asyncio.Future[Any] | None" = None
    """Who waits for it; None in a history."""


@dataclass(frozen=True)
class Job:
    """One thing that happened to a workflow: `kind` is signal, update, activity, timer or cancel."""

    kind: str
    key: Any = None
    """Name of the signal, number of the activity or timer."""
    value: Any = None


@dataclass(frozen=True)
class Activation:
    """What happened to a workflow at one moment."""

    now: datetime
    jobs: tuple[Job, ...]


@dataclass
class ActivityOrder:
    """An activity that the workflow wants to run."""

    number: int
    name: ActivityName
    given: Any
    is_local: bool
    options: Mapping[str, Any]


@dataclass
class Commands:
    """What a workflow wants of Temporal after a step."""

    activities: list[ActivityOrder] = field(default_factory=list)
    timers: list[tuple[int, float]] = field(default_factory=list)
    """Number and virtual seconds."""
    canceled_timers: list[int] = field(default_factory=list)
    answers: list[tuple[Update, Any]] = field(default_factory=list)
    is_over: bool = False
    continued: RecoveryInput | None = None
    failure: BaseException | None = None


class _ContinueAsNew(BaseException):
    def __init__(self, start: RecoveryInput) -> None:
        super().__init__()
        self.start = start


class WorkflowInstance(CallbackLoop):
    """One `PaymentRecovery` in the memory of a worker."""

    def __init__(self, start: RecoveryInput, workflow_id: str, run_id: str, start_time: datetime) -> None:
        super().__init__()
        self.history_length = 3
        setattr(self, "__temporal_workflow_runtime", self)
        self._info = SimpleNamespace(
            run_id=run_id,
            workflow_id=workflow_id,
            start_time=start_time,
            typed_search_attributes={},
            is_continue_as_new_suggested=lambda: False,
            get_current_history_length=lambda: self.history_length,
        )
        self._now = start_time
        self._start = start
        self._workflow: PaymentRecovery | None = None
        self._main: asyncio.Task[Any] | None = None
        self._activity_futures: dict[int, asyncio.Future[Any]] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._numbers = 0
        self._conditions: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._handlers: set[asyncio.Task[Any]] = set()
        self._commands = Commands()

    # --- driving it -----------------------------------------------------------------------------------------

    def activate(self, activation: Activation) -> Commands:
        """Applies what happened and runs until nothing can go on. Raises what the workflow's code raises by mistake."""
        self._now, self._commands = activation.now, Commands()
        self.history_length += len(activation.jobs)
        with self._running():
            if self._workflow is None:
                self._workflow = PaymentRecovery(self._start)
            # As in the SDK: what came from outside is heard before results and timers of the same moment.
            for job in activation.jobs:
                if job.kind in {"signal", "update"}:
                    self._apply_outside(job)
            if self._main is None:
                self._main = self.create_task(self._workflow.run(self._start))
            self._run_ready()
            for job in activation.jobs:
                if job.kind not in {"signal", "update"}:
                    self._apply_result(job)
            self._run_ready()
        self._look_at_end()
        return self._commands

    @contextmanager
    def _running(self) -> Any:
        outer = events._get_running_loop()
        events._set_running_loop(self)
        try:
            yield
        finally:
            events._set_running_loop(outer)

    def _run_ready(self) -> None:
        while True:
            while self._ready:
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
            self._conditions = [one for one in self._conditions if not _check_condition(*one)]
            if not self._ready:
                return

    def _apply_outside(self, job: Job) -> None:
        assert self._workflow is not None
        if job.kind == "update":
            return self._begin_update(job.value)
        handler = getattr(self._workflow, f"{job.key}_signal" if job.key in SIGNALS else job.key)
        handler(job.value)
        return None

    def _begin_update(self, update: Update) -> None:
        assert self._workflow is not None
        if not update.is_accepted:
            try:
                self._workflow._validate_command(update.command)
            except FailureError as refusal:
                self._commands.answers.append((update, refusal))
                return
            update.is_accepted = True
        task = contextvars.Context().run(self.create_task, self._handle_update(update))
        self._handlers.add(task)

    async def _handle_update(self, update: Update) -> None:
        assert self._workflow is not None
        workflow._set_current_update_info(workflow.UpdateInfo(id=update.update_id, name=str(update.command.action)))
        try:
            answer: Any = await self._workflow._handle_command(update.command)
        except FailureError as refusal:
            answer = refusal
        self._commands.answers.append((update, answer))
        self._handlers.discard(asyncio.current_task())

    def _apply_result(self, job: Job) -> None:
        if job.kind == "timer":
            timer = self._timers.pop(job.key, None)
            if timer and not timer.cancelled():
                timer._run()
        elif job.kind == "activity":
            future = self._activity_futures.pop(job.key)
            if not future.done():
                if isinstance(job.value, BaseException):
                    future.set_exception(job.value)
                else:
                    future.set_result(job.value)
        elif job.kind == "cancel" and self._main:
            self._main.cancel()

    def _look_at_end(self) -> None:
        if self.problems:
            raise RuntimeError(self.problems[0])
        if self._main is None or not self._main.done():
            return
        self._commands.is_over = True
        failure = asyncio.CancelledError() if self._main.cancelled() else self._main.exception()
        if isinstance(failure, _ContinueAsNew):
            self._commands.continued = failure.start
        elif failure is not None:
            raise RuntimeError(f"the workflow failed: {failure!r}") from failure

    # --- what asyncio asks of its loop ----------------------------------------------------------------------

    def time(self) -> float:
        """The workflow's time, in seconds since 1970."""
        return self._now.timestamp()

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Starts a durable timer."""
        self._numbers += 1
        timer = asyncio.TimerHandle(self.time() + delay, callback, args, self, context)
        self._timers[self._numbers] = timer
        self._commands.timers.append((self._numbers, delay))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        for number, timer in self._timers.items():
            if timer is handle:
                self._commands.canceled_timers.append(number)
                del self._timers[number]
                return

    # --- what `temporalio.workflow` asks of its runtime -----------------------------------------------------

    def workflow_info(self) -> Any:
        """What the workflow may know of its run."""
        return self._info

    def workflow_time_ns(self) -> int:
        """The time of the last activation, in nanoseconds since 1970."""
        return round(self._now.timestamp() * 1e6) * 1000

    def workflow_patch(self, _: str, **__: Any) -> bool:
        """True: every run began under this release."""
        return True

    def workflow_get_current_history_length(self) -> int:
        """About the number of events in the history."""
        return self.history_length

    def workflow_all_handlers_finished(self) -> bool:
        """Whether no update is being handled."""
        return not self._handlers

    def workflow_set_current_details(self, details: str) -> None:
        """Nobody reads them here."""

    def workflow_upsert_search_attributes(self, *_: Any, **__: Any) -> None:
        """No attribute is known here."""

    def workflow_is_replaying(self) -> bool:
        """False: log lines don't matter here."""
        return False

    def workflow_continue_as_new(self, *args: Any, **_: Any) -> NoReturn:
        """Ends this run; the next one begins with `args`."""
        raise _ContinueAsNew(args[0])

    def workflow_start_activity(self, activity: Any, *args: Any, **options: Any) -> "asyncio.Future[Any]":
        """Orders an activity; the server runs it once this workflow task is over."""
        return self._order_activity(activity, args, False, options)

    def workflow_start_local_activity(self, activity: Any, *args: Any, **options: Any) -> "asyncio.Future[Any]":
        """Orders a local activity; the worker runs it within this workflow task."""
        return self._order_activity(activity, args, True, options)

    def _order_activity(self, activity: Any, args: Any, local: bool, options: Any) -> "asyncio.Future[Any]":
        definition = activities._Definition.must_from_callable(activity)
        self._numbers += 1
        order = ActivityOrder(self._numbers, definition.name or "", args[0], local, options)
        self._commands.activities.append(order)
        future = self._activity_futures[order.number] = self.create_future()
        return future

    async def workflow_wait_condition(
        self,
        fn: Callable[[], bool],
        *,
        timeout: float | None = None,  # noqa: ASYNC109  (the SDK's own name)
        **_: Any,
    ) -> None:
        """Returns once `fn` is true. Raises TimeoutError after `timeout` seconds."""
        future = self.create_future()
        self._conditions.append((fn, future))
        await asyncio.wait_for(future, timeout)


def _check_condition(fn: Callable[[], bool], future: "asyncio.Future[None]") -> bool:
    if future.done():
        return True
    if fn():
        future.set_result(None)
        return True
    return False


def as_recorded(activation: Activation) -> Activation:
    """As the history keeps it: without updates that the workflow refused at the door, and without who waits."""
    if not any(job.kind == "update" for job in activation.jobs):
        return activation
    jobs = [job for job in activation.jobs if job.kind != "update" or job.value.is_accepted]
    return replace(activation, jobs=tuple(map(_without_waiter, jobs)))


def _without_waiter(job: Job) -> Job:
    return replace(job, value=replace(job.value, answer=None)) if job.kind == "update" else job


def is_retryable(error: BaseException) -> bool:
    """Whether Temporal executes a failed activity again."""
    return not (isinstance(error, ApplicationError) and error.non_retryable)
