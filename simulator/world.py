"""What an arm decides with: the same tables, rules, strategies and policy as the live service."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import catalog
from core.classifier.classify import classify
from core.classifier.tables import Tables
from core.classifier.taxonomy import Cause, Classification
from core.payments import Card, Failure
from core.retry.decide import Means
from core.retry.network_rules import NetworkRules
from core.retry.policy import Policy, StrategyFactory, parse
from core.retry.strategies.experience import Statistics


@dataclass(frozen=True)
class World:
    """One policy with everything that carries it out."""

    name: str
    policy: Policy
    strategies: Mapping[str, StrategyFactory]
    codes: Mapping[str, str]
    """Each provider's decline table, CSV text."""
    rules: NetworkRules
    text: str = ""
    """Of the policy file."""
    statistics: Statistics = field(default_factory=Statistics)
    """What the adaptive strategy has learnt; nothing in a synthetic world."""

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process go the inputs; what is made of them is made again there."""
        return World, tuple(getattr(self, one.name) for one in fields(self))

    @cached_property
    def tables(self) -> Tables:
        """The tables of providers, networks and advice codes."""
        return catalog.tables(self.codes)

    @cached_property
    def means(self) -> Means:
        """At real speed."""
        return Means(policy=self.policy, strategies=self.strategies)

    @cached_property
    def lowered(self) -> NetworkRules:
        """The networks' rules with this merchant's own limits."""
        return self.rules.lowered(self.policy.network_limits)

    def classified(self, provider: str, failure: Failure, card: Card) -> Classification:
        """As the live activity does it."""
        return classify(_known(failure, card), self.tables, self.policy.overrides, provider=provider)

    def truth(self, provider: str, failure: Failure, card: Card) -> Cause:
        """What is really the matter: no policy changes what a bank means by its words."""
        return classify(_known(failure, card), self.tables, provider=provider).cause


def world_of(name: str, text: str, file: str, codes: Mapping[str, str]) -> World:
    """Everything that this policy is carried out with. Raises InvalidPolicy naming the file."""
    strategies, rules = catalog.strategies(), catalog.network_rules()
    return World(name, parse(text, file, strategies, rules.ceilings()), strategies, codes, rules, text)


def _known(failure: Failure, card: Card) -> Failure:
    """With the network that the card tells."""
    return failure.model_copy(update={"network": failure.network or card.network})
