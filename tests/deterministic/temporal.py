"""Temporal in memory: runs with histories, workflow tasks, activities at least once, timers, signals and updates.

What a worker computed in a workflow task counts once the task is completed. Until then the worker may die: another one
replays the history and does the task again, local activities included.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.exceptions import TimeoutError as ActivityTimeout

from core.base import Value
from core.contracts import RecoveryInput
from core.errors import NotFound, RunClosed
from core.ids import recovery_id
from core.operators import Command
from core.payments import ProviderEvent
from tests.deterministic.activity_results import ActivityContext, activity_error, as_application_error
from tests.deterministic.faults import Faults
from tests.deterministic.instance import (
    Activation,
    ActivityOrder,
    Commands,
    Job,
    Update,
    WorkflowInstance,
    as_recorded,
)
from tests.deterministic.loop import PROCESS, Process, VirtualLoop, run_in_process

TASK_SECONDS: Final = 10.0
"""Time-out of a workflow task."""
Activities = Mapping[str, Callable[[Any], Awaitable[Any]]]


@dataclass(eq=False)
class Execution:
    """A scheduled activity, over all its attempts."""

    order: ActivityOrder
    scheduled_at: float
    attempt: int = 0
    """Identifies the attempt whose answer counts."""
    tries: int = 0
    is_over: bool = False


@dataclass(eq=False)
class Run:
    """A run of a recovery's workflow."""

    workflow_id: str
    run_id: str
    start: RecoveryInput
    started_at: datetime
    status: str = "open"
    """open, completed, terminated or continued."""
    history: list[Activation] = field(default_factory=list)
    pending: list[Job] = field(default_factory=list)
    """What happened since the last workflow task began."""
    task_jobs: list[Job] | None = None
    """What the workflow task under way is about; None: there is none."""
    task_number: int = 0
    instance: WorkflowInstance | None = None
    worker: Process | None = None
    executions: dict[int, Execution] = field(default_factory=dict)
    timers: dict[int, asyncio.TimerHandle] = field(default_factory=dict)


class TemporalServer:
    """The server, with the workers that poll it."""

    def __init__(
        self, loop: VirtualLoop, draw: Any, clock: Callable[[], datetime], faults: Faults, trace: Callable[[str], None]
    ) -> None:
        self.loop, self.draw, self.clock, self.faults, self.trace = loop, draw, clock, faults, trace
        self.runs: dict[str, Run] = {}
        """The newest run of each workflow."""
        self.workers: list[tuple[Process, Activities]] = []
        self.history_limit, self._run_count = 10_000, 0
        self.problems: list[str] = []
        self.on_lost_run: Callable[[], None] = lambda: None
        self.queue_delay: Callable[[Run, ActivityOrder], float] = lambda _, __: 0.005
        self.instances: list[WorkflowInstance] = []
        """Every instance that was made, also those of lost tasks."""

    # --- runs -----------------------------------------------------------------------------------------------

    def start_run(self, provider: str, invoice_id: str, signal: ProviderEvent | None) -> Run:
        """Signals the open run or starts one. Raises RunClosed where the last one completed."""
        name = recovery_id(provider, invoice_id)
        run = self.runs.get(name)
        if run and run.status == "completed":
            raise RunClosed(name)
        if run is None or run.status != "open":
            start = RecoveryInput(provider=provider, invoice_id=invoice_id, history_limit=self.history_limit)
            run = self._new_run(name, start)
            # A workflow has its first task at once, with or without a signal.
            self.loop.call_later(0.001, self._begin_task, run, context=Context())
        if signal is not None:
            self.signal_run(run, "provider_event", signal)
        return run

    def signal_run(self, run: Run, name: str, value: Value) -> None:
        """Signals the run. The handlers take `Any`, so what arrives is plain JSON."""
        self.add_job(run, Job("signal", name, value.model_dump(mode="json")))

    def _new_run(self, name: str, start: RecoveryInput) -> Run:
        self._run_count += 1
        run = self.runs[name] = Run(name, f"run-{self._run_count}", start, self.clock())
        self.trace(f"run {run.run_id} of {name} starts")
        return run

    def open_run(self, name: str) -> Run:
        """The open run. Raises NotFound."""
        run = self.runs.get(name)
        if run is None or run.status != "open":
            raise NotFound(name)
        return run

    def end_run(self, run: Run, status: str) -> None:
        """Ends a run: its timers and activities are forgotten."""
        self.trace(f"run {run.run_id} is {status}")
        run.status, run.instance = status, None
        run.task_number += 1
        for timer in run.timers.values():
            timer.cancel()
        for execution in run.executions.values():
            execution.is_over = True
        for job in [*run.pending, *(run.task_jobs or [])]:
            if job.kind == "update":
                _answer(job.value, NotFound("the run ended"))
        if status != "completed":
            self.on_lost_run()

    def forget_run(self, run: Run) -> None:
        """Loses everything about the run, as a server does whose data is gone."""
        self.end_run(run, "forgotten")
        self.runs.pop(run.workflow_id, None)

    def request_update(self, run: Run, update_id: str, command: Command) -> "asyncio.Future[Any]":
        """The command's answer, as soon as the workflow has one."""
        answer = self.loop.create_future()
        self.add_job(run, Job("update", update_id, Update(update_id, command, answer=answer)))
        return answer

    def add_job(self, run: Run, job: Job) -> None:
        """Something happened to the run."""
        run.pending.append(job)
        if run.task_jobs is None:
            self.loop.call_later(self.draw.uniform(0.001, 0.01), self._begin_task, run, context=Context())

    # --- workflow tasks -------------------------------------------------------------------------------------

    def _begin_task(self, run: Run) -> None:
        if run.status != "open" or run.task_jobs is not None or (not run.pending and run.history):
            return None
        kind = self.faults.visit("run")
        if kind in {"terminate", "forget"} and run.history:
            return self.end_run(run, "terminated") if kind == "terminate" else self.forget_run(run)
        worker = self._choose_worker(run)
        if worker is None:
            self.loop.call_later(1.0, self._begin_task, run, context=Context())
            return None
        run.task_jobs, run.pending = run.pending, []
        run.task_number += 1
        if run.worker is not worker:
            run.worker, run.instance = worker, None
        self.loop.call_later(TASK_SECONDS, self._lose_task, run, run.task_number, context=Context())
        run_in_process(worker, self.loop.create_task, self._run_task(run, run.task_number, kind))
        return None

    def _choose_worker(self, run: Run) -> Process | None:
        usable = [worker for worker, _ in self.workers if worker.stopped_until <= self.loop.time()]
        if run.worker in usable:
            return run.worker
        return self.draw.choice(usable) if usable else None

    def _lose_task(self, run: Run, number: int) -> None:
        """The worker did not complete the task in time: it is done again, by the history as it was before."""
        if run.status == "open" and run.task_number == number and run.task_jobs is not None:
            self.trace(f"{run.run_id}: workflow task {number} is lost")
            for job in run.task_jobs:
                if job.kind == "update":
                    job.value.is_accepted = False
            run.pending = run.task_jobs + run.pending
            run.task_jobs, run.instance = None, None
            run.task_number += 1
            self._begin_task(run)

    async def _run_task(self, run: Run, number: int, kind: str | None) -> None:
        jobs = tuple(run.task_jobs or ())
        instance = run.instance or self._replay(run)
        run.instance = instance
        steps = [Activation(self.clock(), jobs)]
        wanted = Commands()
        _merge(wanted, self._activate(run, instance, steps[0]))
        while local := [order for order in wanted.activities if order.is_local]:
            for order in local:
                wanted.activities.remove(order)
                result = await self._run_local(order)
                steps.append(Activation(self.clock(), (Job("activity", order.number, result),)))
                _merge(wanted, self._activate(run, instance, steps[-1]))
        await self.loop.sleep(self.draw.uniform(0.001, 0.005))
        if kind == "kill":
            await self.faults.die()
        fault = self.faults.visit("task")
        if fault == "kill":
            await self.faults.die()
        if fault == "stop":
            await self.faults.stop(self.draw.uniform(3.0, 60.0))
        if fault == "lost" or run.task_number != number or run.status != "open":
            return
        if wanted.is_over and run.pending:
            # Temporal refuses to end a workflow that has news: the task is done again with them.
            self._lose_task(run, number)
        else:
            self._complete_task(run, steps, wanted)

    def _replay(self, run: Run) -> WorkflowInstance:
        instance = WorkflowInstance(  # type: ignore[abstract]
            run.start, run.workflow_id, run.run_id, run.started_at
        )
        self.instances.append(instance)
        for activation in run.history:
            instance.activate(activation)
        return instance

    def _activate(self, run: Run, instance: WorkflowInstance, activation: Activation) -> Commands:
        try:
            return instance.activate(activation)
        except Exception as bug:
            self.problems.append(f"{run.workflow_id}: a workflow task failed: {bug!r}")
            raise

    def _complete_task(self, run: Run, steps: list[Activation], wanted: Commands) -> None:
        run.history += map(as_recorded, steps)
        run.task_jobs = None
        for update, answer in wanted.answers:
            _answer(update, answer)
        for number in wanted.canceled_timers:
            if timer := run.timers.pop(number, None):
                timer.cancel()
        for number, delay in wanted.timers:
            if number not in wanted.canceled_timers:
                run.timers[number] = self.loop.call_later(delay, self._fire_timer, run, number, context=Context())
        for order in wanted.activities:
            execution = run.executions[order.number] = Execution(order, self.loop.time())
            self._schedule(run, execution, self.queue_delay(run, order))
        if wanted.is_over:
            self.end_run(run, "continued" if wanted.continued else "completed")
            if wanted.continued:
                following = self._new_run(run.workflow_id, wanted.continued)
                self.loop.call_later(0.001, self._begin_task, following, context=Context())
        elif run.pending:
            self._begin_task(run)

    def _fire_timer(self, run: Run, number: int) -> None:
        if run.timers.pop(number, None):
            self.add_job(run, Job("timer", number))

    # --- activities -----------------------------------------------------------------------------------------

    async def _run_local(self, order: ActivityOrder) -> Any:
        """The result, or the failure, of a local activity: some attempts within its time."""
        process = PROCESS.get()
        call = next(activities for worker, activities in self.workers if worker is process)[order.name]
        deadline = self.loop.time() + order.options["schedule_to_close_timeout"].total_seconds()
        policy = order.options["retry_policy"]
        wait, failure = policy.initial_interval.total_seconds(), None
        for _ in range(policy.maximum_attempts):
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._execute(call, order, self.clock())
            except TimeoutError:
                return activity_error(order, ActivityTimeout("simulated", type=None, last_heartbeat_details=[]))
            except Exception as error:
                failure = as_application_error(error)
            if failure.non_retryable or self.loop.time() + wait > deadline:
                break
            await self.loop.sleep(wait)
            wait *= policy.backoff_coefficient
        return activity_error(order, failure)

    def _schedule(self, run: Run, execution: Execution, delay: float) -> None:
        self.loop.call_later(delay, self._begin_attempt, run, execution, context=Context())

    def _begin_attempt(self, run: Run, execution: Execution) -> None:
        if execution.is_over:
            return None
        usable = [pair for pair in self.workers if pair[0].stopped_until <= self.loop.time()]
        if not usable:
            return self._schedule(run, execution, 1.0)
        worker, activities = self.draw.choice(usable)
        execution.attempt += 1
        execution.tries += 1
        attempt = execution.attempt
        options = execution.order.options
        limit = options["start_to_close_timeout"].total_seconds()
        call = activities[execution.order.name]
        task = run_in_process(worker, self.loop.create_task, self._run_attempt(run, execution, attempt, call))
        self.loop.call_later(limit, self._time_out, run, execution, attempt, task, context=Context())
        if options["heartbeat_timeout"]:
            self._watch(run, execution, attempt, task, worker, options["heartbeat_timeout"].total_seconds())
        return None

    def _watch(
        self, run: Run, execution: Execution, attempt: int, task: "asyncio.Task[None]", worker: Process, silence: float
    ) -> None:
        """Notices within the heartbeat's time-out that a worker is silent."""

        def look(silent: bool) -> None:
            if execution.is_over or execution.attempt != attempt or task.done():
                return
            quiet = not worker.is_alive or worker.stopped_until > self.loop.time()
            if quiet and silent:
                self._time_out(run, execution, attempt, task)
            else:
                self.loop.call_later(silence / 2, look, quiet, context=Context())

        self.loop.call_later(silence / 2, look, False, context=Context())

    async def _run_attempt(
        self, run: Run, execution: Execution, attempt: int, call: Callable[[Any], Awaitable[Any]]
    ) -> None:
        failure: ApplicationError | None = None
        result: Any = None
        try:
            result = await self._execute(call, execution.order, self.clock())
        except Exception as error:
            failure = as_application_error(error)
        await self.loop.sleep(self.draw.uniform(0.001, 0.005))
        kind = self.faults.visit("activity")
        if kind == "kill":
            await self.faults.die()
        if kind == "lost" or execution.is_over or execution.attempt != attempt:
            return
        if failure is None:
            self._finish(run, execution, result)
        else:
            self._retry(run, execution, failure, failure.next_retry_delay)

    async def _execute(self, call: Callable[[Any], Awaitable[Any]], order: ActivityOrder, started: datetime) -> Any:
        """Runs the activity's own code in the context that Temporal gives it."""
        activity._Context.set(ActivityContext(started))  # type: ignore[arg-type]
        return await call(order.given)

    def _time_out(self, run: Run, execution: Execution, attempt: int, task: "asyncio.Task[None]") -> None:
        if execution.is_over or execution.attempt != attempt:
            return
        # The worker learns by its next heartbeat, if it learns at all: what was stopped goes on as a zombie.
        if self.draw.random() < 0.3:
            task.cancel()
        timeout = ActivityTimeout("simulated: time-out", type=None, last_heartbeat_details=[])
        self._retry(run, execution, timeout, None)

    def _retry(self, run: Run, execution: Execution, failure: BaseException, asked: timedelta | None) -> None:
        options, policy = execution.order.options, execution.order.options["retry_policy"]
        self.trace(f"{run.run_id}: {execution.order.name} failed: {failure!r:.150}")
        usual = policy.initial_interval * policy.backoff_coefficient ** min(execution.tries - 1, 20)
        longest = policy.maximum_interval or policy.initial_interval * 100
        delay = (asked or min(usual, longest)).total_seconds()
        whole = options["schedule_to_close_timeout"]
        ends_at = execution.scheduled_at + whole.total_seconds() if whole else float("inf")
        final = isinstance(failure, ApplicationError) and failure.non_retryable
        if final or 0 < policy.maximum_attempts <= execution.tries or self.loop.time() + delay >= ends_at:
            return self._finish(run, execution, activity_error(execution.order, failure))
        execution.attempt += 1  # what the lost attempt still answers doesn't count
        self._schedule(run, execution, delay)
        return None

    def _finish(self, run: Run, execution: Execution, result: Any) -> None:
        execution.is_over = True
        run.executions.pop(execution.order.number, None)
        if run.status == "open":
            self.add_job(run, Job("activity", execution.order.number, result))


def _answer(update: Update, answer: Any) -> None:
    if update.answer is None or update.answer.done():
        return
    if isinstance(answer, BaseException):
        update.answer.set_exception(answer)
        update.answer.exception()
    else:
        update.answer.set_result(answer)


def _merge(wanted: Commands, more: Commands) -> None:
    wanted.activities += more.activities
    wanted.timers += more.timers
    wanted.canceled_timers += more.canceled_timers
    wanted.answers += more.answers
    wanted.is_over, wanted.continued = more.is_over, more.continued
