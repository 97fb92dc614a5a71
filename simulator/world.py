"""What an arm decides with: the same tables, rules, strategies and policy as the live service."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import catalog
from core.classifier.classify import classify
from core.classifier.tables import DeclineTables
from core.classifier.taxonomy import Cause, Classification
from core.payments import Card, Failure
from core.retry.decide import DecisionConfig
from core.retry.network_rules import NetworkRules
from core.retry.policy import Policy, StrategyFactory, parse_policy
from core.retry.strategies.experience import RetryStatistics


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
    statistics: RetryStatistics = field(default_factory=RetryStatistics)
    """What the adaptive strategy has learnt; nothing in a synthetic world."""

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process go the inputs; what is made of them is made again there."""
        return World, tuple(getattr(self, one.name) for one in fields(self))

    @cached_property
    def tables(self) -> DeclineTables:
        """The tables of providers, networks and advice codes."""
        return catalog.load_decline_tables(self.codes)

    @cached_property
    def decision_config(self) -> DecisionConfig:
        """At real speed."""
        return DecisionConfig(policy=self.policy, strategies=self.strategies)

    @cached_property
    def merchant_rules(self) -> NetworkRules:
        """The networks' rules with this merchant's own limits."""
        return self.rules.lower_limits(self.policy.network_limits)

    def classify_failure(self, provider: str, failure: Failure, card: Card) -> Classification:
        """As the live activity does it."""
        return classify(_with_card_network(failure, card), self.tables, self.policy.overrides, provider=provider)

    def true_cause(self, provider: str, failure: Failure, card: Card) -> Cause:
        """What is really the matter: no policy changes what a bank means by its words."""
        return classify(_with_card_network(failure, card), self.tables, provider=provider).cause


def build_world(name: str, text: str, file: str, codes: Mapping[str, str]) -> World:
    """Everything that this policy is carried out with. Raises InvalidPolicy naming the file."""
    strategies, rules = catalog.installed_strategies(), catalog.network_rules()
    return World(name, parse_policy(text, file, strategies, rules.limit_ceilings()), strategies, codes, rules, text)


def _with_card_network(failure: Failure, card: Card) -> Failure:
    """With the network that the card tells."""
    return failure.model_copy(update={"network": failure.network or card.network})
