"""What a decision is made from, and what it is made with."""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property

from core.base import Value
from core.calendar import Calendar
from core.card_networks.rules import LedgerEntry, NetworkRules
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Classification
from core.durations import TimeScale
from core.fraud.assessment import FraudAssessment
from core.payments import FailureFacts
from core.policy.experiments import Assignment
from core.policy.policy import Policy, StrategyFactory
from core.recovery.state import Recovery
from core.segmentation.rules import Segment
from core.strategies.experience import Experience


class DecisionInput(Value):
    """Everything that a decision is made from; with an ArmConfig it determines the rows."""

    recovery: Recovery
    facts: FailureFacts
    classification: Classification
    segment: Segment
    assessment: FraudAssessment
    now: datetime
    calendar: Calendar | None = None
    """The customer's calendar over the retry window, if the strategy needs it."""
    experience: Experience | None = None
    """Results of earlier retries, if the strategy needs them."""
    attempts: tuple[LedgerEntry, ...] = ()
    """Earlier attempts on the failed card that the card networks count."""
    customer_clock: Calendar = Calendar()
    """The customer's local time, for the quiet hours of messages; UTC where nobody looked it up."""


class DecisionConfig(Value):
    """Policy, strategies, decline tables and network rules that decisions are made with."""

    policy: Policy
    strategies: Mapping[str, StrategyFactory]
    tables: DeclineTables
    network_rules: NetworkRules
    """The networks' own limits, before the merchant's lower ones."""
    channels: frozenset[str] = frozenset()
    """Channels that messages to customers can be sent over here."""
    time_scale: TimeScale = TimeScale()

    @cached_property
    def merchant_rules(self) -> NetworkRules:
        """The networks' limits, lowered where the merchant's policy asks for it."""
        return self.network_rules.lower_limits(self.policy.network_limits)

    @cached_property
    def arm_configs(self) -> dict[Assignment | None, "ArmConfig"]:
        """The configs of the arms that were asked for, which `experiment_arms` makes once each."""
        return {}


class ArmConfig(DecisionConfig):
    """The config of one recovery: its policy has the changes of the recovery's experiment arm in it."""

    assignment: Assignment | None = None
    """The arm; None outside of every experiment."""
