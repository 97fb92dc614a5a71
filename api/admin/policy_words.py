"""A policy as people read it: segments, ladders, messages, limits and rules instead of keys."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from api.admin.words import label, span
from core.base import Value
from core.classifier.taxonomy import Cause
from core.errors import InvalidPolicy
from core.fraud.rules import FraudRules
from core.messages.campaign import Campaign, CampaignStep, QuietHours
from core.retry.duration import parse_duration
from core.retry.experiments import Arm, Experiment
from core.retry.policy import Policy, SegmentPolicy, StrategySpec
from core.segmentation.segment import Condition, ConditionOperator


class SegmentTold(Value):
    """One kind of customer and how their payments are won back."""

    name: str
    who: str
    attempts: int
    window: str
    customer: str
    review: str
    campaign: str
    important: bool
    ladders: tuple[tuple[str, str], ...]
    """Pairs of causes and the strategy for them."""


class StrategyTold(Value):
    """One strategy."""

    name: str
    kind: str
    does: str


class CampaignTold(Value):
    """The messages of some segments."""

    name: str
    channels: str
    quiet: str
    endings: str
    messages: tuple[tuple[str, tuple[str, ...]], ...]
    """Pairs of a cause and what is sent, when."""


class ExperimentTold(Value):
    """Who is treated differently."""

    name: str
    arms: tuple[tuple[str, str, str], ...]
    """Name, share and what it does differently."""


class PolicyTold(Value):
    """All of it."""

    segments: tuple[SegmentTold, ...]
    strategies: tuple[StrategyTold, ...]
    campaigns: tuple[CampaignTold, ...]
    cool_downs: tuple[tuple[str, str], ...]
    fraud: tuple[tuple[str, str], ...]
    overrides: tuple[tuple[str, str], ...]
    network_limits: tuple[tuple[str, str], ...]
    experiments: tuple[ExperimentTold, ...]


def told(policy: Policy) -> PolicyTold:
    """The policy in words."""
    return PolicyTold(
        segments=tuple(_segment(one) for one in policy.segments),
        strategies=tuple(_strategy(one) for one in (*policy.strategies.values(), policy.fallback)),
        campaigns=tuple(_campaign(one) for one in policy.campaigns.values()),
        cool_downs=tuple((label(cause), span(wait)) for cause, wait in policy.cool_down_seconds.items()),
        fraud=tuple(_fraud(policy.fraud)),
        overrides=tuple((code, label(cause)) for code, cause in policy.overrides.items()),
        network_limits=tuple((label(name), f"{count} tries") for name, count in policy.network_limits.items()),
        experiments=tuple(_experiment(one) for one in policy.experiments),
    )


def _segment(one: SegmentPolicy) -> SegmentTold:
    return SegmentTold(
        name=label(one.name),
        who=", and ".join(_condition(each) for each in one.when) or "everybody else",
        attempts=one.attempts_allowed,
        window=_days(one.window_days),
        customer=_days(one.customer_deadline_days),
        review=_days(one.review_deadline_days),
        campaign=label(one.campaign),
        important=one.important,
        ladders=tuple(_together(one.strategies)),
    )


def _together(strategies: Mapping[Cause, str]) -> Iterator[tuple[str, str]]:
    """Causes that share a strategy stand in one line."""
    for chosen in dict.fromkeys(strategies.values()):
        yield ", ".join(label(cause) for cause, used in strategies.items() if used == chosen), label(chosen)


def _condition(one: Condition) -> str:
    what = _FIELDS.get(one.field, label(one.field).lower())
    if one.operator is ConditionOperator.ONE_OF:
        bound = one.bound if isinstance(one.bound, tuple) else (str(one.bound),)
        return f"{what} is {' or '.join(bound)}"
    words = "at least" if one.operator is ConditionOperator("min") else "at most"
    return f"{what} {words} {_quantity(one.field, one.bound)}"


_FIELDS: Final[Mapping[str, str]] = {
    "lifetime_value": "paid so far",
    "invoice_amount": "open now",
    "tenure_days": "customer for",
    "success_percent": "payments that went through",
    "successes": "successful payments",
    "failures": "failed payments",
}


def _quantity(field: str, bound: Any) -> str:
    if field.endswith("_percent"):
        return f"{bound}%"
    if field.endswith("_days"):
        return _days(bound)
    return f"{bound:,} (minor units)" if field in {"lifetime_value", "invoice_amount"} else f"{bound:,}"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _strategy(one: StrategySpec) -> StrategyTold:
    options = ", ".join(_option(name, value) for name, value in one.options.items())
    return StrategyTold(name=label(one.name), kind=label(one.use), does=options or "its own defaults")


def _option(name: str, value: Any) -> str:
    if name == "delays" and isinstance(value, list | tuple):
        return "waits " + ", then ".join(_length(one) for one in value)
    if name == "jitter_percent":
        return f"each up to {value}% longer" if value else "exactly"
    return f"{label(name).lower()} {_length(value)}"


def _length(value: Any) -> str:
    try:
        return span(parse_duration(value)) if isinstance(value, str) else str(value)
    except InvalidPolicy:
        return str(value)


def _campaign(one: Campaign) -> CampaignTold:
    endings = [name for name, on in (("when recovered", one.recovered), ("when given up", one.ended)) if on]
    return CampaignTold(
        name=label(one.name),
        channels=_list(one.channels),
        quiet=_quiet(one.quiet),
        endings=_list(endings),
        messages=tuple((label(cause), tuple(_step(step) for step in steps)) for cause, steps in one.messages.items()),
    )


def _step(step: CampaignStep) -> str:
    if step.before_end_seconds is not None:
        when = f"{span(step.before_end_seconds)} before the end"
    else:
        when = f"after {span(step.after_seconds)}" if step.after_seconds else "at once"
    return f"{label(step.kind)} {when}, by {_list(step.channels)}"


def _quiet(hours: QuietHours | None) -> str:
    if hours is None:
        return "none"
    begins, ends = (f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (hours.begins, hours.ends))
    return f"{begins} to {ends}, customer's time"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _fraud(rules: FraudRules) -> Iterator[tuple[str, str]]:
    yield "A person reviews from", f"{rules.review_at} points"
    yield "Blocked from", f"{rules.block_at} points"
    yield "Looks back", f"{span(rules.window_seconds)}, for bursts {span(rules.burst_window_seconds)}"
    yield "Many cards of a customer from", str(rules.cards_of_customer)
    yield "Many customers on a card from", str(rules.customers_on_card)
    yield "A burst from", f"{rules.failures_in_burst} failures"
    if rules.provider_score_min is not None:
        yield "Provider's own score counts from", str(rules.provider_score_min)
    if rules.scorer:
        yield "Asked besides", f"{rules.scorer}, {rules.scorer_timeout_ms} ms at most"
    for signal, points in rules.scores.items():
        yield label(signal), f"{points} points"


def _experiment(one: Experiment) -> ExperimentTold:
    rest = 100 - one.holdout - sum(arm.share for arm in one.arms)
    arms = [(label(arm.name), f"{arm.share}%", _changes(arm)) for arm in one.arms]
    return ExperimentTold(
        name=label(one.name),
        arms=(
            *([("Holdout", f"{one.holdout}%", "as the policy says, counted for comparison")] if one.holdout else []),
            *arms,
            *([("Not part of it", f"{rest}%", "as the policy says")] if rest else []),
        ),
    )


def _changes(arm: Arm) -> str:
    said = [f"{label(name).lower()} {value}" for name, value in _numbers(arm) if value is not None]
    said += [f"{label(cause)}: {label(chosen)}" for cause, chosen in arm.strategies.items()]
    said += [f"other rules for {label(name)}" for name in arm.segments]
    return "; ".join(said) or "nothing"


def _numbers(arm: Arm) -> Iterator[tuple[str, Any]]:
    yield "attempts_allowed", arm.attempts_allowed
    yield "window_days", arm.window_days
    yield "campaign", arm.campaign
