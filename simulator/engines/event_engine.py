"""The event engine: one recovery after another through the live state machine, decisions and rules, on a set clock.

Slow, but the reference: the array engine must give the same result for every single case. Plug-in strategies run here
without any change.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from catalog.calendars import calendar_for
from core.calendar import Calendar
from core.card_networks.rules import AttemptOutcome, Credential, LedgerEntry
from core.classification.taxonomy import Cause
from core.contracts import ChargeInput
from core.events import Event, Record, Trigger
from core.fraud.assessment import NO_SIGNALS
from core.fraud.rules import FraudRules
from core.fraud.signals import FraudSignals
from core.payments import ChargeResult, EventKind, Failure, FailureFacts, InvoiceView, Outcome
from core.planning.pipeline import decide_on_failure
from core.recovery import charge_events
from core.recovery.invoice_check import check_invoice, final_check_events
from core.recovery.machine import Charge, Close, Decide, Done, Read, Step, Wait, append_events, closing_event, next_step
from core.recovery.network_check import check_network_limits, credential_to_charge
from core.recovery.network_ledger import build_ledger_entries
from core.recovery.reactions import react_to_event
from core.recovery.state import Recovery
from core.segmentation.rules import CustomerProfile
from core.strategies.experience import Experience
from simulator.engines.arm import World
from simulator.engines.live_records import (
    FIRST_CARD,
    SECOND_CARD,
    decline_charge,
    list_earlier_entries,
    list_provider_events,
    to_customer_profile,
    to_customer_view,
    to_invoice_view,
    to_recovery_result,
)
from simulator.engines.results import RecoveryResult, RecoveryResults, SimulatedCharge, pack_results
from simulator.model.cases import Case, Cases
from simulator.model.outcome_model import ChargeBatch, OutcomeModel, OutcomeModels
from simulator.model.success_chances import CAUSE_INDEX


class EventEngine:
    """A `runner.Engine` that simulates each case event by event."""

    def __init__(self, world: World, models: OutcomeModels) -> None:
        self._world, self._models = world, models

    def run(self, cases: Cases) -> RecoveryResults:
        """The result of each case, a row per case in the order of `cases`."""
        model = self._models.for_cases(cases)
        return pack_results(
            [RecoverySimulation(self._world, model, cases, row).run_to_end() for row in range(len(cases))]
        )


class RecoverySimulation:
    """One recovery in progress. Performs each step in place of the live workflow, and jumps over waiting times."""

    def __init__(self, world: World, model: OutcomeModel, cases: Cases, row: int) -> None:
        self._world, self._model = world, model
        self._payer = int(cases.payer[row])
        self.case: Case = cases.case_at(row)
        provider = cases.book.provider
        self.recovery = Recovery(provider=provider, invoice_id=self.case.invoice_id)
        self.records: list[Record] = []
        self._now = self.case.failed_at
        self._last_facts: FailureFacts | None = None
        self._pending_events = list_provider_events(self.case, provider)
        self._fresh = False
        self._card = self.case.kind.card.model_copy(update={"fingerprint": FIRST_CARD})
        self._charges_made: list[SimulatedCharge] = []
        self._ledger = {
            (one.recovery_id, one.key): one for one in list_earlier_entries(self.case, provider, self._card)
        }

    def run_to_end(self) -> RecoveryResult:
        """Performs steps until the recovery is closed, and returns its result."""
        self._deliver_events()
        while not isinstance(step := next_step(self.recovery, self.now), Done):
            self._perform_step(step)
            self._deliver_events()
        return to_recovery_result(
            self.recovery, self.records, self._charges_made, self._true_cause(self.case.kind.failure)
        )

    @property
    def now(self) -> datetime:
        """The simulated time, UTC."""
        return datetime.fromtimestamp(self._now, UTC)

    def _deliver_events(self) -> None:
        """Applies every provider event that has occurred by now."""
        while self._pending_events and self._pending_events[0].occurred_at <= self.now:
            word = self._pending_events.pop(0)
            if word.kind is EventKind.METHOD_UPDATED:
                self._fresh, self._card = True, self._card.model_copy(update={"fingerprint": SECOND_CARD})
            while events := react_to_event(self.recovery, word):
                self._append_events(*events)

    def _perform_step(self, step: Step) -> None:
        match step:
            case Read():
                self._last_facts = self._read_failure()
                self._append_events(
                    *(
                        check_invoice(self.recovery, self._last_facts.invoice, self.now)
                        or self._decide_next(self._last_facts)
                    )
                )
            case Decide():
                self._append_events(*self._decide_next(self._last_facts or self._read_failure()))
            case Charge():
                self._charge_invoice(step)
            case Wait():
                self._now = self._next_moment(step.until)
            case Close() if step.read_first:
                self._append_events(*final_check_events(self.recovery, step, self._read_invoice(), self.now))
            case Close():
                self._append_events(closing_event(step, self.now))
            case _:
                raise AssertionError(f"{step} can't happen: every simulated charge has a definite answer")

    def _next_moment(self, until: datetime | None) -> int:
        """The earlier of `until` and the next provider event, seconds since 1970."""
        next_event_at = self._pending_events[0].occurred_at if self._pending_events else None
        known = [int(moment.timestamp()) for moment in (until, next_event_at) if moment]
        if not known:
            raise AssertionError(f"{self.recovery.recovery_id} waits for something that never comes")
        return min(known)

    def _append_events(self, *events: Event) -> None:
        before = self.recovery
        self.recovery, records = append_events(before, events, self.now)
        self.records.extend(records)
        # A later record of one attempt may not name the card: fingerprint and network are kept from the earlier one.
        for entry in build_ledger_entries(before, records):
            known = self._ledger.get((entry.recovery_id, entry.key))
            kept = {name: getattr(entry, name) or getattr(known, name, None) for name in ("fingerprint", "network")}
            self._ledger[entry.recovery_id, entry.key] = entry.model_copy(update=kept)

    def _read_failure(self) -> FailureFacts:
        """What a read of the provider would return now."""
        return FailureFacts(
            invoice=self._read_invoice(),
            failure=self.case.kind.failure,
            card=self._card,
            customer=to_customer_view(self.case),
            risk=self.case.kind.risk,
        )

    def _read_invoice(self) -> InvoiceView:
        """The invoice as the provider has it now: paid once `paid_at` has passed."""
        return to_invoice_view(self.case, paid=self.case.paid_at <= self._now)

    def _decide_next(self, facts: FailureFacts) -> tuple[Event, ...]:
        """The events of a decision, as the activity `plan_retry` writes them."""
        return decide_on_failure(self.recovery, facts, self.now, self._world.decision_config, self)

    def find_profile(self) -> CustomerProfile:
        """The payer's profile, as the case has it."""
        return to_customer_profile(self.case.payer, self.case.kind.card.country)

    def find_signals(self, _: FraudRules) -> FraudSignals:
        """None: a case is simulated alone, so nothing around it can be counted."""
        return NO_SIGNALS

    def find_calendar(self, country: str | None, time_zone: str | None, since: datetime, until: datetime) -> Calendar:
        """As the live lookup builds it."""
        return calendar_for(country, time_zone, since, until)

    def find_experience(self, cause: Cause) -> Experience:
        """What the history's own retries came to."""
        return self._world.statistics.experience_for(cause, self.recovery.attempts_used + 1)

    def find_attempts(self, _: Credential) -> Sequence[LedgerEntry]:
        """The charges of the current card that reached its network."""
        sent = [one for one in self._ledger.values() if one.outcome is not AttemptOutcome.HELD]
        card = self._card.fingerprint
        return tuple(sorted((one for one in sent if one.fingerprint == card), key=lambda one: one.at))

    def _charge_invoice(self, step: Charge) -> None:
        """As the activity `charge_invoice` does it: invoice check, network check, commit, provider call, commit."""
        before = self.recovery
        order = ChargeInput(now=self.now, recovery=before, trigger=step.trigger, method_id=step.method_id)
        checked = charge_events.request_charge(before, self._read_invoice(), step.trigger, order.method_id, self.now)
        other = step.method_id is not None
        card = credential_to_charge(
            before, checked[-1], self._card if other or before.methods_seen else None, other=other
        )
        self._append_events(
            check_network_limits(before, checked[-1], card, self._world.merchant_rules, self.find_attempts(card))
        )
        if self.recovery.in_flight:
            self._record_answer(before, step.trigger)

    def _record_answer(self, before: Recovery, trigger: Trigger) -> None:
        charges = self._to_charge_batch(before)
        won, untried = bool(self._model.draw_successes(charges)[0]), bool(self._model.is_extrapolated(charges)[0])
        self._charges_made.append(SimulatedCharge(self._now, trigger.value, won, untried))
        result = self._charge_result(won)
        event = charge_events.charge_result_event(self.recovery, result, self.now, repeated=False, by_reading=False)
        assert event is not None, "a definite answer is always written"
        self._append_events(event)
        self._last_facts = charge_events.facts_from_decline(before, self.records[-1:]) or self._last_facts
        self._fresh = False

    def _to_charge_batch(self, before: Recovery) -> ChargeBatch:
        """This charge as a batch of one row, so that both engines use the same outcome model."""
        one = np.ones(1, dtype=np.int64)
        failed_at = int(before.failed_at.timestamp()) if before.failed_at else self._now
        return ChargeBatch(
            case=np.array([self.case.number], dtype=np.uint64),
            payer=one * self._payer,
            cause=one * CAUSE_INDEX[self._true_cause(before.failure)],
            retry=one * (before.attempts_used + 1),
            charge=one * self.recovery.attempt,
            waited=one * (self._now - failed_at),
            at=one * self._now,
            fresh=np.array([self._fresh]),
        )

    def _true_cause(self, failure: Failure) -> Cause:
        return self._world.true_cause(self.recovery.provider, failure, self._card)

    def _charge_result(self, won: bool) -> ChargeResult:
        if won:
            return ChargeResult(outcome=Outcome.SUCCEEDED, card=self._card)
        return ChargeResult(
            outcome=Outcome.DECLINED,
            failure=decline_charge(self.case, self._card, self._model.outcomes),
            card=self._card,
        )
