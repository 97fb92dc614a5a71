"""The content of the report page in its order: texts and chart positions, ready for the template."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from simulator.model.source import Assumption
from simulator.report.charts import Curve, Forest, build_curve, build_forest
from simulator.report.figures import ComparisonLine, both_arms, list_comparison_lines
from simulator.report.result import ArmResult, Group, Result
from simulator.report.verdict import Verdict, build_verdict
from simulator.report.wording import (
    NO_FIGURE,
    add_sign,
    format_count,
    format_interval,
    format_money,
    format_percent,
    format_points,
)

LONG_VALUE: Final = 32


class Pair(NamedTuple):
    """A group of recoveries under both policies."""

    name: str
    recoveries: str
    rates: tuple[tuple[str, float], tuple[str, float]]
    """Baseline and candidate: text, and length of the bar in percent."""
    recovered: tuple[str, str]
    amounts: tuple[str, str]
    change: str


class End(NamedTuple):
    """One end state with its reason, and its counts."""

    name: str
    state: str
    counts: tuple[str, str]
    change: str


class Stack(NamedTuple):
    """The shares of an arm's end states, as parts of a bar."""

    name: str
    parts: tuple[tuple[str, float, str], ...]
    """State, length in percent, text."""


class Point(NamedTuple):
    """One point of the sensitivity sweep."""

    shares: str
    recoveries: str
    change: str
    interval: str


class AssumptionGroup(NamedTuple):
    """Neighbouring assumptions of one section with the same source and weakness."""

    section: str
    source: str
    weakness: str
    values: tuple[tuple[str, str, str], ...]
    """Name, value, and number of recorded attempts it was fitted to."""

    @property
    def has_long_value(self) -> bool:
        """Whether any value is so long that each is set on its own line."""
        return any(len(value) > LONG_VALUE for _, value, _ in self.values)


class Day(NamedTuple):
    """How many cases were recovered within this number of days after the failure."""

    day: str
    counts: tuple[str, str]


class Page(NamedTuple):
    """Everything that the template shows."""

    verdict: Verdict
    gap: Forest
    arms: tuple[ArmResult, ArmResult]
    lines: tuple[ComparisonLine, ...]
    curve: Curve | None
    days: tuple[Day, ...]
    causes: tuple[Pair, ...]
    segments: tuple[Pair, ...]
    stacks: tuple[Stack, ...]
    ends: tuple[End, ...]
    sweep: tuple[Point, ...]
    sweep_forest: Forest | None
    calibration: Mapping[str, str]
    calibration_gap: Forest | None
    assumption_groups: tuple[AssumptionGroup, ...]
    diff: tuple[tuple[str, str], ...]
    """Kind and text of each line."""
    facts: tuple[tuple[str, str], ...]


STATES: Final = ("recovered", "exhausted", "blocked", "canceled")


def build_page(result: Result) -> Page:
    """The whole content of a result's page."""
    before, after = both_arms(result)
    gap = result.difference
    return Page(
        verdict=build_verdict(result),
        gap=build_forest([(gap.ci_low, gap.recovery_rate, gap.ci_high)]),
        arms=(before, after),
        lines=list_comparison_lines(result),
        curve=_recovery_curve(before, after),
        days=tuple(_daily_counts(before, after)),
        causes=_pair_groups(before.by_cause, after.by_cause, result.currency),
        segments=_pair_groups(before.by_segment, after.by_segment, result.currency),
        stacks=(_to_stack(before), _to_stack(after)),
        ends=_pair_ends(before.ends, after.ends),
        sweep=tuple(_sweep_points(result)),
        sweep_forest=_sweep_forest(result),
        calibration=_calibration_facts(result),
        calibration_gap=_calibration_gap(result),
        assumption_groups=tuple(_group_assumptions(result.assumptions)),
        diff=tuple(_diff_lines(result.policy_diff)),
        facts=_run_facts(result),
    )


def _pad_days(line: Sequence[int], length: int) -> list[int]:
    """The counts extended to `length` days by repeating the last, since nothing is recovered after it."""
    return [*line, *[line[-1] if line else 0] * (length - len(line))]


def _recovery_curve(before: ArmResult, after: ArmResult) -> Curve | None:
    length = max(len(before.recovered_by_day), len(after.recovered_by_day))
    if length < 2:
        return None
    shares = [
        [won / (arm.recoveries or 1) for won in _pad_days(arm.recovered_by_day, length)] for arm in (before, after)
    ]
    return build_curve(shares[0], shares[1])


def _daily_counts(before: ArmResult, after: ArmResult) -> Iterator[Day]:
    length = max(len(before.recovered_by_day), len(after.recovered_by_day))
    columns = [_pad_days(arm.recovered_by_day, length) for arm in (before, after)]
    for day, (one, other) in enumerate(zip(*columns, strict=True)):
        yield Day(str(day), (format_count(one), format_count(other)))


def _pair_groups(before: Sequence[Group], after: Sequence[Group], currency: str) -> tuple[Pair, ...]:
    """The groups of both arms paired by name, the largest first; one that an arm lacks is empty there."""
    known = ({one.name: one for one in before}, {one.name: one for one in after})
    names = dict.fromkeys(one.name for one in (*before, *after))
    found = [tuple(groups.get(name) or _empty_group(name) for groups in known) for name in names]
    ordered = sorted(found, key=lambda both: (-max(one.recoveries for one in both), both[0].name))
    return tuple(_to_pair(before, after, currency) for before, after in ordered)


def _empty_group(name: str) -> Group:
    return Group(name=name, recoveries=0, recovered=0, amount_recovered=0, recovery_rate=0.0)


def _to_pair(before: Group, after: Group, currency: str) -> Pair:
    sizes = dict.fromkeys((format_count(before.recoveries), format_count(after.recoveries)))
    return Pair(
        name=before.name,
        recoveries=" / ".join(sizes),
        rates=(_rate_bar(before), _rate_bar(after)),
        recovered=(format_count(before.recovered), format_count(after.recovered)),
        amounts=(format_money(before.amount_recovered, currency), format_money(after.amount_recovered, currency)),
        change=format_points(after.recovery_rate - before.recovery_rate),
    )


def _rate_bar(group: Group) -> tuple[str, float]:
    return format_percent(group.recovery_rate), round(group.recovery_rate * 100, 3)


def _to_stack(arm: ArmResult) -> Stack:
    totals = dict.fromkeys(STATES, 0)
    for name, number in arm.ends.items():
        state = _end_state(name)
        totals[state] = totals.get(state, 0) + number
    whole = sum(totals.values()) or 1
    parts = ((state, round(n / whole * 100, 3), f"{format_percent(n / whole)}") for state, n in totals.items() if n)
    return Stack(arm.name, tuple(parts))


def _end_state(end: str) -> str:
    return end.partition(":")[0].strip()


def _pair_ends(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[End, ...]:
    rows = [(name, before.get(name, 0), after.get(name, 0)) for name in {**before, **after}]
    rows.sort(key=lambda row: (_end_order(row[0]), -max(row[1:]), row[0]))
    return tuple(
        End(n, _end_state(n), (format_count(a), format_count(b)), add_sign(format_count(b - a))) for n, a, b in rows
    )


def _end_order(end: str) -> int:
    state = _end_state(end)
    return STATES.index(state) if state in STATES else len(STATES)


def _sweep_points(result: Result) -> Iterator[Point]:
    for one in result.sensitivity:
        shares = f"{format_percent(one.soft)} soft, {format_percent(one.hard)} hard"
        interval = format_interval(format_points(one.ci_low), format_points(one.ci_high))
        yield Point(shares, format_count(one.recoveries), format_points(one.recovery_rate), interval)


def _sweep_forest(result: Result) -> Forest | None:
    intervals = [(one.ci_low, one.recovery_rate, one.ci_high) for one in result.sensitivity]
    return build_forest(intervals) if intervals else None


def _calibration_facts(result: Result) -> dict[str, str]:
    found = result.calibration
    if found is None:
        return {}
    return {
        "Recorded recovery rate": format_percent(found.real_rate),
        "Simulated recovery rate": format_percent(found.simulated_rate),
        "Gap": f"{format_points(found.gap)} points "
        f"({format_interval(format_points(found.ci_low), format_points(found.ci_high))})",
        "Recoveries compared": format_count(found.recoveries),
        "Decisions by this version of the policy": format_percent(found.version_share),
    }


def _calibration_gap(result: Result) -> Forest | None:
    found = result.calibration
    return build_forest([(found.ci_low, found.gap, found.ci_high)]) if found else None


def _group_assumptions(assumptions: Sequence[Assumption]) -> Iterator[AssumptionGroup]:
    """Consecutive assumptions grouped by section, source and weakness."""
    for (section, source, weakness), group in groupby(assumptions, key=_assumption_origin):
        values = tuple((_own_name(one.name), one.value, _attempts_text(one)) for one in group)
        yield AssumptionGroup(section, source, weakness, values)


def _assumption_origin(one: Assumption) -> tuple[str, str, str]:
    return one.name.partition(".")[0], one.source, one.weakness


def _own_name(name: str) -> str:
    return name.partition(".")[2] or name


def _attempts_text(one: Assumption) -> str:
    return "" if one.attempts is None else f"{format_count(one.attempts)} attempts"


_KINDS: Final = (("---", "file"), ("+++", "file"), ("@@", "place"), ("+", "added"), ("-", "gone"))


def _diff_lines(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines()):
        kind = next((kind for sign, kind in _KINDS if line.startswith(sign)), "same")
        yield ("added" if line.startswith("+") else "gone") if kind == "file" and number > 1 else kind, line


def _run_facts(result: Result) -> tuple[tuple[str, str], ...]:
    slow = [arm.name for arm in result.arms if arm.event_by_event]
    versions = ((f"Policy of the {arm.name}", arm.policy_version) for arm in result.arms)
    return (
        ("Source", result.source),
        ("Recoveries", format_count(result.recoveries)),
        ("Seed", str(result.seed)),
        *versions,
        ("Currency", result.currency or NO_FIGURE),
        ("Simulated event by event", ", ".join(slow) or "neither"),
    )
