"""The event log as a history: its rows, in their order, put together to recoveries that really happened."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Final

from core.classifier.taxonomy import Cause
from core.errors import InvalidInput
from core.events import EventType, State, Trigger, moment
from core.money import modern
from core.payments import NO_METHOD, UNFIT_METHOD, Card, EventKind, Failure, Outcome, Risk
from core.retry.ledger import NOT_SENT
from core.segmentation.segment import CustomerProfile
from db.repositories import recorded as repository
from db.repositories.recorded import Line
from db.session import Database
from simulator.cases import FailureKind, Payer
from simulator.past import Growing, History
from simulator.recorded import Attempt, Recorded
from simulator.under_way import UnderWay

NAME: Final = "history"
EVER: Final = date(1970, 1, 1)


class Reading:
    """Takes rows of the log in the order of recoveries."""

    def __init__(self, provider: str = "") -> None:
        self._provider = provider
        self._now: UnderWay | None = None

    def finished(self, lines: Iterable[Line]) -> Iterator[Recorded]:
        """Every recovery that is known to be complete because another one has begun."""
        for line in lines:
            if line.opens:
                yield from self.last()
                self._now = _opened(line, self._provider)
            elif self._now:
                _STEPS[line.type](self._now, line)

    def last(self) -> Iterator[Recorded]:
        """The one that is being read, if there is any and a decision was made about it."""
        if self._now and self._now.first_cause:
            yield _told(self._now, self._now.first_cause)
        self._now = None


async def read(
    database: Database,
    since: date | None = None,
    provider: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> History:
    """The recoveries of one provider, the most frequent one where none is named, that opened on that day or later.

    In memory stay only columns of numbers and what many recoveries share. `progress` is told how many were read.
    Raises InvalidInput where there are none, StoreUnavailable.
    """
    async with database.begin() as session:
        known = await repository.providers(session, since or EVER)
        chosen = provider or (known[0].provider if known else "")
        growing, reading = Growing(NAME, chosen), Reading(chosen)
        async for batch in repository.lines(session, chosen, since or EVER):
            growing.extend(reading.finished(batch))
            if progress:
                progress(len(growing))
        growing.extend(reading.last())
    growing.elsewhere = sum(one.recoveries for one in known if one.provider != chosen)
    if not len(growing):
        raise InvalidInput(_nothing(since, provider))
    return growing.finished()


def _nothing(since: date | None, provider: str | None) -> str:
    wanted = f"{f' of {provider}' if provider else ''}{f' that opened since {since}' if since else ''}"
    return (
        f"The event log holds no recoveries{wanted} to learn from. Try --source synthetic, or import a history with "
        "`pri import stripe` or `pri import csv`."
    )


def _opened(line: Line, provider: str) -> UnderWay:
    invoice = line.one or ""
    said = {"amount": int(line.three or 0), "currency": line.four, "units": line.five}
    return UnderWay(
        invoice_id=invoice,
        customer_id=line.two or invoice,
        amount=modern(said, provider)["amount"],
        currency=(line.four or "").upper(),
        failed_at=line.at,
        since=line.at,
    )


def _failed_again(now: UnderWay, line: Line) -> None:
    """The provider tried by itself."""
    now.since = max(now.since, line.at)


def _classified(now: UnderWay, line: Line) -> None:
    failure = _failure(line.two)
    if now.cause is None:
        now.failure, now.card, now.fingerprint = failure, _card(line.three), line.four
    now.cause = Cause(line.one or Cause.UNKNOWN)
    now.first_cause = now.first_cause or now.cause
    if line.five:
        now.decisions.append(line.five)
    if reached(failure) and line.four in {None, now.fingerprint} and now.since not in now.tries:
        now.tries.append(now.since)


def reached(failure: Failure) -> bool:
    """Whether the network saw a try that failed so: not where the provider refused it by itself."""
    return failure.outcome not in NOT_SENT and failure.network_status != "not_sent_to_network"


def _segmented(now: UnderWay, line: Line) -> None:
    now.customer_id = line.one or now.customer_id
    now.profile = _profile(line.two) or now.profile
    ends = moment(line.three)
    now.window_ends_at = int(ends.timestamp()) if ends else None


def _assessed(now: UnderWay, line: Line) -> None:
    if now.risk is None:
        now.risk, now.country = _risk(line.one), line.two


def _requested(now: UnderWay, line: Line) -> None:
    now.asked = (line.at, Trigger(line.one or Trigger.SCHEDULED))


def _succeeded(now: UnderWay, _: Line) -> None:
    _answered(now, won=True)


def _declined(now: UnderWay, _: Line) -> None:
    _answered(now, won=False)


def _reconciled(now: UnderWay, line: Line) -> None:
    outcome = Outcome(line.one or Outcome.UNKNOWN)
    if outcome in {Outcome.SUCCEEDED, Outcome.DECLINED}:
        return _answered(now, won=outcome is Outcome.SUCCEEDED)
    if now.asked:
        unfit = line.two in {UNFIT_METHOD, NO_METHOD}
        now.since, now.asked = now.since if unfit else now.asked[0], None
    return None


def _answered(now: UnderWay, won: bool) -> None:
    if now.asked is None or now.cause is None:
        return
    at, trigger = now.asked
    now.attempts.append(Attempt(at, trigger, won, now.cause, now.used + 1, max(at - now.since, 0), now.fresh))
    now.used += int(trigger.uses_budget)
    now.since, now.asked, now.fresh = at, None, False
    if won and now.method_at is None:
        now.tries.append(at)


def _updated(now: UnderWay, line: Line) -> None:
    now.method_at, now.fresh = now.method_at or line.at, True


def _paid(now: UnderWay, line: Line) -> None:
    """A part is no end: the rest stays open."""
    if rest := int(line.one or 0):
        now.rest = rest
    else:
        now.paid_at = now.paid_at or line.at


def _closed(now: UnderWay, line: Line) -> None:
    now.closed_at = max(line.at, now.attempts[-1].at if now.attempts else 0)
    now.state, now.reason = State(line.one or State.CANCELED), line.two or ""


def _paid_late(now: UnderWay, line: Line) -> None:
    """After the end, unless the money was there already: once all of what was open is there."""
    owed = now.amount if now.rest is None else now.rest
    now.paid_late += int(line.one or owed)
    if now.state is not State.RECOVERED and now.paid_late >= owed:
        now.paid_at = now.paid_at or line.at


def _late(now: UnderWay, line: Line) -> None:
    """What the customer did after the end, as older releases told of payments, too."""
    if now.state is State.RECOVERED:
        return
    if line.one == EventKind.INVOICE_PAID:
        now.paid_at = now.paid_at or line.at
    elif line.one == EventKind.METHOD_UPDATED:
        _updated(now, line)


def _told(now: UnderWay, cause: Cause) -> Recorded:
    profile = now.profile
    return Recorded(
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
def _failure(text: str | None) -> Failure:
    return Failure.model_validate_json(text) if text else Failure()


@lru_cache(maxsize=4_096)
def _card(text: str | None) -> Card:
    return Card.model_validate_json(text) if text else Card()


@lru_cache(maxsize=4_096)
def _risk(text: str | None) -> Risk:
    return Risk.model_validate_json(text) if text else Risk()


@lru_cache(maxsize=65_536)
def _profile(text: str | None) -> CustomerProfile | None:
    return CustomerProfile.model_validate(json.loads(text) or {}) if text else None


_STEPS: Final[Mapping[str, Callable[[UnderWay, Line], None]]] = {
    EventType.PAYMENT_FAILED.value: _failed_again,
    EventType.FAILURE_CLASSIFIED.value: _classified,
    EventType.CUSTOMER_SEGMENTED.value: _segmented,
    EventType.FRAUD_ASSESSED.value: _assessed,
    EventType.CHARGE_REQUESTED.value: _requested,
    EventType.CHARGE_SUCCEEDED.value: _succeeded,
    EventType.CHARGE_DECLINED.value: _declined,
    EventType.CHARGE_RECONCILED.value: _reconciled,
    EventType.METHOD_UPDATED.value: _updated,
    EventType.PAID_ELSEWHERE.value: _paid,
    EventType.RECOVERY_CLOSED.value: _closed,
    EventType.PAYMENT_LATE.value: _paid_late,
    EventType.EVENT_LATE.value: _late,
}
