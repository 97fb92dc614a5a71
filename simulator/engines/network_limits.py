"""The card networks' rules over many plans: arrays find the few cards that are near a limit, the live code judges."""

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
from simulator.engines.situations import CaseFeatures
from simulator.model.cases import NEVER, Cases, Integers


class LimitedPlan(NamedTuple):
    """What the rules make of one plan."""

    at: int | None
    """When it may be instead; None: not within the window."""
    fee: int
    """Avoided, minor units."""


class CardTries(NamedTuple):
    """One card and its tries that count, seconds since 1970."""

    network: str | None
    amount: int
    currency: str
    tries: tuple[int, ...]
    failure: Failure
    """What its newest tries were answered with."""


def limit_plan(rules: NetworkRules, card: CardTries, planned: int, ends: int) -> LimitedPlan | None:
    """None where the plan is allowed."""
    credential, tries = _to_credential(card), _to_ledger_entries(card)
    verdict = check_attempt(rules, credential, tries, to_utc_datetime(planned))
    if verdict.is_allowed:
        return None
    free = find_free_moment(rules, credential, tries, to_utc_datetime(planned))
    fee = fee_of(rules, credential, verdict, to_utc_datetime(planned))
    at = int(free.timestamp()) if free else None
    return LimitedPlan(at if at is not None and at <= ends else None, fee.amount if fee else 0)


def excess_try_fee(rules: NetworkRules, card: CardTries, at: int) -> int:
    """What a try at that moment costs because it is one too many; `card` holds the earlier ones."""
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
    """As the ledger holds them; one answer is enough to tell what all of them were."""
    return tuple(
        LedgerEntry.model_construct(
            recovery_id="simulated",
            key=str(number),
            provider="simulated",
            fingerprint="card",
            network=card.network,
            amount=card.amount,
            currency=card.currency,
            at=to_utc_datetime(at),
            trigger=Trigger.PROVIDER.value,
            outcome=AttemptOutcome.DECLINED,
            network_code=card.failure.network_code if number == 0 else None,
            network_advice=card.failure.network_advice if number == 0 else None,
        )
        for number, at in enumerate(card.tries)
    )


class ChargeLedger:
    """Columns about charges, a row per case."""

    def __init__(self, world: World, features: CaseFeatures, cases: Cases) -> None:
        self._rules, self._features, self._cases = world.merchant_rules, features, cases
        count = len(cases)
        self.charge_count, self.blocked, self.fees, self.fees_avoided, self._since = (
            np.zeros(count, dtype=np.int64) for _ in range(5)
        )
        self.charged_at = np.full((count, MAX_CHARGES), NEVER, dtype=np.int64)
        self._before = np.where(features.reached_network[cases.failure], cases.earlier_counts + 1, cases.earlier_counts)
        """Tries of the card before ours: none of another one."""

    def add_opening_fees(self) -> None:
        """The provider's own try may have been one too many, which costs a fee whatever we do."""
        sent, fewest = (
            self._features.reached_network[self._cases.failure],
            self._features.lowest_limit[self._cases.failure],
        )
        for row in np.flatnonzero(sent & (self._cases.earlier_counts >= fewest)).tolist():
            card = self._card_tries(row, self._cases.earlier[row], Failure())
            self.fees[row] = excess_try_fee(self._rules, card, int(self._cases.failed_at[row]))

    def record_charges(self, rows: Integers, at: Integers) -> None:
        """One more try of each."""
        known = self.charge_count[rows] < MAX_CHARGES
        self.charged_at[rows[known], self.charge_count[rows[known]]] = at[known]
        self.charge_count[rows] += 1

    def switch_card(self, rows: Integers) -> None:
        """Nothing that was tried before counts for it."""
        self._before[rows] = 0
        self._since[rows] = self.charge_count[rows]

    def apply_limits(
        self, rows: Integers, failure: Integers, due: Integers, ends: Integers
    ) -> tuple[Integers, Integers]:
        """The rows whose plan a rule forbids, and when they may be charged instead, NEVER within the window."""
        own = np.where(self._features.reached_network[failure], self.charge_count[rows] - self._since[rows], 0)
        tries = self._before[rows] + own
        near = (tries >= self._features.lowest_limit[failure]) | (self._features.forbids_retries[failure] & (tries > 0))
        moved, moments = [], []
        for place in np.flatnonzero(near).tolist():
            row = int(rows[place])
            kind = self._features.failures[failure[place]]
            card = self._card_tries(
                row, self._counted_tries(row, bool(self._features.reached_network[failure[place]])), kind.failure
            )
            if answer := limit_plan(self._rules, card, int(due[place]), int(ends[place])):
                self.blocked[row] += 1
                self.fees_avoided[row] += answer.fee
                moved.append(row)
                moments.append(NEVER if answer.at is None else answer.at)
        return np.array(moved, dtype=np.int64), np.array(moments, dtype=np.int64)

    def _counted_tries(self, row: int, sent: bool) -> tuple[int, ...]:
        own = tuple(self.charged_at[row, self._since[row] : self.charge_count[row]].tolist()) if sent else ()
        if self._before[row] == 0:
            return own
        opened = (int(self._cases.failed_at[row]),) if self._features.reached_network[self._cases.failure[row]] else ()
        return (*self._cases.earlier.get(row, ()), *opened, *own)

    def _card_tries(self, row: int, tries: tuple[int, ...], failure: Failure) -> CardTries:
        payer = self._cases.book.payers[self._cases.payer[row]]
        network = self._cases.book.failures[self._cases.failure[row]].card.network
        return CardTries(network, payer.amount, payer.currency, tries, failure)
