"""One recovery after another, through the very machine, decisions and rules that run live, on a clock by hand.

Slow and sure: the array engine must say the same of every single case, and plug-in strategies need nothing else.
"""

from datetime import UTC, datetime

import numpy as np

from catalog.calendars import calendar_for
from core.classifier.taxonomy import Cause
from core.contracts import ChargeInput
from core.events import Event, Record, Trigger
from core.fraud.assess import assess
from core.payments import ChargeResult, EventKind, Failure, FailureFacts, InvoiceView, Outcome
from core.retry import pay
from core.retry.arms import armed, assigned
from core.retry.decide import Findings, decide
from core.retry.fresh_look import last_word, observe
from core.retry.held import credential, within
from core.retry.ledger import entries
from core.retry.machine import Charge, Close, Decide, Done, Read, Step, Wait, closing, next_step, place_all
from core.retry.needs import needs
from core.retry.network_plan import found_card, within_network
from core.retry.network_rules import LedgerEntry, Spent
from core.retry.reactions import react
from core.retry.recovery import Recovery
from core.retry.strategies.base import Need
from core.retry.strategies.calendar import Calendar
from core.retry.strategies.experience import Experience
from core.retry.whereabouts import whereabouts
from core.segmentation.segment import Segment, segment
from simulator.cases import Case, Cases
from simulator.fate import Charges, Fate, Fates
from simulator.journeys import Journey, Journeys, Made
from simulator.outcomes import CAUSE_INDEX
from simulator.packing import packed
from simulator.telling import (
    FIRST_CARD,
    OTHER_CARD,
    customer_of,
    declined,
    earlier_tries,
    invoice_of,
    profile_of_case,
    told,
    words_about,
)
from simulator.world import World


class Exact:
    """An engine: simulates cases event by event."""

    def __init__(self, world: World, fates: Fates) -> None:
        self._world, self._fates = world, fates

    def run(self, cases: Cases) -> Journeys:
        """What becomes of them."""
        fate = self._fates.of(cases)
        return packed([Run(self._world, fate, cases, row).finished() for row in range(len(cases))])


class Run:
    """One recovery under way: the driver that the workflow is live, without anything to wait for."""

    def __init__(self, world: World, fate: Fate, cases: Cases, row: int) -> None:
        self._world, self._fate = world, fate
        self._payer = int(cases.payer[row])
        self.case: Case = cases.one(row)
        provider = cases.book.provider
        self.recovery = Recovery(provider=provider, invoice_id=self.case.invoice_id)
        self.records: list[Record] = []
        self._now = self.case.failed_at
        self._facts: FailureFacts | None = None
        self._words = words_about(self.case, provider)
        self._fresh = False
        self._card = self.case.kind.card.model_copy(update={"fingerprint": FIRST_CARD})
        self._made: list[Made] = []
        self._ledger = {(one.recovery_id, one.key): one for one in earlier_tries(self.case, provider, self._card)}

    def finished(self) -> Journey:
        """To its end."""
        self._hear()
        while not isinstance(step := next_step(self.recovery, self.now), Done):
            self._take(step)
            self._hear()
        return told(self.recovery, self.records, self._made, self._truth(self.case.kind.failure))

    @property
    def now(self) -> datetime:
        """By the simulated clock."""
        return datetime.fromtimestamp(self._now, UTC)

    def _hear(self) -> None:
        """Everything that is said by now."""
        while self._words and self._words[0].occurred_at <= self.now:
            word = self._words.pop(0)
            if word.kind is EventKind.METHOD_UPDATED:
                self._fresh, self._card = True, self._card.model_copy(update={"fingerprint": OTHER_CARD})
            while events := react(self.recovery, word):
                self._write(*events)

    def _take(self, step: Step) -> None:
        match step:
            case Read():
                self._facts = self._read()
                self._write(*(observe(self.recovery, self._facts.invoice, self.now) or self._decided(self._facts)))
            case Decide():
                self._write(*self._decided(self._facts or self._read()))
            case Charge():
                self._charge(step)
            case Wait():
                self._now = self._next(step.until)
            case Close() if step.look:
                self._write(*last_word(self.recovery, step, self._invoice(), self.now))
            case Close():
                self._write(closing(step, self.now))
            case _:
                raise AssertionError(f"{step} can't happen: every simulated charge has a definite answer")

    def _next(self, until: datetime | None) -> int:
        """The moment of whatever comes first."""
        said = self._words[0].occurred_at if self._words else None
        known = [int(moment.timestamp()) for moment in (until, said) if moment]
        if not known:
            raise AssertionError(f"{self.recovery.recovery_id} waits for something that never comes")
        return min(known)

    def _write(self, *events: Event) -> None:
        before = self.recovery
        self.recovery, records = place_all(before, events, self.now)
        self.records.extend(records)
        for entry in entries(before, records):
            known = self._ledger.get((entry.recovery_id, entry.key))
            kept = {name: getattr(entry, name) or getattr(known, name, None) for name in ("fingerprint", "network")}
            self._ledger[entry.recovery_id, entry.key] = entry.model_copy(update=kept)

    def _tries(self) -> tuple[LedgerEntry, ...]:
        mine = [one for one in self._ledger.values() if one.outcome is not Spent.HELD]
        card = self._card.fingerprint
        return tuple(sorted((one for one in mine if one.fingerprint == card), key=lambda one: one.at))

    def _read(self) -> FailureFacts:
        """All that the provider would say now."""
        return FailureFacts(
            invoice=self._invoice(),
            failure=self.case.kind.failure,
            card=self._card,
            customer=customer_of(self.case),
            risk=self.case.kind.risk,
        )

    def _invoice(self) -> InvoiceView:
        """As the provider has it now."""
        return invoice_of(self.case, paid=self.case.paid_at <= self._now)

    def _decided(self, facts: FailureFacts) -> tuple[Event, ...]:
        """The rows of a decision, as the activity `plan_retry` writes them."""
        world, recovery = self._world, self.recovery
        found = world.classified(recovery.provider, facts.failure, facts.card)
        chosen = self._segment()
        calendar, experience = self._looked_up(facts, chosen.name)
        findings = Findings(
            recovery=recovery,
            facts=facts,
            classification=found,
            segment=chosen,
            assessment=assess(facts, found, rules=world.policy.fraud),
            now=self.now,
            calendar=calendar,
            experience=experience,
        )
        events = decide(findings, world.means)
        return within_network(recovery, events, found_card(findings), world.lowered, self._tries())

    def _segment(self) -> Segment:
        if self.recovery.segment:
            return Segment(name=self.recovery.segment, rule="", why="decided before")
        profile = profile_of_case(self.case.payer, self.case.kind.card.country)
        return segment(profile, self._world.policy.segments)

    def _looked_up(self, facts: FailureFacts, chosen: str) -> tuple[Calendar | None, Experience | None]:
        """What the strategy at hand wants to know."""
        world, recovery = self._world, self.recovery
        policy = armed(world.policy, assigned(world.policy, recovery, facts))
        cause = world.classified(recovery.provider, facts.failure, facts.card).cause
        wanted = needs(policy, world.strategies, chosen, cause)
        failed_at = recovery.failed_at or self.now
        ends = failed_at + policy.segment_named(chosen).window
        calendar = calendar_for(*whereabouts(recovery, facts), failed_at, ends) if Need.CALENDAR in wanted else None
        learnt = world.statistics.about(cause, recovery.attempts_used + 1) if Need.EXPERIENCE in wanted else None
        return calendar, learnt

    def _charge(self, step: Charge) -> None:
        """As the activity `charge_invoice` does it: look, ask the networks' rules, commit, call, commit."""
        before = self.recovery
        order = ChargeInput(now=self.now, recovery=before, trigger=step.trigger, method_id=step.method_id)
        checked = pay.checked(before, self._invoice(), step.trigger, order, self.now)
        other = step.method_id is not None
        card = credential(before, checked[-1], self._card if other or before.methods_seen else None, other=other)
        self._write(within(before, checked[-1], card, self._world.lowered, self._tries()))
        if self.recovery.in_flight:
            self._answered(before, step.trigger)

    def _answered(self, before: Recovery, trigger: Trigger) -> None:
        charges = self._asked(before)
        won, untried = bool(self._fate.wins(charges)[0]), bool(self._fate.untried(charges)[0])
        self._made.append(Made(self._now, trigger.value, won, untried))
        result = self._result(won)
        event = pay.concluded(self.recovery, result, self.now, repeated=False, by_reading=False)
        assert event is not None, "a definite answer is always written"
        self._write(event)
        self._facts = pay.learned(before, self.records[-1:]) or self._facts
        self._fresh = False

    def _asked(self, before: Recovery) -> Charges:
        """This charge as a row of one."""
        one = np.ones(1, dtype=np.int64)
        failed_at = int(before.failed_at.timestamp()) if before.failed_at else self._now
        return Charges(
            case=np.array([self.case.number], dtype=np.uint64),
            payer=one * self._payer,
            cause=one * CAUSE_INDEX[self._truth(before.failure)],
            retry=one * (before.attempts_used + 1),
            charge=one * self.recovery.attempt,
            waited=one * (self._now - failed_at),
            at=one * self._now,
            fresh=np.array([self._fresh]),
        )

    def _truth(self, failure: Failure) -> Cause:
        return self._world.truth(self.recovery.provider, failure, self._card)

    def _result(self, won: bool) -> ChargeResult:
        if won:
            return ChargeResult(outcome=Outcome.SUCCEEDED, card=self._card)
        return ChargeResult(
            outcome=Outcome.DECLINED, failure=declined(self.case, self._card, self._fate.outcomes), card=self._card
        )
