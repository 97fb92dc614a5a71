"""What is decided of cases before anything depends on time: classification, segment, arm, suspicion; once per kind."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from core.classifier.taxonomy import Classification
from core.fraud.assess import assess
from core.payments import Card, Failure, FailureFacts, InvoiceStatus, InvoiceView
from core.retry.experiments import Assignment, assign
from core.retry.ledger import NOT_SENT
from core.retry.network_rules import ANY, Credential, LedgerEntry, Spent, stopped
from core.segmentation.segment import segment
from simulator.answers import LEVELS
from simulator.cases import Book, Booleans, FailureKind, Integers, Payer
from simulator.memo import Memo
from simulator.outcomes import CAUSE_INDEX
from simulator.places import Spot
from simulator.telling import card_customer, moment, profile_of_case
from simulator.world import World

NO_INVOICE: Final = InvoiceView(invoice_id="in_any", status=InvoiceStatus.OPEN)


@dataclass(frozen=True)
class Alike:
    """The book of one source as one world sees it. Failure kinds of another card come behind the book's own."""

    world: World
    book: Book
    new_method_code: str

    @cached_property
    def failures(self) -> tuple[FailureKind, ...]:
        """The book's, and behind them what another card, from the same network and country, is declined with."""
        others = (
            FailureKind(failure=Failure(code=self.new_method_code, network=card.network), card=card)
            for card in self._cards
        )
        return (*self.book.failures, *others)

    @cached_property
    def _cards(self) -> tuple[Card, ...]:
        """The distinct ones, as far as a decline looks at them."""
        return tuple(dict.fromkeys(_card(one) for one in self.book.failures))

    @cached_property
    def another(self) -> Integers:
        """By failure kind: the kind of another card's decline."""
        index = {card: len(self.book.failures) + number for number, card in enumerate(self._cards)}
        return np.array([index[_card(one)] for one in self.failures], dtype=np.int64)

    @cached_property
    def classifications(self) -> tuple[Classification, ...]:
        """The distinct ones, as far as a decision looks at them."""
        return tuple(self._distinct.values())

    @cached_property
    def kind(self) -> Integers:
        """By failure kind: index into `classifications`."""
        index = {key: number for number, key in enumerate(self._distinct)}
        return np.array([index[_matters(one)] for one in self._classified], dtype=np.int64)

    @cached_property
    def cause(self) -> Integers:
        """By failure kind: what is really the matter, whatever a policy calls it; index into `outcomes.CAUSES`."""
        truths = (self.world.truth(self.book.provider, one.failure, one.card) for one in self.failures)
        return np.array([CAUSE_INDEX[truth] for truth in truths], dtype=np.int64)

    @cached_property
    def _classified(self) -> tuple[Classification, ...]:
        return tuple(self.world.classified(self.book.provider, one.failure, one.card) for one in self.failures)

    @cached_property
    def _distinct(self) -> dict[tuple[object, ...], Classification]:
        return {_matters(one): one for one in reversed(self._classified)}

    @cached_property
    def sent(self) -> Booleans:
        """By failure kind: whether such a decline reached the network, and counts there."""
        kept = (
            one.failure.outcome in NOT_SENT or one.failure.network_status == "not_sent_to_network"
            for one in self.failures
        )
        return np.array([not one for one in kept], dtype=np.bool_)

    @cached_property
    def stopped(self) -> Booleans:
        """By failure kind: whether the network forbids every further try after it."""
        return np.array([_stops(self.world, one) for one in self.failures], dtype=np.bool_)

    @cached_property
    def fewest(self) -> Integers:
        """By failure kind: the least number of tries that any rule of its network, of any date, forbids to exceed."""
        return np.array([_fewest(self.world, one.card.network) for one in self.failures], dtype=np.int64)

    @cached_property
    def arms(self) -> tuple[Assignment | None, ...]:
        """Every arm that is dealt here."""
        return tuple(dict.fromkeys(self._dealt))

    @cached_property
    def arm(self) -> Integers:
        """By name: index into `arms`."""
        index = {one: number for number, one in enumerate(self.arms)}
        return np.array([index[one] for one in self._dealt], dtype=np.int64)

    @cached_property
    def _dealt(self) -> list[Assignment | None]:
        experiments, provider = self.world.policy.experiments, self.book.provider
        if not experiments:
            return [None] * len(self.book.names)
        return [assign(experiments, f"{provider}\n{customer}") for customer in self.book.customers]

    def segments(self, failure: Integers, payer: Integers) -> Integers:
        """Index into the policy's segments, each distinct customer asked about once."""
        return self._segments.of(payer * len(self._countries) + self._country[failure])

    @cached_property
    def _segments(self) -> Memo:
        rules = self.world.policy.segments
        names = {one.name: number for number, one in enumerate(rules)}
        countries = list(self._countries)

        def ask(pair: int) -> int:
            payer, country = self.book.payers[pair // len(countries)], countries[pair % len(countries)]
            return names[segment(profile_of_case(payer, country), rules).name]

        return Memo(len(self.book.payers) * len(countries), ask)

    @cached_property
    def _countries(self) -> dict[str | None, int]:
        found = dict.fromkeys(one.card.country for one in self.failures)
        return {country: number for number, country in enumerate(found)}

    @cached_property
    def _country(self) -> Integers:
        """By failure kind: index into the card countries."""
        return np.array([self._countries[one.card.country] for one in self.failures], dtype=np.int64)

    @cached_property
    def spots(self) -> tuple[Spot, ...]:
        """Where a strategy takes customers to live: where the card is from, if nothing else is known."""
        return self._spots[0]

    @cached_property
    def _spots(self) -> tuple[tuple[Spot, ...], Integers]:
        """The distinct ones, and the index into them by payer and card country."""
        table = [[_spot(payer, country) for country in self._countries] for payer in self.book.payers]
        index = {spot: number for number, spot in enumerate(dict.fromkeys(spot for row in table for spot in row))}
        return tuple(index), np.array([[index[spot] for spot in row] for row in table], dtype=np.int64)

    def spot(self, failure: Integers, payer: Integers) -> Integers:
        """Index into `spots`."""
        return np.asarray(self._spots[1][payer, self._country[failure]])

    def levels(self, failure: Integers, payer: Integers) -> Integers:
        """Suspicion at the first decision: index into LEVELS."""
        homes, home = self._homes
        return self._levels.of(failure * len(homes) + home[payer])

    @cached_property
    def _homes(self) -> tuple[tuple[str | None, ...], Integers]:
        """The countries that payers live in, and by payer the index into them."""
        homes = tuple(dict.fromkeys(one.country for one in self.book.payers))
        return homes, np.array([homes.index(one.country) for one in self.book.payers], dtype=np.int64)

    @cached_property
    def _levels(self) -> Memo:
        homes, _ = self._homes
        return Memo(
            len(self.failures) * len(homes), lambda pair: self._level(pair // len(homes), homes[pair % len(homes)])
        )

    def _level(self, failure: int, home: str | None) -> int:
        one = self.failures[failure]
        facts = FailureFacts(
            invoice=NO_INVOICE, failure=one.failure, card=one.card, customer=card_customer(home), risk=one.risk
        )
        return LEVELS.index(assess(facts, self._classified[failure], rules=self.world.policy.fraud).level)

    @cached_property
    def later_level(self) -> Integers:
        """By failure kind: suspicion after a charge of ours, whose answer says nothing of customer and risk."""
        facts = (FailureFacts(invoice=NO_INVOICE, failure=one.failure, card=one.card) for one in self.failures)
        found = (
            assess(one, known, rules=self.world.policy.fraud)
            for one, known in zip(facts, self._classified, strict=True)
        )
        return np.array([LEVELS.index(one.level) for one in found], dtype=np.int64)


def _card(kind: FailureKind) -> Card:
    return Card(network=kind.card.network, country=kind.card.country)


def _spot(payer: Payer, card_country: str | None) -> Spot:
    return Spot(payer.country or card_country, payer.time_zone, payer.currency)


def _matters(found: Classification) -> tuple[object, ...]:
    return found.cause, found.wait_seconds


def _stops(world: World, kind: FailureKind) -> bool:
    card = Credential(provider="simulated", recovery_id="any", fingerprint="card", network=kind.card.network)
    entry = LedgerEntry(
        recovery_id="any",
        key="any",
        provider="simulated",
        fingerprint="card",
        network=kind.card.network or kind.failure.network,
        amount=0,
        currency="",
        at=moment(0),
        trigger="any",
        outcome=Spent.DECLINED,
        network_code=kind.failure.network_code,
        network_advice=kind.failure.network_advice,
    )
    return stopped(world.lowered, card, [entry]) is not None


def _fewest(world: World, network: str | None) -> int:
    limits = world.lowered.limits
    mine = [one.allowed for one in limits if one.network == network]
    return min(mine or [one.allowed for one in limits if one.network == ANY], default=1 << 30)
