"""Histories for tests: simulated recoveries in the form of recorded ones."""

from collections.abc import Iterator

from core.classification.taxonomy import Cause
from core.events import State, Trigger
from simulator.engines.arm import World
from simulator.engines.results import RecoveryResults
from simulator.history.columns import History, HistoryBuilder
from simulator.history.recorded import RecordedAttempt, RecordedRecovery
from simulator.model.cases import NEVER, Cases
from simulator.model.outcome_model import OutcomeModels
from simulator.model.success_chances import CAUSES, OutcomeChances
from simulator.runner import choose_engine


def simulated_history(cases: Cases, outcomes: OutcomeChances, decision_world: World, seed: int = 5) -> History:
    """The history that the event log would have of these cases under this policy."""
    results = choose_engine(decision_world, OutcomeModels(outcomes, seed)).run(cases)
    growing = HistoryBuilder("history", cases.book.provider)
    growing.extend(recorded_recoveries(cases, results, decision_world.policy.version))
    return growing.build_history()


def recorded_recoveries(cases: Cases, results: RecoveryResults, version: str) -> Iterator[RecordedRecovery]:
    for row in range(len(cases)):
        case, (state, reason, closed_at, charges) = cases.case_at(row), results.summary_at(row)
        cause = CAUSES[int(results.cause[row])]
        attempts = tuple(_past_attempts(case.failed_at, case.method_at, charges, reason == "charged", cause))
        paid = reason == "paid_elsewhere" or (state is not State.RECOVERED and case.paid_at != NEVER)
        has_new_method = case.method_at <= closed_at or state is not State.RECOVERED
        yield RecordedRecovery(
            invoice_id=f"in_{case.number}",
            customer_id=case.customer_id,
            kind=case.kind,
            cause=cause,
            fingerprint=None,
            payer=case.payer,
            failed_at=case.failed_at,
            attempts=attempts,
            tries=(),
            paid_at=case.paid_at if paid else None,
            method_at=case.method_at if has_new_method and case.method_at != NEVER else None,
            closed_at=closed_at,
            state=state,
            reason=reason,
            decisions=(version,) * (1 + len(attempts)),
        )


def _past_attempts(
    failed_at: int, method_at: int, charges: tuple[int, ...], is_won: bool, cause: Cause
) -> Iterator[RecordedAttempt]:
    before, attempts_used, fresh = failed_at, 0, method_at != NEVER
    for number, at in enumerate(charges, 1):
        first = fresh and at >= method_at
        trigger = Trigger.METHOD_CHANGE if first else Trigger.SCHEDULED
        yield RecordedAttempt(
            at, trigger, is_won and number == len(charges), cause, attempts_used + 1, at - before, first
        )
        before, attempts_used, fresh = at, attempts_used + int(not first), fresh and not first
