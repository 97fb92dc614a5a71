"""One round: a fresh stack, a steady stream, faults, drain, check."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from random import Random
from typing import Final

import psycopg

from devstack.programs import PROJECT_ROOT, Commands
from devstack.stack import DevStack
from sandbox.models import Delivery
from tests.faults.rounds import checker, collect, database
from tests.faults.rounds.checker import Finding, Violation
from tests.faults.rounds.crash_flags import FLAGS_FOLDER
from tests.faults.rounds.errors import tolerate_refusals
from tests.faults.rounds.evidence import Evidence
from tests.faults.rounds.faults import WORKERS, Fault, Target
from tests.faults.rounds.plan import PlannedFault, RoundPlan
from tests.faults.rounds.registry import FAULTS
from tests.faults.rounds.stream import send_stream
from tests.faults.rounds.toxiproxy import Toxiproxy, route_through_toxiproxy
from tests.notifications.conftest import MailServer, mail_server
from tests.support import stacks
from tests.support.service import RunningService, endpoints_of, open_service

TIME_SCALE: Final = 7200
"""An hour is half a second: the first retry comes 1.5 s after the failure, the second 12 s after the first."""
LONGEST_WAIT_SECONDS: Final = 60.0
"""How long a canary is waited for at most; above, it is reported as never healthy."""
REDELIVERY_SECONDS: Final = 10.0
SURE_SECONDS: Final = 5.0
CRASHING_WORKER: Final = (sys.executable, "-m", "tests.faults.rounds.crashing_worker")
"""The ordinary worker with points at which it can be asked to die."""
PASSING: Final = frozenset({"I2", "I3", "due"})
"""What a read in the middle of a step may find, and a later one no more."""


@dataclass(frozen=True)
class RoundOptions:
    """Seconds that the long faults last, and that the stack gets to come to rest: at least, and at most.

    `sleepers` is how many recoveries sleep when all workers die.
    """

    long_seconds: float = 30.0
    rest_seconds: float = 15.0
    drain_seconds: float = 120.0
    sleepers: int = 1000


@dataclass(frozen=True)
class Injection:
    """A fault as it went: `at` in seconds since the stream began, `healthy_seconds` None for never."""

    name: str
    at: float
    in_flight: int
    healthy_seconds: float | None
    problems: tuple[str, ...] = ()

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Its problems, each as a violation of the fault's name."""
        return tuple(Violation("fault", self.name, problem) for problem in self.problems)


@dataclass(frozen=True)
class RoundResult:
    """What a round showed."""

    seed: int
    recoveries: int
    pay_calls: int
    injections: tuple[Injection, ...]
    findings: dict[str, Finding]
    violations: tuple[Violation, ...]
    drained_seconds: float
    skipped: tuple[str, ...] = ()
    """Faults that this machine can't have, each with the reason."""


@dataclass
class Round:
    """A round on a running stack. `say` reports progress."""

    plan: RoundPlan
    options: RoundOptions
    service: RunningService
    mail: MailServer
    proxies: Toxiproxy | None
    say: Callable[[str], None]

    async def play(self) -> RoundResult:
        """Sends the stream, injects the faults, drains and checks."""
        target = Target(
            self.service, Random(self.plan.seed), self.options.long_seconds, self.options.sleepers, self.proxies
        )
        began = asyncio.get_running_loop().time()
        stream = asyncio.create_task(send_stream(self.plan, target, began))
        obstacles = {fault.name: FAULTS[fault.name].find_obstacle() for fault in self.plan.faults}
        possible = [fault for fault in self.plan.faults if not obstacles[fault.name]]
        injections = [await self._inject(planned, target, began) for planned in possible]
        await stream
        self.say(f"{len(target.invoices)} invoices failed; draining")
        drained = time.monotonic()
        evidence, violations = await self._drain()
        findings = checker.check_evidence(evidence)
        return RoundResult(
            seed=self.plan.seed,
            recoveries=len(evidence.rows_by_recovery()),
            pay_calls=len(evidence.pay_calls),
            injections=tuple(injections),
            findings=findings,
            violations=(*(found for injection in injections for found in injection.violations), *violations),
            drained_seconds=time.monotonic() - drained,
            skipped=tuple(f"{name}: {obstacle}" for name, obstacle in obstacles.items() if obstacle),
        )

    async def _inject(self, planned: PlannedFault, target: Target, began: float) -> Injection:
        """One fault from its moment (or the end of the one before) until the service is healthy again."""
        now = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, began + planned.at - now()))
        in_flight, at = await asyncio.to_thread(database.count_open, self._url), now() - began
        fault = FAULTS[planned.name](target)
        self.say(f"{planned.name} at {at:.1f} s with {in_flight} recoveries in flight")
        try:
            await fault.inject()
            await asyncio.sleep(fault.seconds)
        finally:
            await fault.heal()
        healthy = await self._wait_until_healthy(fault, f"{self.plan.seed}{planned.name.replace('-', '')}")
        self.say(f"{planned.name}: " + (f"healthy after {healthy:.1f} s" if healthy is not None else "never healthy"))
        return Injection(planned.name, at, in_flight, healthy, tuple(await fault.find_problems()))

    @property
    def _url(self) -> str:
        return self.service.stack.addresses.owner_url

    async def _wait_until_healthy(self, fault: Fault, mark: str) -> float | None:
        """Seconds from now until a new failure gets its first plan, and the fault is over.

        A canary is sent each second, and the first that is planned counts.
        """
        healed, canaries = time.monotonic(), list[str]()
        while (passed := time.monotonic() - healed) < LONGEST_WAIT_SECONDS:
            if passed >= len(canaries):
                canaries.append(await self._send_canary(f"in_canary{mark}x{len(canaries)}"))
            with tolerate_refusals():
                planned = await asyncio.to_thread(database.find_planned, self._url, canaries)
                if (planned or fault.piles_up) and await fault.is_over():
                    return time.monotonic() - healed
            await asyncio.sleep(0.1)
        return None

    async def _send_canary(self, invoice: str) -> str:
        """The recovery of a new failure, whose webhook is sent once and not again."""
        delivery = Delivery(retry=False)
        await self.service.sandbox.create_failed_invoice(invoice_id=invoice, unguarded=True, delivery=delivery)
        return f"recovery-stripe-{invoice}"

    async def _drain(self) -> tuple[Evidence, tuple[Violation, ...]]:
        """The evidence once nothing is wrong any more, or after the drain's time with what was wrong twice in a row.

        While recoveries go on, a read may find a webhook or a charge in the middle: that is no violation yet.
        """
        began = time.monotonic()
        deadline = began + self.options.drain_seconds
        redelivered, seen, seen_at = 0.0, frozenset[Violation](), 0.0
        while True:
            if time.monotonic() - redelivered > REDELIVERY_SECONDS:
                redelivered = time.monotonic()
                await self._redeliver_events()
            evidence = await self._collect(deadline)
            found = _violations(evidence)
            if not found and time.monotonic() > began + self.options.rest_seconds:
                return evidence, ()
            if time.monotonic() > deadline and time.monotonic() - seen_at > SURE_SECONDS:
                if seen_at:
                    return evidence, _found_again(found, seen)
                seen, seen_at = found, time.monotonic()
            await asyncio.sleep(2)

    async def _redeliver_events(self) -> None:
        """Sends again what was never answered with 2xx, as a provider does for days."""
        waiting = await asyncio.to_thread(collect.list_undelivered, self.service.stack.data_dir / "sandbox.db")
        for event in waiting:
            with tolerate_refusals():
                await self.service.sandbox.send_event(event, delivery=Delivery(retry=False))

    async def _collect(self, deadline: float) -> Evidence:
        """The evidence. Raises OperationalError or AssertionError where a store is away at the deadline."""
        while True:
            mails = [str(mail["Message-ID"]) for mail in self.mail.mails]
            try:
                return await collect.collect_evidence(self.service, mails)
            except (psycopg.OperationalError, AssertionError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(1)


def _found_again(found: frozenset[Violation], seen: frozenset[Violation]) -> tuple[Violation, ...]:
    """What is wrong now; what may only be in the middle of a step, if it was wrong before with the same subject."""
    before = {(violation.invariant, violation.subject) for violation in seen}
    again = [one for one in found if one.invariant not in PASSING or (one.invariant, one.subject) in before]
    return tuple(sorted(again, key=str))


def _violations(evidence: Evidence) -> frozenset[Violation]:
    findings = checker.check_evidence(evidence).values()
    return frozenset(violation for finding in findings for violation in finding.violations)


async def run_round(plan: RoundPlan, options: RoundOptions, say: Callable[[str], None]) -> RoundResult:
    """Plays a round on a stack of its own, of which nothing is left afterwards."""
    kinds = [FAULTS[fault.name] for fault in plan.faults]
    proxied = any(kind.proxied and not kind.find_obstacle() for kind in kinds)
    async with mail_server() as mail, AsyncExitStack() as exits:
        settings = round_settings(mail) | kinds[0].change_settings(options.sleepers)
        service = await exits.enter_async_context(kinds[0].open_stack(settings) or open_usual_stack(settings))
        proxies = exits.enter_context(closing(route_through_toxiproxy(service.stack, WORKERS))) if proxied else None
        say("stack is up" + (", with toxiproxy between its parts" if proxied else ""))
        return await Round(plan, options, service, mail, proxies, say).play()


def round_settings(mail: MailServer) -> dict[str, str]:
    """What every stack of a round is set to."""
    return {
        "TIME_SCALE": str(TIME_SCALE),
        "SMTP_URL": f"smtp://127.0.0.1:{mail.port}",
        "MAIL_FROM": "Acme <billing@acme.example>",
    }


@asynccontextmanager
async def open_usual_stack(settings: Mapping[str, str]) -> AsyncIterator[RunningService]:
    """API, two workers, PostgreSQL, Temporal and gateway, for as long as the block runs."""
    async with AsyncExitStack() as exits:
        flags = exits.enter_context(stacks.short_folder())
        environment = {**settings, FLAGS_FOLDER: str(flags), "PYTHONPATH": str(PROJECT_ROOT)}
        stack = exits.enter_context(stacks.running_stack(environment, Commands(worker=CRASHING_WORKER)))
        first, second = WORKERS
        program = stack.supervisor.child(first).program
        stack.start_program(replace(program, name=second, log=program.log.with_name(f"{second}.log")))
        # What was to be seen has been seen: nobody waits for workers that finish their work.
        exits.callback(_end_at_once, stack, (*WORKERS, "api"))
        yield await exits.enter_async_context(open_service(endpoints_of(stack), stack))


def _end_at_once(stack: DevStack, parts: tuple[str, ...]) -> None:
    for part in parts:
        stack.kill(part)
        stack.stop(part)
