"""One simulated world: the service's own code between a provider, PostgreSQL and Temporal that live in memory."""

import contextlib
import random
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

import activities.charging
import api.deliveries
from activities.charging import Charging
from activities.decisions import Decisions
from activities.recording import Recording
from api import webhook_ingest
from api.background import Background
from api.deliveries import Deliveries
from api.webhook_store import WebhookStore
from core.card_networks.rules import NetworkRules
from core.errors import RecoveryError
from core.ids import recovery_id
from core.payments import Card, EventKind, Failure, ProviderEvent
from core.planning.decision_input import DecisionConfig
from db.queries.customer_history import CustomerHistory
from db.recovery_log import StoredRecoveryLog
from intake.customer_ids import CustomerIds
from intake.relay import run_relay
from tests.deterministic.actions import perform_action
from tests.deterministic.faults import Faults
from tests.deterministic.instance import ActivityOrder
from tests.deterministic.loop import Process, VirtualLoop, run_in_process
from tests.deterministic.provider import ServerInvoice, SimulatedProvider
from tests.deterministic.runs import SimulatedRuns
from tests.deterministic.scenario import Action, InvoicePlan, Scenario
from tests.deterministic.store import MemoryDatabase
from tests.deterministic.temporal import Activities, Run, TemporalServer
from tests.support.driver import limited_network_rules

START: Final = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LONGEST_DAYS: Final = 250.0
MOST_STEPS: Final = 30_000
RESUME_DAYS: Final = 20.0
RELAY_SECONDS: Final = 10.0
REPEATS: Final = (10.0, 60.0, 600.0, 3_600.0, 21_600.0)
"""Seconds after which the provider sends again what it got no 2xx for; the last one for ever."""


class DecisionConfigSource:
    """Decides by one config, which is made once for all worlds."""

    def __init__(self, config: DecisionConfig, rules: NetworkRules) -> None:
        self._config = config.model_copy(update={"network_rules": rules})

    def decision_config(self) -> DecisionConfig:
        """The shipped policy, with the network limits of this world."""
        return self._config


class World:
    """Everything that one seed plays with. `lines` tell what happened."""

    def __init__(self, scenario: Scenario, config: DecisionConfig) -> None:
        self.scenario = scenario
        self.loop = VirtualLoop()  # type: ignore[abstract]
        self.draw = random.Random(f"world {scenario.seed}")
        self.lines: list[str] = []
        self.accepted: list[str] = []
        self.commands: dict[str, tuple[Action, float]] = {}
        """Operator commands that the API took, by request: what and when (virtual seconds)."""
        self.faults = Faults(scenario.faults, self.loop, self.kill, self._note_stop, self.trace)
        self.database = MemoryDatabase(self.loop, self.draw, self.now, self.faults)
        self.server = TemporalServer(self.loop, self.draw, self.now, self.faults, self.trace)
        self.server.history_limit = scenario.history_limit
        self.server.on_lost_run, self.server.queue_delay = self._plan_relay, self._queue_charge
        self.runs = SimulatedRuns(self.server, self.loop, self.draw, self.faults)
        self.runs.on_deferred = self._plan_relay
        self.database.on_commit = self._trace_row
        self.database.on_change = self._plan_relay
        self.provider = SimulatedProvider(
            scenario.provider,
            self.loop,
            self.draw,
            self.now,
            self.faults,
            self._send_webhook,
            self._note_charge,
            self.trace,
        )
        self.rules = limited_network_rules(*scenario.limits)
        self._sources = DecisionConfigSource(config, self.rules)
        self.invoices = [f"in_{number}" for number in range(len(scenario.invoices))]
        self.events: dict[bytes, ProviderEvent] = {}
        self._timings = {timing.number: timing for timing in scenario.timings}
        self._open_work = 0
        """Webhooks on their way, and actions that are not over."""
        self._charge_counts, self._queue_counts = dict.fromkeys(self.invoices, 0), dict.fromkeys(self.invoices, 0)
        self._relay_at = float("inf")
        self._relay: tuple[Process, Any] | None = None
        self.api = self._start_api()
        self._start_worker("worker-1")
        self._start_worker("worker-2")

    # --- time and traces ------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The virtual time as a date (UTC)."""
        return START + timedelta(seconds=self.loop.time())

    def trace(self, line: str) -> None:
        """Keeps a line about what happened now."""
        self.lines.append(f"{self.loop.time():14.6f} {line}")

    def _trace_row(self, name: str, row: Any) -> None:
        self.trace(f"  log {name} {row['sequence']} {row['type']} {row['from_state']} -> {row['to_state']}")

    # --- processes ------------------------------------------------------------------------------------------

    def kill(self, process: Process) -> None:
        """kill -9; a new process takes the place of the dead one."""
        if not process.is_alive:
            return
        self.trace(f"{process.name} is killed")
        process.is_alive = False
        self.database.abort_all(process)
        self.server.workers = [pair for pair in self.server.workers if pair[0] is not process]
        start = self._restart_api if process.name == "api" else lambda: self._start_worker(process.name)
        self.loop.call_later(self.draw.uniform(0.5, 4.0), start, context=Context())

    def _note_stop(self, process: Process, seconds: float) -> None:
        self.database.abort_idle(process, seconds)

    def _start_api(self) -> Any:
        process, background = Process("api"), Background()
        customer_ids = CustomerIds((b"simulated",), self.now)
        database: Any = self.database
        return SimpleNamespace(
            process=process,
            database=self.database,
            recoveries=self.runs,
            background=background,
            deliveries=Deliveries(background),
            webhooks={self.scenario.provider.name: self},
            clock=self.now,
            webhook_store=WebhookStore(
                background, database, customer_ids, lambda: self._sources.decision_config().policy
            ),
            customer_ids=customer_ids,
        )

    def _restart_api(self) -> None:
        self.api = self._start_api()

    def _start_worker(self, name: str) -> None:
        log = StoredRecoveryLog(self.database)  # type: ignore[arg-type]
        recording = Recording(log, _no_search_attributes)
        decisions = Decisions(self._sources, _unknown_history, log)  # type: ignore[arg-type]
        gateways: Any = {self.scenario.provider.name: self.provider}
        charging = Charging(gateways, log, lambda: self.rules)
        served: Activities = {
            "open_recovery": recording.open_recovery,
            "record_events": recording.record_events,
            "classify_failure": decisions.classify_failure,
            "segment_customer": decisions.segment_customer,
            "plan_retry": decisions.plan_retry,
            "read_failure": charging.read_failure,
            "charge_invoice": charging.charge_invoice,
            "settle_charge": charging.reconcile_charge,
        }
        self.server.workers.append((Process(name), served))

    # --- webhooks -------------------------------------------------------------------------------------------

    def verify(self, *_: object) -> None:
        """Every webhook here is the provider's."""

    def normalise(self, body: bytes) -> tuple[ProviderEvent, ...]:
        """The event of a body."""
        return (self.events[body],)

    def _send_webhook(self, event: ProviderEvent) -> None:
        number, body = len(self.events), event.event_id.encode()
        self.events[body] = event
        timing = self._timings.get(number)
        self.trace(f"  provider sends {event.event_id} {event.kind.value}")
        for copy in range(timing.copies if timing else 1):
            delay = (timing.delay if timing else self.draw.uniform(0.05, 1.0)) * (1 + copy * self.draw.random())
            self._begin(self._deliver_webhook(body), delay)

    async def _deliver_webhook(self, body: bytes) -> None:
        """Posts the webhook until it is answered with 2xx."""
        tries = 0
        while not await self._post(body):
            await self.loop.sleep(REPEATS[min(tries, len(REPEATS) - 1)])
            tries += 1

    async def _post(self, body: bytes) -> bool:
        parts, answer = self.api, self.loop.create_future()

        async def handle() -> None:
            try:
                await webhook_ingest.ingest_verified(parts, self.scenario.provider.name, body, self.now())
                self.accepted.append(body.decode())
                answer.set_result(True)
            except RecoveryError:
                answer.set_result(False)

        run_in_process(parts.process, self.loop.create_task, handle())
        return await self.wait_for(answer, 30.0)

    async def wait_for(self, answer: Any, seconds: float) -> bool:
        timer = self.loop.call_later(seconds, lambda: answer.done() or answer.set_result(False))
        try:
            return bool(await answer)
        finally:
            timer.cancel()

    # --- the relay ------------------------------------------------------------------------------------------

    def _plan_relay(self) -> None:
        """Has the relay pass over what is due, at its next turn: every ten seconds, left out where nothing is due."""
        at = self._next_relay_time()
        if at < self._relay_at:
            self._relay_at = at
            self.loop.call_at(at, self._begin_relay, at, context=Context())

    def _next_relay_time(self) -> float:
        tables, now = self.database.tables, self.loop.time()
        waiting = [*tables.inbox.values(), *tables.signals.values()]
        due = [(row["next_try_at"] - START).total_seconds() for row in waiting if row["delivered_at"] is None]
        if any(self._is_lost(name) for name, row in tables.recoveries.items() if row["closed_at"] is None):
            due.append(now)
        return (max(min(due), now) // RELAY_SECONDS + 1) * RELAY_SECONDS if due else float("inf")

    def _is_lost(self, name: str) -> bool:
        run = self.server.runs.get(name)
        return run is None or run.status != "open"

    def _begin_relay(self, at: float) -> None:
        if at != self._relay_at:
            return
        self._relay_at = float("inf")
        under_way = self._relay and self._relay[0].is_alive and not self._relay[1].done()
        usable = [worker for worker, _ in self.server.workers if worker.stopped_until <= self.loop.time()]
        if usable and not under_way:
            worker = self.draw.choice(usable)
            self._relay = (worker, run_in_process(worker, self.loop.create_task, self._run_relay()))
        again = self.loop.time() + RELAY_SECONDS
        self._relay_at = again
        self.loop.call_at(again, self._plan_again, again, context=Context())

    def _plan_again(self, at: float) -> None:
        if at == self._relay_at:
            self._relay_at = float("inf")
            self._plan_relay()

    async def _run_relay(self) -> None:
        with contextlib.suppress(RecoveryError):
            gateways: Any = {self.scenario.provider.name: self.provider}
            await run_relay(self.database, self.runs, gateways, self.now(), 200)  # type: ignore[arg-type]

    # --- what others do -------------------------------------------------------------------------------------

    def _begin(self, work: Coroutine[Any, Any, None], delay: float) -> None:
        self._open_work += 1
        self.loop.create_task(self._finish_later(work, delay))

    async def _finish_later(self, work: Coroutine[Any, Any, None], delay: float) -> None:
        await self.loop.sleep(delay)
        await work
        self._open_work -= 1

    def _note_charge(self, invoice_id: str) -> None:
        self._charge_counts[invoice_id] += 1
        for action in self.scenario.actions:
            if self.invoices[action.invoice] == invoice_id and action.charge == self._charge_counts[invoice_id]:
                run_in_process(None, self._begin, self._act(action), action.at)

    def _queue_charge(self, run: Run, order: ActivityOrder) -> float:
        """How long an activity waits for its turn (virtual seconds)."""
        if order.name not in {"charge_invoice", "settle_charge"}:
            return 0.005
        invoice = run.start.invoice_id
        self._queue_counts[invoice] += 1
        for action in self.scenario.actions:
            if self.invoices[action.invoice] == invoice and action.queued == self._queue_counts[invoice]:
                run_in_process(None, self._begin, self._act(action), action.at)
        seconds = self.scenario.queue_seconds
        return self.draw.uniform(0.0, seconds) if seconds else 0.005

    async def _act(self, action: Action) -> None:
        await perform_action(self, action)

    # --- the story ------------------------------------------------------------------------------------------

    def play(self) -> bool:
        """Plays the seed until everything has come to rest. False where it never does."""
        with virtual_clock(self.loop):
            return self.loop.run(self._play(), MOST_STEPS)

    async def _play(self) -> None:
        for name, plan in zip(self.invoices, self.scenario.invoices, strict=True):
            self._open_invoice(name, plan)
        for action in self.scenario.actions:
            if action.charge == action.queued == 0:
                self._begin(self._act(action), action.at)
        days = 0.0
        while not self.is_at_rest() and days < LONGEST_DAYS:
            await self.loop.sleep(86_400.0)
            days += 1.0
            if days % RESUME_DAYS == 0:
                self._resume_paused()

    def _resume_paused(self) -> None:
        """Somebody remembers what was paused: else it would wait for ever."""
        for number, name in enumerate(self.invoices):
            row = self.database.tables.recoveries.get(recovery_id(self.scenario.provider.name, name))
            if row and row["state"] == "paused":
                self._begin(self._act(Action("resume", number, 0.0)), 0.0)

    def close(self) -> None:
        """Drops what is left unfinished."""
        for loop in (*self.server.instances, self.loop):
            loop.close()
        # Without cycles its memory is free at once: the collector would take a third of the time.
        parts = (*self.server.instances, *self.server.runs.values(), self.loop, self.server, self.runs, self.provider)
        for part in (*parts, self.faults, self.database, self.api, self):
            vars(part).clear()

    def is_at_rest(self) -> bool:
        """Whether nothing is left to do for anybody."""
        tables = self.database.tables
        waits = any(row["delivered_at"] is None for row in (*tables.inbox.values(), *tables.signals.values()))
        is_open = any(run.status == "open" for run in self.server.runs.values())
        lost = any(row["closed_at"] is None for row in tables.recoveries.values())
        return not (waits or is_open or lost or self._open_work)

    def _open_invoice(self, name: str, plan: InvoicePlan) -> None:
        card, failure = Card(fingerprint=plan.card, network=plan.network, last4="4242"), Failure(code=plan.first_code)
        invoice = self.provider.invoices[name] = ServerInvoice(
            name, "cus_1", 4900, card, list(plan.declines), plan.always_declines, last_failure=failure
        )
        self.provider.emit(EventKind.PAYMENT_FAILED, invoice, failure=failure)


async def _no_search_attributes() -> tuple[str, ...]:
    return ()


async def _unknown_history(_: str, __: str, ___: str) -> CustomerHistory:
    return CustomerHistory()


@contextlib.contextmanager
def virtual_clock(loop: VirtualLoop) -> Iterator[None]:
    """Within the block the service's monotonic clocks are the virtual one."""
    clock: Callable[[], float] = loop.time
    modules: tuple[Any, ...] = (activities.charging, api.deliveries)
    originals = [module.time for module in modules]
    for module in modules:
        module.time = SimpleNamespace(monotonic=clock)
    try:
        yield
    finally:
        for module, original in zip(modules, originals, strict=True):
            module.time = original
