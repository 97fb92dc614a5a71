"""Reads the event log as a history: assembles its rows, in their order, into recorded recoveries."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Final

from core.classification.taxonomy import Cause
from core.errors import InvalidInput
from core.events import EventType, State, Trigger, parse_timestamp
from core.money import upgrade_amount
from core.payments import NO_METHOD, UNFIT_METHOD, Card, EventKind, Failure, Outcome, Risk
from core.recovery.network_ledger import NOT_SENT_OUTCOMES
from core.segmentation.rules import CustomerProfile
from db.queries import recorded_events as repository
from db.queries.recorded_events import RecordedLine
from db.session import Database
from simulator.history.columns import History, HistoryBuilder
from simulator.history.recorded import RecordedAttempt, RecordedRecovery, RecoveryDraft
from simulator.model.cases import FailureKind, Payer

EVENT_LOG_SOURCE: Final = "history"
EARLIEST_DAY: Final = date(1970, 1, 1)


class EventLogReader:
    """Assembles recoveries from log rows, which must come recovery by recovery in order of sequence."""

    def __init__(self, provider: str = "") -> None:
        self._provider = provider
        self._draft: RecoveryDraft | None = None

    def read_complete(self, lines: Iterable[RecordedLine]) -> Iterator[RecordedRecovery]:
        """The recoveries that these rows complete: each is complete once the next one opens."""
        for line in lines:
            if line.opens:
                yield from self.read_last()
                self._draft = _open_recovery(line, self._provider)
            elif self._draft:
                _HANDLERS[line.type](self._draft, line)

    def read_last(self) -> Iterator[RecordedRecovery]:
        """The recovery in progress, if any; one without a decision is dropped."""
        if self._draft and self._draft.first_cause:
            yield _to_recorded(self._draft, self._draft.first_cause)
        self._draft = None


async def read_event_log(
    database: Database,
    since: date | None = None,
    provider: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> History:
    """The recoveries of one provider, by default the most frequent one, that opened on `since` or later.

    Streams the log: memory holds integer columns and shared values only. `progress` is called with the recoveries read
    so far. Raises InvalidInput where there are none, and StoreUnavailable.
    """
    async with database.begin() as session:
        known = await repository.count_by_provider(session, since or EARLIEST_DAY)
        chosen = provider or (known[0].provider if known else "")
        growing, reading = HistoryBuilder(EVENT_LOG_SOURCE, chosen), EventLogReader(chosen)
        async for batch in repository.stream_lines(session, chosen, since or EARLIEST_DAY):
            growing.extend(reading.read_complete(batch))
            if progress:
                progress(len(growing))
        growing.extend(reading.read_last())
    growing.other_provider_recoveries = sum(one.recoveries for one in known if one.provider != chosen)
    if not len(growing):
        raise InvalidInput(_explain_empty(since, provider))
    return growing.build_history()


def _explain_empty(since: date | None, provider: str | None) -> str:
    wanted = f"{f' of {provider}' if provider else ''}{f' that opened since {since}' if since else ''}"
    return (
        f"The event log holds no recoveries{wanted} to learn from. Try --source synthetic, or import a history with "
        "`pri import stripe` or `pri import csv`."
    )


def _open_recovery(line: RecordedLine, provider: str) -> RecoveryDraft:
    invoice = line.one or ""
    amounts = {"amount": int(line.three or 0), "currency": line.four, "units": line.five}
    return RecoveryDraft(
        invoice_id=invoice,
        customer_id=line.two or invoice,
        amount=upgrade_amount(amounts, provider)["amount"],
        currency=(line.four or "").upper(),
        failed_at=line.at,
        last_failure_at=line.at,
    )


def _apply_failure(now: RecoveryDraft, line: RecordedLine) -> None:
    """The provider's own charge failed."""
    now.last_failure_at = max(now.last_failure_at, line.at)


def _apply_classification(now: RecoveryDraft, line: RecordedLine) -> None:
    failure = _parse_failure(line.two)
    if now.cause is None:
        now.failure, now.card, now.fingerprint = failure, _parse_card(line.three), line.four
    now.cause = Cause(line.one or Cause.UNKNOWN)
    now.first_cause = now.first_cause or now.cause
    if line.five:
        now.decisions.append(line.five)
    if has_reached_network(failure) and line.four in {None, now.fingerprint} and now.last_failure_at not in now.tries:
        now.tries.append(now.last_failure_at)


def has_reached_network(failure: Failure) -> bool:
    """Whether a charge with this failure reached the card network: not where the provider refused it by itself."""
    return failure.outcome not in NOT_SENT_OUTCOMES and failure.network_status != "not_sent_to_network"


def _apply_segment(now: RecoveryDraft, line: RecordedLine) -> None:
    now.customer_id = line.one or now.customer_id
    now.profile = _parse_profile(line.two) or now.profile
    ends = parse_timestamp(line.three)
    now.window_ends_at = int(ends.timestamp()) if ends else None


def _apply_assessment(now: RecoveryDraft, line: RecordedLine) -> None:
    if now.risk is None:
        now.risk, now.country = _parse_risk(line.one), line.two


def _apply_charge_request(now: RecoveryDraft, line: RecordedLine) -> None:
    now.charge_in_flight = (line.at, Trigger(line.one or Trigger.SCHEDULED))


def _apply_success(now: RecoveryDraft, _: RecordedLine) -> None:
    _finish_charge(now, won=True)


def _apply_decline(now: RecoveryDraft, _: RecordedLine) -> None:
    _finish_charge(now, won=False)


def _apply_reconciliation(now: RecoveryDraft, line: RecordedLine) -> None:
    outcome = Outcome(line.one or Outcome.UNKNOWN)
    if outcome in {Outcome.SUCCEEDED, Outcome.DECLINED}:
        return _finish_charge(now, won=outcome is Outcome.SUCCEEDED)
    if now.charge_in_flight:
        unfit = line.two in {UNFIT_METHOD, NO_METHOD}
        now.last_failure_at, now.charge_in_flight = now.last_failure_at if unfit else now.charge_in_flight[0], None
    return None


def _finish_charge(now: RecoveryDraft, won: bool) -> None:
    if now.charge_in_flight is None or now.cause is None:
        return
    at, trigger = now.charge_in_flight
    now.attempts.append(
        RecordedAttempt(at, trigger, won, now.cause, now.retries_used + 1, max(at - now.last_failure_at, 0), now.fresh)
    )
    now.retries_used += int(trigger.uses_budget)
    now.last_failure_at, now.charge_in_flight, now.fresh = at, None, False
    if won and now.method_at is None:
        now.tries.append(at)


def _apply_method_update(now: RecoveryDraft, line: RecordedLine) -> None:
    now.method_at, now.fresh = now.method_at or line.at, True


def _apply_payment(now: RecoveryDraft, line: RecordedLine) -> None:
    """A payment from elsewhere; after a partial one the rest stays open."""
    if rest := int(line.one or 0):
        now.amount_open = rest
    else:
        now.paid_at = now.paid_at or line.at


def _apply_close(now: RecoveryDraft, line: RecordedLine) -> None:
    now.closed_at = max(line.at, now.attempts[-1].at if now.attempts else 0)
    now.state, now.reason = State(line.one or State.CANCELED), line.two or ""


def _apply_late_payment(now: RecoveryDraft, line: RecordedLine) -> None:
    """A payment after the end of an unpaid recovery: counts as paid once the open amount is complete."""
    owed = now.amount if now.amount_open is None else now.amount_open
    now.paid_late += int(line.one or owed)
    if now.state is not State.RECOVERED and now.paid_late >= owed:
        now.paid_at = now.paid_at or line.at


def _apply_late_event(now: RecoveryDraft, line: RecordedLine) -> None:
    """What the customer did after the end; older releases logged late payments this way, too."""
    if now.state is State.RECOVERED:
        return
    if line.one == EventKind.INVOICE_PAID:
        now.paid_at = now.paid_at or line.at
    elif line.one == EventKind.METHOD_UPDATED:
        _apply_method_update(now, line)


def _to_recorded(now: RecoveryDraft, cause: Cause) -> RecordedRecovery:
    profile = now.profile
    return RecordedRecovery(
        invoice_id=now.invoice_id,
        customer_id=now.customer_id,
        kind=FailureKind(failure=now.failure, card=now.card, risk=now.risk or Risk()),
        cause=cause,
        fingerprint=now.fingerprint,
        payer=Payer(
            amount=profile.invoice_amount or now.amount,
            currency=(profile.currency or now.currency).upper(),
            country=profile.country or now.country,
            time_zone=profile.time_zone,
            profile=profile,
        ),
        failed_at=now.failed_at,
        attempts=tuple(now.attempts),
        tries=tuple(now.tries),
        paid_at=now.paid_at,
        method_at=now.method_at,
        window_ends_at=now.window_ends_at,
        closed_at=now.closed_at,
        state=now.state,
        reason=now.reason,
        decisions=tuple(now.decisions),
    )


@lru_cache(maxsize=4_096)
def _parse_failure(text: str | None) -> Failure:
    return Failure.model_validate_json(text) if text else Failure()


@lru_cache(maxsize=4_096)
def _parse_card(text: str | None) -> Card:
    return Card.model_validate_json(text) if text else Card()


@lru_cache(maxsize=4_096)
def _parse_risk(text: str | None) -> Risk:
    return Risk.model_validate_json(text) if text else Risk()


@lru_cache(maxsize=65_536)
def _parse_profile(text: str | None) -> CustomerProfile | None:
    return CustomerProfile.model_validate(json.loads(text) or {}) if text else None


_HANDLERS: Final[Mapping[str, Callable[[RecoveryDraft, RecordedLine], None]]] = {
    EventType.PAYMENT_FAILED.value: _apply_failure,
    EventType.FAILURE_CLASSIFIED.value: _apply_classification,
    EventType.CUSTOMER_SEGMENTED.value: _apply_segment,
    EventType.FRAUD_ASSESSED.value: _apply_assessment,
    EventType.CHARGE_REQUESTED.value: _apply_charge_request,
    EventType.CHARGE_SUCCEEDED.value: _apply_success,
    EventType.CHARGE_DECLINED.value: _apply_decline,
    EventType.CHARGE_RECONCILED.value: _apply_reconciliation,
    EventType.METHOD_UPDATED.value: _apply_method_update,
    EventType.PAID_ELSEWHERE.value: _apply_payment,
    EventType.RECOVERY_CLOSED.value: _apply_close,
    EventType.PAYMENT_LATE.value: _apply_late_payment,
    EventType.EVENT_LATE.value: _apply_late_event,
}
