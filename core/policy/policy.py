"""The retry policy: a typed, frozen view of `policies.toml`, whose version is a hash of its text."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import cached_property, partial
from typing import Any

from core.base import Value
from core.classification.taxonomy import Cause, NextAction
from core.durations import parse_duration
from core.errors import InvalidPolicy
from core.fraud.rules import FraudRules
from core.messages.campaigns import Campaign
from core.operators import OperatorRules
from core.policy.campaigns import parse_campaigns
from core.policy.experiments import Experiment, parse_experiments
from core.policy.schema import PolicyTable, PolicyText, SegmentTable, parse_fraud_rules
from core.policy.scope import MAX_SCOPE_WINDOW, ScopeRules
from core.segmentation.rules import (
    DEFAULT_SEGMENT,
    NUMBER_FIELDS,
    TEXT_FIELDS,
    Condition,
    ConditionOperator,
    SegmentRule,
)
from core.strategies.base import RetryStrategy
from core.strategies.fixed_ladder import FixedLadder

DEFAULT_CAMPAIGN = "default"
StrategyFactory = Callable[..., RetryStrategy]
"""Builds a strategy from the settings of its table; raises InvalidPolicy if these are wrong."""


class StrategySpec(Value):
    """A strategy as the policy file describes it."""

    name: str
    use: str
    """The registered name of the class."""
    options: Mapping[str, Any] = {}

    @cached_property
    def recorded_form(self) -> Mapping[str, str]:
        """The strategy as the event log keeps it: settings as JSON text, since a plug-in's may hold floats or dates."""
        options = json.dumps(dict(self.options), sort_keys=True, default=str)
        return {"name": self.name, "use": self.use, "options": options}

    def build_strategy(self, strategies: Mapping[str, StrategyFactory]) -> RetryStrategy:
        """The strategy, built anew. Raises InvalidPolicy if it isn't installed, or its constructor raises anything."""
        if self.use not in strategies:
            raise InvalidPolicy(f"no strategy is installed as {self.use!r}; there are {', '.join(sorted(strategies))}")
        try:
            return strategies[self.use](**self.options)
        except InvalidPolicy:
            raise
        except Exception as error:  # a plug-in may raise anything
            raise InvalidPolicy(f"{self.use} does not take these settings: {error}") from error


class SegmentPolicy(SegmentRule):
    """A segment's rule, and the settings of its recoveries."""

    attempts_allowed: int
    """The largest number of scheduled retries."""
    window_days: int
    """Days after the first failure within which retries are allowed."""
    customer_deadline_days: int
    review_deadline_days: int
    campaign: str = DEFAULT_CAMPAIGN
    """The name of the campaign whose messages its customers get."""
    important: bool = False
    """Whether operators get a notice when such a recovery ends without the money."""
    strategies: Mapping[Cause, str]
    """Name of the strategy by cause; a cause without one has no scheduled retries."""

    @cached_property
    def window(self) -> timedelta:
        """`window_days` without time scale."""
        return timedelta(days=self.window_days)


class Policy(Value):
    """One version of the policy file."""

    name: str
    """The file's name."""
    version: str
    """The first 12 hex digits of the SHA-256 of its text."""
    segments: tuple[SegmentPolicy, ...]
    strategies: Mapping[str, StrategySpec]
    fallback: StrategySpec
    """The fixed ladder that plans a retry if a strategy raises or returns something invalid."""
    cool_down_seconds: Mapping[Cause, int]
    overrides: Mapping[str, Cause]
    """The merchant's own causes, by `provider.code` or `network.code` in lower case."""
    network_limits: Mapping[str, int] = {}
    """The merchant's own limits, by the name of the network's rule; never above the network's."""

    fraud: FraudRules = FraudRules()
    experiments: tuple[Experiment, ...] = ()
    campaigns: Mapping[str, Campaign] = {}
    operators: OperatorRules = OperatorRules()
    scope: ScopeRules = ScopeRules()

    def segment_named(self, name: str) -> SegmentPolicy:
        """The segment of this name; the default one if this version doesn't have it."""
        return self._segments_by_name.get(name) or self.segments[-1]

    @cached_property
    def _segments_by_name(self) -> Mapping[str, SegmentPolicy]:
        # Reversed, so that of two of one name the first stays.
        return {one.name: one for one in reversed(self.segments)}

    def strategy_for(self, segment: str, cause: Cause) -> StrategySpec | None:
        """The strategy for failures of this cause; None if they have no scheduled retries."""
        chosen = self.segment_named(segment).strategies.get(cause)
        return self.strategies[chosen] if chosen else None


def parse_policy(
    text: str,
    name: str,
    strategies: Mapping[str, StrategyFactory] | None = None,
    ceilings: Mapping[str, int] | None = None,
) -> Policy:
    """The policy in this text; `name` is the file's name, for errors.

    With `strategies` each strategy is built once, so that wrong settings are found now. With `ceilings`, the networks'
    own limits by name, `[network_limits]` may not exceed them. Raises InvalidPolicy with file, line, key and problem.
    """
    file = PolicyText(text, name)
    table = file.read_table()
    policy = Policy(
        name=name,
        # Of the whole text, comments included: a recorded decision names the file that made it.
        version=hashlib.sha256(text.encode()).hexdigest()[:12],
        segments=tuple(_parse_segments(file, table)),
        strategies=_build_strategy_specs(table),
        fallback=_build_fallback(file, table),
        cool_down_seconds={cause: _parse_cool_down(file, cause, text) for cause, text in table.cool_down.items()},
        overrides=dict(_parse_overrides(file, table.overrides)),
        network_limits=_check_network_limits(file, table, ceilings),
        fraud=parse_fraud_rules(file, table.fraud),
        experiments=tuple(parse_experiments(file, table, partial(_check_usable, file, table))),
        campaigns=parse_campaigns(file, table),
        operators=OperatorRules(**table.operators.model_dump()),
        scope=_build_scope_rules(table),
    )
    for spec in policy.strategies.values() if strategies is not None else ():
        _check_settings(file, spec, strategies or {})
    return policy


def _build_scope_rules(table: PolicyTable) -> ScopeRules:
    """The `[scope]` and `[methods]` tables; invoices are too old beyond the longest window of all segments."""
    # The longest one, since the customer's segment is only decided after the invoice was taken.
    widest = max((one.window_days for one in table.segments if one.window_days), default=MAX_SCOPE_WINDOW.days)
    return ScopeRules(
        take=frozenset(table.scope.take),
        paused=table.scope.paused,
        ending=table.scope.ending,
        uncollectible=table.scope.uncollectible,
        attached=table.methods.attached,
        oldest=timedelta(days=widest),
    )


def _check_network_limits(file: PolicyText, table: PolicyTable, ceilings: Mapping[str, int] | None) -> dict[str, int]:
    for name, wanted in table.network_limits.items() if ceilings is not None else ():
        path, ceiling = ("network_limits", name), (ceilings or {}).get(name)
        if ceiling is None:
            raise file.error_at(path, f"there is no such rule of a network; there are {', '.join(ceilings or ())}")
        if wanted > ceiling:
            raise file.error_at(
                path, f"{wanted} is above the network's own limit of {ceiling}, which can only be lowered"
            )
    return dict(table.network_limits)


def _build_strategy_specs(table: PolicyTable) -> dict[str, StrategySpec]:
    found = table.strategies.items()
    return {name: StrategySpec(name=name, use=one.use, options=one.model_extra or {}) for name, one in found}


def _build_fallback(file: PolicyText, table: PolicyTable) -> StrategySpec:
    options = table.fallback.model_dump()
    # Built once now: when the fallback is needed, it must not fail itself.
    try:
        FixedLadder(**options)
    except InvalidPolicy as error:
        raise file.error_at(("fallback",), str(error)) from error
    return StrategySpec(name="fallback", use="fixed_ladder", options=options)


def _check_settings(file: PolicyText, spec: StrategySpec, strategies: Mapping[str, StrategyFactory]) -> None:
    try:
        spec.build_strategy(strategies)
    except InvalidPolicy as error:
        raise file.error_at(("strategies", spec.name), str(error)) from error


def _parse_cool_down(file: PolicyText, cause: Cause, text: str) -> int:
    try:
        return parse_duration(text)
    except InvalidPolicy as error:
        raise file.error_at(("cool_down", cause.value), str(error)) from error


def _parse_overrides(file: PolicyText, table: Mapping[str, Any]) -> Iterator[tuple[str, Cause]]:
    """Pairs of `provider.code` and cause. Raises InvalidPolicy for another key or an unknown cause."""
    # An unquoted `stripe.code = …` is a nested table to TOML; it means the same as the quoted key.
    for key, value in table.items():
        inner = {f"{key}.{code}": cause for code, cause in value.items()} if isinstance(value, dict) else {key: value}
        for name, cause in inner.items():
            if not all(name.partition(".")):
                raise file.error_at(("overrides", name), 'write the key as "provider.code"')
            if not isinstance(cause, str) or cause not in set(Cause):
                raise file.error_at(("overrides", name), f"{cause!r} is no cause; there are {', '.join(Cause)}")
            yield name.lower(), Cause(cause)


def _parse_segments(file: PolicyText, table: PolicyTable) -> Iterator[SegmentPolicy]:
    default = table.segments[-1]
    if default.name != DEFAULT_SEGMENT or default.when:
        raise file.error_at(
            ("segments", len(table.segments) - 1), "the last segment must be `default`, without conditions"
        )
    seen: set[str] = set()
    for index, one in enumerate(table.segments):
        if one.name in seen:
            raise file.error_at(("segments", index, "name"), f"{one.name!r} is there twice")
        seen.add(one.name)
        if one is not default and not one.when:
            raise file.error_at(("segments", index, "when"), "only `default` may be without conditions")
        yield _parse_segment(file, table, index)


def _parse_segment(file: PolicyText, table: PolicyTable, index: int) -> SegmentPolicy:
    own, default = table.segments[index], table.segments[-1]
    strategies = {**default.strategies, **own.strategies}
    for cause, chosen in own.strategies.items():
        _check_usable(file, table, ("segments", index, "strategies", cause.value), cause, chosen)
    return SegmentPolicy(
        name=own.name,
        when=tuple(_parse_condition(file, index, key, bound) for key, bound in own.when.items()),
        strategies=strategies,
        campaign=own.campaign or default.campaign or DEFAULT_CAMPAIGN,
        important=bool(default.important if own.important is None else own.important),
        **{key: _inherited_number(file, own, table, key) for key in _INHERITED_NUMBERS},
    )


_INHERITED_NUMBERS = ("attempts_allowed", "window_days", "customer_deadline_days", "review_deadline_days")

_RETRYING_ACTIONS = frozenset({NextAction.RETRY, NextAction.COOL_DOWN, NextAction.RECONCILE})


def _check_usable(file: PolicyText, table: PolicyTable, path: tuple[str | int, ...], cause: Cause, chosen: str) -> None:
    if cause.next_action not in _RETRYING_ACTIONS:
        raise file.error_at(path, f"a failure of cause {cause} is never retried with the same method")
    if chosen not in table.strategies:
        raise file.error_at(path, f"there is no [strategies.{chosen}]")


def _inherited_number(file: PolicyText, own: SegmentTable, table: PolicyTable, key: str) -> int:
    values = (getattr(own, key), getattr(table.segments[-1], key))
    value = next((one for one in values if one is not None), None)
    if value is None:
        raise file.error_at(("segments", len(table.segments) - 1, key), "the default segment must say it")
    return int(value)


def _parse_condition(file: PolicyText, index: int, key: str, bound: Any) -> Condition:
    path = ("segments", index, "when", key)
    field, _, ending = key.rpartition("_")
    if ending not in set(ConditionOperator) or field not in (
        TEXT_FIELDS if ending == ConditionOperator.ONE_OF else NUMBER_FIELDS
    ):
        raise file.error_at(path, "no such condition; a field of the profile with _min, _max or _in is needed")
    if ending == ConditionOperator.ONE_OF:
        return Condition(field=field, operator=ConditionOperator.ONE_OF, bound=_check_texts(file, path, bound))
    if type(bound) is not int:
        raise file.error_at(path, "a whole number is needed")
    return Condition(field=field, operator=ConditionOperator(ending), bound=bound)


def _check_texts(file: PolicyText, path: tuple[str | int, ...], bound: Any) -> tuple[str, ...]:
    if not isinstance(bound, list) or not bound or not all(isinstance(one, str) for one in bound):
        raise file.error_at(path, "a list of texts is needed")
    return tuple(one.upper() for one in bound)
