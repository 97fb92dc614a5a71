"""The retry policy: a typed, frozen view of `policies.toml`, known by a hash of its text."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import cached_property, partial
from typing import Any

from core.approvals import OperatorRules
from core.base import Value
from core.classifier.taxonomy import Cause, Next
from core.errors import InvalidPolicy
from core.fraud.rules import FraudRules
from core.messages.campaign import Campaign
from core.retry.duration import seconds
from core.retry.experiments import Experiment
from core.retry.policy_campaigns import campaigns
from core.retry.policy_experiments import experiments
from core.retry.policy_fraud import fraud_rules
from core.retry.policy_schema import PolicyTable, PolicyText, SegmentTable
from core.retry.scope import WIDEST, ScopeRules
from core.retry.strategies.base import RetryStrategy
from core.retry.strategies.fixed_ladder import FixedLadder
from core.segmentation.segment import DEFAULT_SEGMENT, NUMBERS, TEXTS, Condition, Operator, SegmentRule

DEFAULT_CAMPAIGN = "default"
StrategyFactory = Callable[..., RetryStrategy]
"""Makes a strategy from the settings of its table; raises InvalidPolicy where they don't fit."""


class StrategySpec(Value):
    """A strategy as the file describes it."""

    name: str
    use: str
    """The registered name of the class."""
    options: Mapping[str, Any] = {}

    @cached_property
    def written(self) -> Mapping[str, str]:
        """As a row of the log keeps it: settings as JSON text, since a plug-in's may hold what a row can't."""
        options = json.dumps(dict(self.options), sort_keys=True, default=str)
        return {"name": self.name, "use": self.use, "options": options}

    def build(self, strategies: Mapping[str, StrategyFactory]) -> RetryStrategy:
        """The strategy itself. Raises InvalidPolicy, whatever the plug-in raises."""
        if self.use not in strategies:
            raise InvalidPolicy(f"no strategy is installed as {self.use!r}; there are {', '.join(sorted(strategies))}")
        try:
            return strategies[self.use](**self.options)
        except InvalidPolicy:
            raise
        except Exception as error:  # a plug-in may raise anything
            raise InvalidPolicy(f"{self.use} does not take these settings: {error}") from error


class SegmentPolicy(SegmentRule):
    """A segment's rule and how its recoveries are run."""

    attempts_allowed: int
    """Scheduled retries at most."""
    window_days: int
    """No retry later than this after the first failure."""
    customer_deadline_days: int
    review_deadline_days: int
    campaign: str = DEFAULT_CAMPAIGN
    """The name of the messages that its customers get."""
    important: bool = False
    """Whether operators hear of it when such a recovery fails."""
    strategies: Mapping[Cause, str]
    """By cause; one that is missing is never retried by itself."""

    @property
    def window(self) -> timedelta:
        """`window_days`, at real speed."""
        return timedelta(days=self.window_days)


class Policy(Value):
    """One version of the policy file."""

    name: str
    """The file."""
    version: str
    """The first 12 hex digits of the SHA-256 of its text."""
    segments: tuple[SegmentPolicy, ...]
    strategies: Mapping[str, StrategySpec]
    fallback: StrategySpec
    """A fixed ladder that surely works."""
    cool_down_seconds: Mapping[Cause, int]
    overrides: Mapping[str, Cause]
    """By `provider.code` or `network.code` in lower case."""
    network_limits: Mapping[str, int] = {}
    """The merchant's own limits, by the name of the network's rule; never above it."""

    fraud: FraudRules = FraudRules()
    experiments: tuple[Experiment, ...] = ()
    campaigns: Mapping[str, Campaign] = {}
    operators: OperatorRules = OperatorRules()
    scope: ScopeRules = ScopeRules()

    def segment_named(self, name: str) -> SegmentPolicy:
        """That segment; the default one where this version doesn't have it."""
        return next((one for one in self.segments if one.name == name), self.segments[-1])

    def strategy_for(self, segment: str, cause: Cause) -> StrategySpec | None:
        """The strategy for failures of this cause; None where they are never retried by themselves."""
        chosen = self.segment_named(segment).strategies.get(cause)
        return self.strategies[chosen] if chosen else None


def parse(
    text: str,
    name: str,
    strategies: Mapping[str, StrategyFactory] | None = None,
    ceilings: Mapping[str, int] | None = None,
) -> Policy:
    """The policy in this text. With `strategies` each one is also made once, so that wrong settings show now; with
    `ceilings`, the networks' own limits by name, `[network_limits]` is held against them.

    Raises InvalidPolicy with file, line, key and what is wrong.
    """
    file = PolicyText(text, name)
    table = file.read()
    policy = Policy(
        name=name,
        version=hashlib.sha256(text.encode()).hexdigest()[:12],
        segments=tuple(_segments(file, table)),
        strategies=_strategies(table),
        fallback=_fallback(file, table),
        cool_down_seconds={cause: _length(file, cause, text) for cause, text in table.cool_down.items()},
        overrides=dict(_overrides(file, table.overrides)),
        network_limits=_network_limits(file, table, ceilings),
        fraud=fraud_rules(file, table.fraud),
        experiments=tuple(experiments(file, table, partial(_usable, file, table))),
        campaigns=campaigns(file, table),
        operators=OperatorRules(**table.operators.model_dump()),
        scope=_scope(table),
    )
    for spec in policy.strategies.values() if strategies is not None else ():
        _try(file, spec, strategies or {})
    return policy


def _scope(table: PolicyTable) -> ScopeRules:
    """The window that counts for age is the widest of all segments: which one a customer is in is decided later."""
    widest = max((one.window_days for one in table.segments if one.window_days), default=WIDEST.days)
    return ScopeRules(
        take=frozenset(table.scope.take),
        paused=table.scope.paused,
        ending=table.scope.ending,
        uncollectible=table.scope.uncollectible,
        attached=table.methods.attached,
        oldest=timedelta(days=widest),
    )


def _network_limits(file: PolicyText, table: PolicyTable, ceilings: Mapping[str, int] | None) -> dict[str, int]:
    for name, wanted in table.network_limits.items() if ceilings is not None else ():
        path, ceiling = ("network_limits", name), (ceilings or {}).get(name)
        if ceiling is None:
            raise file.error(path, f"there is no such rule of a network; there are {', '.join(ceilings or ())}")
        if wanted > ceiling:
            raise file.error(path, f"{wanted} is above the network's own limit of {ceiling}, which can only be lowered")
    return dict(table.network_limits)


def _strategies(table: PolicyTable) -> dict[str, StrategySpec]:
    found = table.strategies.items()
    return {name: StrategySpec(name=name, use=one.use, options=one.model_extra or {}) for name, one in found}


def _fallback(file: PolicyText, table: PolicyTable) -> StrategySpec:
    options = table.fallback.model_dump()
    try:
        FixedLadder(**options)
    except InvalidPolicy as error:
        raise file.error(("fallback",), str(error)) from error
    return StrategySpec(name="fallback", use="fixed_ladder", options=options)


def _try(file: PolicyText, spec: StrategySpec, strategies: Mapping[str, StrategyFactory]) -> None:
    try:
        spec.build(strategies)
    except InvalidPolicy as error:
        raise file.error(("strategies", spec.name), str(error)) from error


def _length(file: PolicyText, cause: Cause, text: str) -> int:
    try:
        return seconds(text)
    except InvalidPolicy as error:
        raise file.error(("cool_down", cause.value), str(error)) from error


def _overrides(file: PolicyText, table: Mapping[str, Any]) -> Iterator[tuple[str, Cause]]:
    """Pairs of `whose.code` and cause; a bare `stripe.code = …` is a nested table to TOML and means the same."""
    for key, value in table.items():
        inner = {f"{key}.{code}": cause for code, cause in value.items()} if isinstance(value, dict) else {key: value}
        for name, cause in inner.items():
            if not all(name.partition(".")):
                raise file.error(("overrides", name), 'write the key as "provider.code"')
            if not isinstance(cause, str) or cause not in set(Cause):
                raise file.error(("overrides", name), f"{cause!r} is no cause; there are {', '.join(Cause)}")
            yield name.lower(), Cause(cause)


def _segments(file: PolicyText, table: PolicyTable) -> Iterator[SegmentPolicy]:
    names = [one.name for one in table.segments]
    default = table.segments[-1]
    if default.name != DEFAULT_SEGMENT or default.when:
        raise file.error(("segments", len(names) - 1), "the last segment must be `default`, without conditions")
    for index, one in enumerate(table.segments):
        if one.name in names[:index]:
            raise file.error(("segments", index, "name"), f"{one.name!r} is there twice")
        if one is not default and not one.when:
            raise file.error(("segments", index, "when"), "only `default` may be without conditions")
        yield _segment(file, table, index)


def _segment(file: PolicyText, table: PolicyTable, index: int) -> SegmentPolicy:
    own, default = table.segments[index], table.segments[-1]
    strategies = {**default.strategies, **own.strategies}
    for cause, chosen in own.strategies.items():
        _usable(file, table, ("segments", index, "strategies", cause.value), cause, chosen)
    return SegmentPolicy(
        name=own.name,
        when=tuple(_condition(file, index, key, bound) for key, bound in own.when.items()),
        strategies=strategies,
        campaign=own.campaign or default.campaign or DEFAULT_CAMPAIGN,
        important=bool(default.important if own.important is None else own.important),
        **{key: _number(file, own, table, key) for key in _NUMBERS},
    )


_NUMBERS = ("attempts_allowed", "window_days", "customer_deadline_days", "review_deadline_days")

_RETRIED = frozenset({Next.RETRY, Next.COOL_DOWN, Next.RECONCILE})


def _usable(file: PolicyText, table: PolicyTable, path: tuple[str | int, ...], cause: Cause, chosen: str) -> None:
    if cause.next not in _RETRIED:
        raise file.error(path, f"a failure of cause {cause} is never retried with the same method")
    if chosen not in table.strategies:
        raise file.error(path, f"there is no [strategies.{chosen}]")


def _number(file: PolicyText, own: SegmentTable, table: PolicyTable, key: str) -> int:
    values = (getattr(own, key), getattr(table.segments[-1], key))
    value = next((one for one in values if one is not None), None)
    if value is None:
        raise file.error(("segments", len(table.segments) - 1, key), "the default segment must say it")
    return int(value)


def _condition(file: PolicyText, index: int, key: str, bound: Any) -> Condition:
    path = ("segments", index, "when", key)
    field, _, ending = key.rpartition("_")
    if ending not in set(Operator) or field not in (TEXTS if ending == Operator.ONE_OF else NUMBERS):
        raise file.error(path, "no such condition; a field of the profile with _min, _max or _in is needed")
    if ending == Operator.ONE_OF:
        return Condition(field=field, operator=Operator.ONE_OF, bound=_texts(file, path, bound))
    if type(bound) is not int:
        raise file.error(path, "a whole number is needed")
    return Condition(field=field, operator=Operator(ending), bound=bound)


def _texts(file: PolicyText, path: tuple[str | int, ...], bound: Any) -> tuple[str, ...]:
    if not isinstance(bound, list) or not bound or not all(isinstance(one, str) for one in bound):
        raise file.error(path, "a list of texts is needed")
    return tuple(one.upper() for one in bound)
