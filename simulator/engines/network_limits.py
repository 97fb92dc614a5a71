"""Network limits for many plans: arrays find the few cards near a limit, and the live rules decide about those."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from core.card_networks.rules import (
    AttemptOutcome,
    Credential,
    LedgerEntry,
    NetworkRules,
    check_attempt,
    fee_of,
    find_free_moment,
)
from core.events import Trigger
from core.payments import Failure
from simulator.engines.arm import World
from simulator.engines.live_records import to_utc_datetime
from simulator.engines.results import MAX_CHARGES
from simulator.engines.situations import CaseFeatures, LimitLength
from simulator.model.cases import NEVER, Cases, FailureKind, Integers
from simulator.model.local_clocks import DAY


class LimitedPlan(NamedTuple):
    """A plan that a network's rule forbids, and what it is replaced by."""

    at: int | None
    """The first allowed moment, seconds since 1970; None: there is none within the window."""
    fee: int
    """The network fee avoided, minor units of USD."""


class CardTries(NamedTuple):
    """One card and those of its charges that the network counts; times in seconds since 1970."""

    network: str | None
    amount: int
    currency: str
    tries: tuple[int, ...]
    failure: Failure
    """The answer to its latest charges."""


def limit_plan(rules: NetworkRules, card: CardTries, planned: int, ends: int) -> LimitedPlan | None:
    """What replaces a plan at `planned` in a window until `ends`; None where the plan is allowed."""
    credential, tries = _to_credential(card), _to_ledger_entries(card)
    verdict = check_attempt(rules, credential, tries, to_utc_datetime(planned))
    if verdict.is_allowed:
        return None
    free = find_free_moment(rules, credential, tries, to_utc_datetime(planned))
    fee = fee_of(rules, credential, verdict, to_utc_datetime(planned))
    at = int(free.timestamp()) if free else None
    return LimitedPlan(at if at is not None and at <= ends else None, fee.amount if fee else 0)


def is_within_limits(limits: Iterable[LimitLength], tries: Sequence[int], at: int) -> bool:
    """Whether one more charge at `at` exceeds none of these limits, by the live rules' count; times in seconds."""
    # Every simulated charge is a decline of the same amount, so that each limit counts all of them.
    newest = sorted(tries, reverse=True)
    return all(len(newest) < one.allowed or newest[one.allowed - 1] <= at - one.seconds for one in limits)


def excess_try_fee(rules: NetworkRules, card: CardTries, at: int) -> int:
    """The network's fee for a charge at that moment beyond its limit, minor units of USD; 0 within it.

    `card` holds the earlier charges.
    """
    credential, tries = _to_credential(card), _to_ledger_entries(card)
    fee = fee_of(rules, credential, check_attempt(rules, credential, tries, to_utc_datetime(at)), to_utc_datetime(at))
    return fee.amount if fee else 0


def _to_credential(card: CardTries) -> Credential:
    return Credential(
        provider="simulated",
        recovery_id="simulated",
        fingerprint="card",
        network=card.network,
        amount=card.amount,
        currency=card.currency,
    )


def _to_ledger_entries(card: CardTries) -> tuple[LedgerEntry, ...]:
    """The charges as ledger entries. Only one carries the answer: a single stop instruction is enough for the rules."""
    if not card.tries:
        return ()
    first = LedgerEntry(
        recovery_id="simulated",
        key="0",
        provider="simulated",
        fingerprint="card",
        network=card.network,
        amount=card.amount,
        currency=card.currency,
        at=to_utc_datetime(card.tries[0]),
        trigger=Trigger.PROVIDER.value,
        outcome=AttemptOutcome.DECLINED,
        network_code=card.failure.network_code,
        network_advice=card.failure.network_advice,
    )
    # Copies, since validating each would take most of the run's time.
    plain = first.model_copy(update={"network_code": None, "network_advice": None})
    later = enumerate(card.tries[1:], start=1)
    return (first, *(plain.model_copy(update={"key": str(key), "at": to_utc_datetime(at)}) for key, at in later))


class ChargeLedger:
    """Charges, blocked plans and network fees (minor units of USD), a row per case."""

    def __init__(self, world: World, features: CaseFeatures, cases: Cases) -> None:
        self._rules, self._features, self._cases = world.merchant_rules, features, cases
        count = len(cases)
        self.charge_count, self.blocked, self.fees, self.fees_avoided, self._since = (
            np.zeros(count, dtype=np.int64) for _ in range(5)
        )
        # A row per charge in memory: the charges of one step are written side by side.
        self.charged_at = np.full((MAX_CHARGES, count), NEVER, dtype=np.int64).T
        self._before = np.where(features.reached_network[cases.failure], cases.earlier_counts + 1, cases.earlier_counts)
        """Counted charges of the current card before the recovery's own, the failed one included; 0 for a new card."""

    def add_opening_fees(self) -> None:
        """Records the fee of the provider's own charge where it exceeded a limit: every policy pays it."""
        sent, fewest = (
            self._features.reached_network[self._cases.failure],
            self._features.lowest_limit[self._cases.failure],
        )
        for row in np.flatnonzero(sent & (self._cases.earlier_counts >= fewest)).tolist():
            tries, at = self._cases.earlier[row], int(self._cases.failed_at[row])
            if not self._is_within_limits(row, tries, at):
                self.fees[row] = excess_try_fee(self._rules, self._card_tries(row, tries, Failure()), at)

    def record_charges(self, rows: Integers, at: Integers) -> None:
        """Counts one more charge of each row; only the first MAX_CHARGES keep their time."""
        # Rows are distinct, so += on a fancy index adds one to each.
        count = self.charge_count[rows]
        known = count < MAX_CHARGES
        if known.all():
            self.charged_at[rows, count] = at
        else:
            self.charged_at[rows[known], count[known]] = at[known]
        self.charge_count[rows] = count + 1

    def switch_card(self, rows: Integers) -> None:
        """Starts the count of another card: nothing charged before counts for it."""
        self._before[rows] = 0
        self._since[rows] = self.charge_count[rows]

    def apply_limits(
        self, rows: Integers, failure: Integers, due: Integers, ends: Integers
    ) -> tuple[Integers, Integers]:
        """The rows whose plan a rule forbids, and when each may be charged instead; NEVER: not within the window."""
        # `lowest_limit` is the strictest rule of any date: whoever is below it is allowed without asking the rules.
        sent = self._features.reached_network[failure]
        own = np.where(sent, self.charge_count[rows] - self._since[rows], 0)
        tries = self._before[rows] + own
        stopped = self._features.forbids_retries[failure] & (tries > 0)
        moved, moments = [], []
        for place in np.flatnonzero((tries >= self._features.lowest_limit[failure]) | stopped).tolist():
            row, planned = int(rows[place]), int(due[place])
            counted = self._counted_tries(row, bool(sent[place]))
            # Ledger entries cost more than all else here: the rules get only those that they will forbid.
            if not stopped[place] and self._is_within_limits(row, counted, planned):
                continue
            card = self._card_tries(row, counted, self._features.failures[failure[place]].failure)
            if answer := limit_plan(self._rules, card, planned, int(ends[place])):
                self.blocked[row] += 1
                self.fees_avoided[row] += answer.fee
                moved.append(row)
                moments.append(NEVER if answer.at is None else answer.at)
        return np.array(moved, dtype=np.int64), np.array(moments, dtype=np.int64)

    def _is_within_limits(self, row: int, tries: Sequence[int], at: int) -> bool:
        return is_within_limits(self._features.limits_in_force(self._network_of(row), at // DAY), tries, at)

    def _counted_tries(self, row: int, sent: bool) -> tuple[int, ...]:
        own = tuple(self.charged_at[row, self._since[row] : self.charge_count[row]].tolist()) if sent else ()
        if self._before[row] == 0:
            return own
        opened = (int(self._cases.failed_at[row]),) if self._features.reached_network[self._cases.failure[row]] else ()
        return (*self._cases.earlier.get(row, ()), *opened, *own)

    def _card_tries(self, row: int, tries: tuple[int, ...], failure: Failure) -> CardTries:
        payer = self._cases.book.payers[self._cases.payer[row]]
        return CardTries(self._network_of(row), payer.amount, payer.currency, tries, failure)

    def _network_of(self, row: int) -> str | None:
        kind: FailureKind = self._cases.book.failures[self._cases.failure[row]]
        return kind.card.network
