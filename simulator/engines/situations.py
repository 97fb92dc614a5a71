"""Features of cases that don't depend on time: classification, segment, arm, fraud level; computed once per kind."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from core.card_networks.rules import ANY_NETWORK, AttemptOutcome, Credential, LedgerEntry, find_stop_reason
from core.classification.taxonomy import Classification
from core.fraud.assessment import assess_fraud
from core.payments import Card, Failure, FailureFacts, InvoiceStatus, InvoiceView
from core.planning.experiment_arms import assign_customer
from core.policy.experiments import Assignment
from core.recovery.network_ledger import NOT_SENT_OUTCOMES
from core.segmentation.rules import find_segment
from simulator.engines.arm import World
from simulator.engines.decision_table import FRAUD_LEVELS
from simulator.engines.live_records import customer_living_in, to_customer_profile, to_utc_datetime
from simulator.model.cases import Booleans, Codebook, FailureKind, Integers, Memo, Payer
from simulator.model.local_clocks import Location
from simulator.model.success_chances import CAUSE_INDEX

EPOCH: Final = date(1970, 1, 1)
NO_INVOICE: Final = InvoiceView(invoice_id="in_any", status=InvoiceStatus.OPEN)


class LimitLength(NamedTuple):
    """A network's limit: so many charges within so many seconds."""

    seconds: int
    allowed: int


@dataclass(frozen=True)
class CaseFeatures:
    """A codebook as one world classifies it. "By failure kind" means an array indexed by the failures below."""

    world: World
    book: Codebook
    new_method_code: str

    @cached_property
    def failures(self) -> tuple[FailureKind, ...]:
        """The book's failure kinds, followed by the declines of another card, one per card network and country."""
        others = (
            FailureKind(failure=Failure(code=self.new_method_code, network=card.network), card=card)
            for card in self._cards
        )
        return (*self.book.failures, *others)

    @cached_property
    def _cards(self) -> tuple[Card, ...]:
        """The distinct cards by network and country."""
        return tuple(dict.fromkeys(_without_fingerprint(one) for one in self.book.failures))

    @cached_property
    def another_method_kind(self) -> Integers:
        """By failure kind: the failure kind of a declined other card of the same network and country."""
        index = {card: len(self.book.failures) + number for number, card in enumerate(self._cards)}
        return np.array([index[_without_fingerprint(one)] for one in self.failures], dtype=np.int64)

    @cached_property
    def classifications(self) -> tuple[Classification, ...]:
        """The classifications that differ in what a decision uses: cause and requested wait."""
        return tuple(self._distinct_classifications.values())

    @cached_property
    def classification_index(self) -> Integers:
        """By failure kind: index into `classifications`."""
        index = {key: number for number, key in enumerate(self._distinct_classifications)}
        return np.array([index[_decision_key(one)] for one in self._all_classifications], dtype=np.int64)

    @cached_property
    def cause(self) -> Integers:
        """By failure kind: the true cause, whatever the policy's overrides say; index into `success_chances.CAUSES`."""
        truths = (self.world.true_cause(self.book.provider, one.failure, one.card) for one in self.failures)
        return np.array([CAUSE_INDEX[truth] for truth in truths], dtype=np.int64)

    @cached_property
    def _all_classifications(self) -> tuple[Classification, ...]:
        return tuple(self.world.classify_failure(self.book.provider, one.failure, one.card) for one in self.failures)

    @cached_property
    def _distinct_classifications(self) -> dict[tuple[object, ...], Classification]:
        # Reversed, so that of equal ones the first in the book stays.
        return {_decision_key(one): one for one in reversed(self._all_classifications)}

    @cached_property
    def reached_network(self) -> Booleans:
        """By failure kind: whether such a decline reached the card network and counts there."""
        kept = (
            one.failure.outcome in NOT_SENT_OUTCOMES or one.failure.network_status == "not_sent_to_network"
            for one in self.failures
        )
        return np.array([not one for one in kept], dtype=np.bool_)

    @cached_property
    def forbids_retries(self) -> Booleans:
        """By failure kind: whether the network forbids every further charge after it (a stop instruction)."""
        return np.array([_is_stop_instruction(self.world, one) for one in self.failures], dtype=np.bool_)

    @cached_property
    def lowest_limit(self) -> Integers:
        """By failure kind: the lowest number of charges that any rule of its network allows, of any effective date."""
        return np.array([_lowest_limit(self.world, one.card.network) for one in self.failures], dtype=np.int64)

    def limits_in_force(self, network: str | None, day: int) -> tuple[LimitLength, ...]:
        """The limits that the live rules apply to a network's cards on a day; `day` counts from 1970-01-01, UTC."""
        if (network, day) not in self._limits_by_day:
            found = self.world.merchant_rules.limits_in_force(network, EPOCH + timedelta(days=day))
            self._limits_by_day[network, day] = tuple(
                LimitLength(int(one.length.total_seconds()), one.allowed) for one in found
            )
        return self._limits_by_day[network, day]

    @cached_property
    def _limits_by_day(self) -> dict[tuple[str | None, int], tuple[LimitLength, ...]]:
        return {}

    @cached_property
    def arms(self) -> tuple[Assignment | None, ...]:
        """The distinct experiment arms assigned to customers; None: no experiment."""
        return tuple(dict.fromkeys(self._assignments))

    @cached_property
    def arm(self) -> Integers:
        """By invoice name: index into `arms`."""
        index = {one: number for number, one in enumerate(self.arms)}
        return np.array([index[one] for one in self._assignments], dtype=np.int64)

    @cached_property
    def _assignments(self) -> list[Assignment | None]:
        policy, provider = self.world.policy, self.book.provider
        if not policy.experiments:
            return [None] * len(self.book.names)
        return [assign_customer(policy, provider, customer) for customer in self.book.customers]

    def segment_index(self, failure: Integers, payer: Integers) -> Integers:
        """Index into the policy's segments, decided once per distinct payer and card country."""
        return self._segment_memo.look_up(payer * len(self._card_countries) + self._card_country_index[failure])

    @cached_property
    def _segment_memo(self) -> Memo:
        rules = self.world.policy.segments
        names = {one.name: number for number, one in enumerate(rules)}
        countries = list(self._card_countries)

        def decide_segment(pair: int) -> int:
            payer, country = self.book.payers[pair // len(countries)], countries[pair % len(countries)]
            return names[find_segment(to_customer_profile(payer, country), rules).name]

        return Memo(len(self.book.payers) * len(countries), decide_segment)

    @cached_property
    def _card_countries(self) -> dict[str | None, int]:
        found = dict.fromkeys(one.card.country for one in self.failures)
        return {country: number for number, country in enumerate(found)}

    @cached_property
    def _card_country_index(self) -> Integers:
        """By failure kind: index into the card countries."""
        return np.array([self._card_countries[one.card.country] for one in self.failures], dtype=np.int64)

    @cached_property
    def locations(self) -> tuple[Location, ...]:
        """The distinct customer locations that strategies see; the card's country stands in for an unknown one."""
        return self._location_table[0]

    @cached_property
    def _location_table(self) -> tuple[tuple[Location, ...], Integers]:
        """The distinct locations, and the index into them, shape (payers, card countries)."""
        table = [[_location_of(payer, country) for country in self._card_countries] for payer in self.book.payers]
        index = {spot: number for number, spot in enumerate(dict.fromkeys(spot for row in table for spot in row))}
        return tuple(index), np.array([[index[spot] for spot in row] for row in table], dtype=np.int64)

    def location_index(self, failure: Integers, payer: Integers) -> Integers:
        """Index into `locations`."""
        return np.asarray(self._location_table[1][payer, self._card_country_index[failure]])

    def fraud_levels(self, failure: Integers, payer: Integers) -> Integers:
        """The fraud level at the first decision: index into FRAUD_LEVELS."""
        homes, home = self._home_countries
        return self._fraud_level_memo.look_up(failure * len(homes) + home[payer])

    @cached_property
    def _home_countries(self) -> tuple[tuple[str | None, ...], Integers]:
        """The distinct countries of payers, and by payer the index into them."""
        homes = tuple(dict.fromkeys(one.country for one in self.book.payers))
        return homes, np.array([homes.index(one.country) for one in self.book.payers], dtype=np.int64)

    @cached_property
    def _fraud_level_memo(self) -> Memo:
        homes, _ = self._home_countries
        return Memo(
            len(self.failures) * len(homes),
            lambda pair: self._fraud_level(pair // len(homes), homes[pair % len(homes)]),
        )

    def _fraud_level(self, failure: int, home: str | None) -> int:
        one = self.failures[failure]
        facts = FailureFacts(
            invoice=NO_INVOICE, failure=one.failure, card=one.card, customer=customer_living_in(home), risk=one.risk
        )
        return FRAUD_LEVELS.index(
            assess_fraud(facts, self._all_classifications[failure], rules=self.world.policy.fraud).level
        )

    @cached_property
    def later_fraud_level(self) -> Integers:
        """By failure kind: the fraud level after a charge of ours, whose answer names neither customer nor risk."""
        facts = (FailureFacts(invoice=NO_INVOICE, failure=one.failure, card=one.card) for one in self.failures)
        found = (
            assess_fraud(one, known, rules=self.world.policy.fraud)
            for one, known in zip(facts, self._all_classifications, strict=True)
        )
        return np.array([FRAUD_LEVELS.index(one.level) for one in found], dtype=np.int64)


def _without_fingerprint(kind: FailureKind) -> Card:
    return Card(network=kind.card.network, country=kind.card.country)


def _location_of(payer: Payer, card_country: str | None) -> Location:
    return Location(payer.country or card_country, payer.time_zone, payer.currency)


def _decision_key(found: Classification) -> tuple[object, ...]:
    return found.cause, found.wait_seconds


def _is_stop_instruction(world: World, kind: FailureKind) -> bool:
    card = Credential(provider="simulated", recovery_id="any", fingerprint="card", network=kind.card.network)
    entry = LedgerEntry(
        recovery_id="any",
        key="any",
        provider="simulated",
        fingerprint="card",
        network=kind.card.network or kind.failure.network,
        amount=0,
        currency="",
        at=to_utc_datetime(0),
        trigger="any",
        outcome=AttemptOutcome.DECLINED,
        network_code=kind.failure.network_code,
        network_advice=kind.failure.network_advice,
    )
    return find_stop_reason(world.merchant_rules, card, [entry]) is not None


def _lowest_limit(world: World, network: str | None) -> int:
    limits = world.merchant_rules.limits
    mine = [one.allowed for one in limits if one.network == network]
    return min(mine or [one.allowed for one in limits if one.network == ANY_NETWORK], default=1 << 30)
