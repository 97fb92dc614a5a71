"""Recorded recoveries as integer columns, with a codebook of the values they share."""

from array import array
from bisect import bisect
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from core.events import State, Trigger
from simulator.history.recorded import RecordedRecovery
from simulator.model.cases import NEVER, Booleans, Codebook, FailureKind, Integers, Payer
from simulator.model.success_chances import CAUSE_INDEX

LOOK_BACK: Final = 200 * 86_400
"""Seconds; longer than the window of any card network's rule."""
MAX_TRIES: Final = 60
"""The newest charges kept of each card: more than any network allows in its window."""
OPEN, CHARGED, PAID, LOST, STOPPED = range(5)
"""Ends of recoveries: still open, won by a charge, paid otherwise, ended unpaid, stopped (canceled or disputed)."""
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class RecordedCharges:
    """Charges with a definite answer, a row each, in the order of recoveries."""

    recovery: Integers
    """Its row in `History`."""
    at: Integers
    cause: Integers
    """Cause of the latest failure before it: index into `success_chances.CAUSES`."""
    retry: Integers
    waited: Integers
    scheduled: Booleans
    fresh: Booleans
    """The first charge of another card."""
    won: Booleans

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, eq=False)
class History:
    """Recoveries, a row each, the oldest failure first. Times in seconds since 1970, UTC; NEVER: not seen."""

    name: str
    book: Codebook
    failure: Integers
    payer: Integers
    failed_at: Integers
    paid_at: Integers
    method_at: Integers
    closed_at: Integers
    cause: Integers
    """Cause of the opening failure as it was classified then: index into `success_chances.CAUSES`."""
    end: Integers
    """OPEN, CHARGED, PAID, LOST or STOPPED."""
    charges: RecordedCharges
    earlier: Mapping[int, tuple[int, ...]]
    """Times of charges of the same card and amount in other recoveries before, by row."""
    decisions: Mapping[str, int]
    """Number of decisions by policy version; empty where none is recorded."""
    left_out: int
    """Number of recoveries of other providers."""
    window_ends: Integers
    """End of the window under the policy that ran; the time of failure where it isn't recorded."""
    cards_not_charged: int
    """Number of cards given within the window, but after the early end that an older release had written."""
    watched: bool
    """Whether payments without a charge and new cards are recorded."""

    def __len__(self) -> int:
        return len(self.failed_at)

    @property
    def seen_until(self) -> int:
        """The latest recorded time."""
        known = [column[column != NEVER] for column in (self.failed_at, self.paid_at, self.method_at, self.closed_at)]
        return max(int(one.max()) for one in (*known, self.charges.at) if len(one))

    @property
    def watched_until(self) -> Integers:
        """Until when an action of each customer would have been recorded (the censoring time of the fit).

        To the close where a charge won or the invoice was stopped; else to the end of the history, since the provider
        reports payments after an unpaid end, too. The time of failure where the history doesn't record such actions.
        """
        if not self.watched:
            return self.failed_at
        ended = (self.end == CHARGED) | (self.end == STOPPED)
        return np.where(ended, self.closed_at, self.seen_until)

    @property
    def is_recovered(self) -> Booleans:
        """Which recoveries ended as paid, by a charge or otherwise."""
        return np.isin(self.end, (CHARGED, PAID))


class HistoryBuilder:
    """Builds a history from a stream of recoveries; keeps only a few integers for each recovery and attempt."""

    def __init__(self, name: str, provider: str, *, watched: bool = True) -> None:
        self.other_provider_recoveries = 0
        """Number of recoveries of other providers."""
        self._name, self._provider, self._watched = name, provider, watched
        self._kinds: dict[Hashable, int] = {}
        self._payers: dict[Hashable, int] = {}
        self._failures: list[FailureKind] = []
        self._paying: list[Payer] = []
        self._names: list[str] = []
        self._customers: list[str] = []
        self._rows = _Columns(
            "failure", "payer", "failed_at", "paid_at", "method_at", "closed_at", "cause", "end", "window_ends"
        )
        self._tries = _Columns("recovery", "at", "cause", "retry", "waited", "scheduled", "fresh", "won")
        self._cards: dict[tuple[str, int, str], list[tuple[int, tuple[int, ...]]]] = {}
        self._decisions: Counter[str] = Counter()
        self._cards_not_charged = 0

    def __len__(self) -> int:
        return len(self._names)

    def extend(self, found: Iterable[RecordedRecovery]) -> None:
        """Adds these recoveries."""
        for one in found:
            self._add_recovery(one)

    def _add_recovery(self, one: RecordedRecovery) -> None:
        row = len(self._names)
        self._names.append(one.invoice_id)
        self._customers.append(one.customer_id)
        self._rows.add(
            _index_of(self._kinds, self._failures, one.kind, one.kind),
            _index_of(self._payers, self._paying, one.payer.model_dump_json(), one.payer),
            one.failed_at,
            _or_never(one.paid_at),
            _or_never(one.method_at),
            _or_never(one.closed_at),
            CAUSE_INDEX[one.cause],
            _end_code(one),
            one.failed_at if one.window_ends_at is None else one.window_ends_at,
        )
        for try_ in one.attempts:
            scheduled = int(try_.trigger is Trigger.SCHEDULED)
            known = (CAUSE_INDEX[try_.cause], try_.retry, try_.waited, scheduled, int(try_.fresh), int(try_.won))
            self._tries.add(row, try_.at, *known)
        if one.fingerprint and one.tries:
            card = (one.fingerprint, one.payer.amount, one.payer.currency)
            self._cards.setdefault(card, []).append((row, one.tries))
        self._decisions.update(one.decisions)
        self._cards_not_charged += one.has_method_in_window

    def build_history(self) -> History:
        """The history of all recoveries added, the oldest failure first."""
        rows = self._rows.to_arrays()
        # lexsort's last key is the primary one; the order of reading breaks ties, so the result is deterministic.
        # `place` inverts it: from the row read to the row in the history.
        order = np.lexsort((np.arange(len(self)), rows["failed_at"]))
        place = np.empty(len(self), dtype=np.int64)
        place[order] = np.arange(len(self))
        book = Codebook(
            provider=self._provider,
            failures=tuple(self._failures),
            payers=tuple(self._paying),
            names=tuple(self._names[row] for row in order.tolist()),
            customers=tuple(self._customers[row] for row in order.tolist()),
        )
        return History(
            name=self._name,
            book=book,
            **{name: column[order] for name, column in rows.items()},
            charges=self._build_charges(place),
            earlier=self._find_earlier_tries(rows["failed_at"], place),
            decisions=dict(sorted(self._decisions.items())),
            left_out=self.other_provider_recoveries,
            cards_not_charged=self._cards_not_charged,
            watched=self._watched,
        )

    def _build_charges(self, place: Integers) -> RecordedCharges:
        tries = self._tries.to_arrays()
        recovery = place[tries["recovery"]]
        order = np.lexsort((tries["at"], recovery))
        found = {name: column[order] for name, column in tries.items()}
        return RecordedCharges(
            recovery=recovery[order],
            at=found["at"],
            cause=found["cause"],
            retry=found["retry"],
            waited=found["waited"],
            scheduled=found["scheduled"] == 1,
            fresh=found["fresh"] == 1,
            won=found["won"] == 1,
        )

    def _find_earlier_tries(self, failed_at: Integers, place: Integers) -> dict[int, tuple[int, ...]]:
        """Charges before each failure, by row, of cards with more than one recovery: at most MAX_TRIES in LOOK_BACK."""
        found: dict[int, tuple[int, ...]] = {}
        for uses in (one for one in self._cards.values() if len(one) > 1):
            tries = sorted((at, row) for row, mine in uses for at in mine)
            for row, _ in uses:
                now = int(failed_at[row])
                since, until = bisect(tries, (now - LOOK_BACK, -1)), bisect(tries, (now, -1))
                if before := tries[max(since, until - MAX_TRIES) : until]:
                    found[int(place[row])] = tuple(at for at, _ in before)
        return dict(sorted(found.items()))


class _Columns:
    """Named columns of 64-bit integers that grow by rows, eight bytes a number."""

    def __init__(self, *names: str) -> None:
        self.names, self.numbers = names, array("q")

    def add(self, *values: int) -> None:
        """Appends one row, in the order of the names."""
        self.numbers.extend(values)

    def to_arrays(self) -> dict[str, Integers]:
        """The columns by name."""
        table = np.array(self.numbers, dtype=np.int64).reshape(-1, len(self.names))
        return {name: table[:, number].copy() for number, name in enumerate(self.names)}


def _index_of(known: dict[Hashable, int], found: list[T], key: Hashable, value: T) -> int:
    """The index of the value in `found`; a new value is appended."""
    place = known.setdefault(key, len(found))
    if place == len(found):
        found.append(value)
    return place


def _or_never(at: int | None) -> int:
    return NEVER if at is None else at


def _end_code(one: RecordedRecovery) -> int:
    if one.state is None:
        return OPEN
    if one.state is State.RECOVERED:
        return CHARGED if one.has_won_charge else PAID
    if one.is_paid_in_window:
        return PAID
    taken = one.state is State.CANCELED or one.reason in {"dispute", "early_fraud_warning"}
    return STOPPED if taken else LOST
