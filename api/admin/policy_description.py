"""Describes a policy in words: segments, strategies, campaigns, limits and rules."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from api.admin.formatting import to_label
from core.base import Value
from core.classification.taxonomy import Cause
from core.durations import parse_duration
from core.errors import InvalidPolicy
from core.formatting import format_percent, spell_duration
from core.fraud.rules import FraudRules
from core.messages.campaigns import Campaign, CampaignStep, QuietHours
from core.policy.experiments import Arm, Experiment
from core.policy.policy import Policy, SegmentPolicy, StrategySpec
from core.segmentation.rules import Condition, ConditionOperator


class SegmentDescription(Value):
    """A segment and how its payments are recovered."""

    name: str
    who: str
    attempts: int
    window: str
    customer: str
    review: str
    campaign: str
    important: bool
    ladders: tuple[tuple[str, str], ...]
    """Pairs of causes and their strategy."""


class StrategyDescription(Value):
    """A strategy with its options in words."""

    name: str
    kind: str
    does: str


class CampaignDescription(Value):
    """A campaign: its channels, quiet hours and messages."""

    name: str
    channels: str
    quiet: str
    endings: str
    messages: tuple[tuple[str, tuple[str, ...]], ...]
    """Pairs of a cause and its messages, each with its time."""


class ExperimentDescription(Value):
    """An experiment and its arms."""

    name: str
    arms: tuple[tuple[str, str, str], ...]
    """Name, share, and differences from the policy."""


class PolicyDescription(Value):
    """A whole policy in words."""

    segments: tuple[SegmentDescription, ...]
    strategies: tuple[StrategyDescription, ...]
    campaigns: tuple[CampaignDescription, ...]
    cool_downs: tuple[tuple[str, str], ...]
    fraud: tuple[tuple[str, str], ...]
    overrides: tuple[tuple[str, str], ...]
    network_limits: tuple[tuple[str, str], ...]
    experiments: tuple[ExperimentDescription, ...]


def describe_policy(policy: Policy) -> PolicyDescription:
    """The policy in words, in the order of its file."""
    return PolicyDescription(
        segments=tuple(_describe_segment(one) for one in policy.segments),
        strategies=tuple(_describe_strategy(one) for one in (*policy.strategies.values(), policy.fallback)),
        campaigns=tuple(_describe_campaign(one) for one in policy.campaigns.values()),
        cool_downs=tuple((to_label(cause), spell_duration(wait)) for cause, wait in policy.cool_down_seconds.items()),
        fraud=tuple(_fraud_rows(policy.fraud)),
        overrides=tuple((code, to_label(cause)) for code, cause in policy.overrides.items()),
        network_limits=tuple((to_label(name), f"{count} tries") for name, count in policy.network_limits.items()),
        experiments=tuple(_describe_experiment(one) for one in policy.experiments),
    )


def _describe_segment(one: SegmentPolicy) -> SegmentDescription:
    return SegmentDescription(
        name=to_label(one.name),
        who=", and ".join(_describe_condition(each) for each in one.when) or "everybody else",
        attempts=one.attempts_allowed,
        window=_spell_days(one.window_days),
        customer=_spell_days(one.customer_deadline_days),
        review=_spell_days(one.review_deadline_days),
        campaign=to_label(one.campaign),
        important=one.important,
        ladders=tuple(_group_by_strategy(one.strategies)),
    )


def _group_by_strategy(strategies: Mapping[Cause, str]) -> Iterator[tuple[str, str]]:
    """Pairs of causes and strategy, with the causes that share a strategy in one pair."""
    for chosen in dict.fromkeys(strategies.values()):
        yield ", ".join(to_label(cause) for cause, used in strategies.items() if used == chosen), to_label(chosen)


def _describe_condition(one: Condition) -> str:
    what = _FIELD_LABELS.get(one.field, to_label(one.field).lower())
    if one.operator is ConditionOperator.ONE_OF:
        bound = one.bound if isinstance(one.bound, tuple) else (str(one.bound),)
        return f"{what} is {' or '.join(bound)}"
    words = "at least" if one.operator is ConditionOperator("min") else "at most"
    return f"{what} {words} {_format_quantity(one.field, one.bound)}"


_FIELD_LABELS: Final[Mapping[str, str]] = {
    "lifetime_value": "paid so far",
    "invoice_amount": "open now",
    "tenure_days": "customer for",
    "success_percent": "payments that went through",
    "successes": "successful payments",
    "failures": "failed payments",
}


def _format_quantity(field: str, bound: Any) -> str:
    if field.endswith("_percent"):
        return _format_whole_percent(bound)
    if field.endswith("_days"):
        return _spell_days(bound)
    return f"{bound:,} (minor units)" if field in {"lifetime_value", "invoice_amount"} else f"{bound:,}"


def _spell_days(count: int) -> str:
    return spell_duration(timedelta(days=count))


def _format_whole_percent(count: int) -> str:
    return format_percent(count / 100, 0)


def _describe_strategy(one: StrategySpec) -> StrategyDescription:
    options = ", ".join(_describe_option(name, value) for name, value in one.options.items())
    return StrategyDescription(name=to_label(one.name), kind=to_label(one.use), does=options or "its own defaults")


def _describe_option(name: str, value: Any) -> str:
    if name == "delays" and isinstance(value, list | tuple):
        return "waits " + ", then ".join(_format_length(one) for one in value)
    if name == "jitter_percent":
        return f"each up to {_format_whole_percent(value)} longer" if value else "exactly"
    return f"{to_label(name).lower()} {_format_length(value)}"


def _format_length(value: Any) -> str:
    try:
        return spell_duration(parse_duration(value)) if isinstance(value, str) else str(value)
    except InvalidPolicy:
        return str(value)


def _describe_campaign(one: Campaign) -> CampaignDescription:
    endings = [name for name, on in (("when recovered", one.recovered), ("when given up", one.ended)) if on]
    return CampaignDescription(
        name=to_label(one.name),
        channels=_join_names(one.channels),
        quiet=_format_quiet_hours(one.quiet),
        endings=_join_names(endings),
        messages=tuple(
            (to_label(cause), tuple(_describe_step(step) for step in steps)) for cause, steps in one.messages.items()
        ),
    )


def _describe_step(step: CampaignStep) -> str:
    if step.before_end_seconds is not None:
        when = f"{spell_duration(step.before_end_seconds)} before the end"
    else:
        when = f"after {spell_duration(step.after_seconds)}" if step.after_seconds else "at once"
    return f"{to_label(step.kind)} {when}, by {_join_names(step.channels)}"


def _format_quiet_hours(hours: QuietHours | None) -> str:
    if hours is None:
        return "none"
    begins, ends = (f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (hours.begins, hours.ends))
    return f"{begins} to {ends}, customer's time"


def _join_names(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _fraud_rows(rules: FraudRules) -> Iterator[tuple[str, str]]:
    looks_back = spell_duration(rules.window_seconds)
    yield "A person reviews from", f"{rules.review_at} points"
    yield "Blocked from", f"{rules.block_at} points"
    yield "Looks back", f"{looks_back}, for bursts {spell_duration(rules.burst_window_seconds)}"
    yield "Many cards of a customer from", str(rules.cards_of_customer)
    yield "Many customers on a card from", str(rules.customers_on_card)
    yield "A burst from", f"{rules.failures_in_burst} failures"
    if rules.provider_score_min is not None:
        yield "Provider's own score counts from", str(rules.provider_score_min)
    if rules.scorer:
        yield "Asked besides", f"{rules.scorer}, {rules.scorer_timeout_ms} ms at most"
    for signal, points in rules.scores.items():
        yield to_label(signal), f"{points} points"


def _describe_experiment(one: Experiment) -> ExperimentDescription:
    rest = 100 - one.holdout - sum(arm.share for arm in one.arms)
    untouched = [("Holdout", one.holdout, "as the policy says, counted for comparison")] if one.holdout else []
    arms = [(to_label(arm.name), arm.share, _describe_changes(arm)) for arm in one.arms]
    others = [("Not part of it", rest, "as the policy says")] if rest else []
    return ExperimentDescription(
        name=to_label(one.name),
        arms=tuple((name, _format_whole_percent(share), does) for name, share, does in (*untouched, *arms, *others)),
    )


def _describe_changes(arm: Arm) -> str:
    changes = [f"{to_label(name).lower()} {value}" for name, value in _changed_numbers(arm) if value is not None]
    changes += [f"{to_label(cause)}: {to_label(chosen)}" for cause, chosen in arm.strategies.items()]
    changes += [f"other rules for {to_label(name)}" for name in arm.segments]
    return "; ".join(changes) or "nothing"


def _changed_numbers(arm: Arm) -> Iterator[tuple[str, Any]]:
    yield "attempts_allowed", arm.attempts_allowed
    yield "window_days", arm.window_days
    yield "campaign", arm.campaign
