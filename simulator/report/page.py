"""What stands on the page, in the order of the page: texts and places, ready for the template."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from simulator.figures import Line, arms, lines
from simulator.report.charts import Curve, Forest, curve, forest
from simulator.result import ArmResult, Assumption, Group, Result
from simulator.verdict import Verdict, verdict
from simulator.wording import NOTHING, between, count, money, percent, points, signed

WORDY: Final = 32


class Pair(NamedTuple):
    """Part of the recoveries, under both policies."""

    name: str
    recoveries: str
    rates: tuple[tuple[str, float], tuple[str, float]]
    """Baseline and candidate: text, and percent of the bar."""
    recovered: tuple[str, str]
    amounts: tuple[str, str]
    change: str


class End(NamedTuple):
    """One way to end."""

    name: str
    state: str
    counts: tuple[str, str]
    change: str


class Stack(NamedTuple):
    """How an arm's recoveries divide, as parts of a bar."""

    name: str
    parts: tuple[tuple[str, float, str], ...]
    """State, percent of the bar, text."""


class Point(NamedTuple):
    """One point of the sweep."""

    shares: str
    recoveries: str
    change: str
    interval: str


class Belief(NamedTuple):
    """Assumptions with one source and one weakness."""

    section: str
    source: str
    weakness: str
    values: tuple[tuple[str, str, str], ...]
    """Name, value, recorded attempts behind it."""

    @property
    def wordy(self) -> bool:
        """Whether a value needs a line of its own."""
        return any(len(value) > WORDY for _, value, _ in self.values)


class Day(NamedTuple):
    """How much was recovered at most so many days after failing."""

    day: str
    counts: tuple[str, str]


class Page(NamedTuple):
    """Everything that the template shows."""

    verdict: Verdict
    gap: Forest
    arms: tuple[ArmResult, ArmResult]
    lines: tuple[Line, ...]
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
    beliefs: tuple[Belief, ...]
    diff: tuple[tuple[str, str], ...]
    """Kind and text of each line."""
    facts: tuple[tuple[str, str], ...]


STATES: Final = ("recovered", "exhausted", "blocked", "canceled")


def page(result: Result) -> Page:
    """All of it."""
    before, after = arms(result)
    gap = result.difference
    return Page(
        verdict=verdict(result),
        gap=forest([(gap.ci_low, gap.recovery_rate, gap.ci_high)]),
        arms=(before, after),
        lines=lines(result),
        curve=_curve(before, after),
        days=tuple(_days(before, after)),
        causes=_pairs(before.by_cause, after.by_cause, result.currency),
        segments=_pairs(before.by_segment, after.by_segment, result.currency),
        stacks=(_stack(before), _stack(after)),
        ends=_ends(before.ends, after.ends),
        sweep=tuple(_sweep(result)),
        sweep_forest=_sweep_forest(result),
        calibration=_calibration(result),
        calibration_gap=_calibration_gap(result),
        beliefs=tuple(_beliefs(result.assumptions)),
        diff=tuple(_diff(result.policy_diff)),
        facts=_facts(result),
    )


def _padded(line: Sequence[int], length: int) -> list[int]:
    """As long as the other one: after its last day nothing comes in."""
    return [*line, *[line[-1] if line else 0] * (length - len(line))]


def _curve(before: ArmResult, after: ArmResult) -> Curve | None:
    length = max(len(before.recovered_by_day), len(after.recovered_by_day))
    if length < 2:
        return None
    shares = [[won / (arm.recoveries or 1) for won in _padded(arm.recovered_by_day, length)] for arm in (before, after)]
    return curve(shares[0], shares[1])


def _days(before: ArmResult, after: ArmResult) -> Iterator[Day]:
    length = max(len(before.recovered_by_day), len(after.recovered_by_day))
    columns = [_padded(arm.recovered_by_day, length) for arm in (before, after)]
    for day, (one, other) in enumerate(zip(*columns, strict=True)):
        yield Day(str(day), (count(one), count(other)))


def _pairs(before: Sequence[Group], after: Sequence[Group], currency: str) -> tuple[Pair, ...]:
    """Side by side by name, the largest first."""
    known = ({one.name: one for one in before}, {one.name: one for one in after})
    names = dict.fromkeys(one.name for one in (*before, *after))
    found = [tuple(groups.get(name) or _empty(name) for groups in known) for name in names]
    ordered = sorted(found, key=lambda both: (-max(one.recoveries for one in both), both[0].name))
    return tuple(_pair(before, after, currency) for before, after in ordered)


def _empty(name: str) -> Group:
    return Group(name=name, recoveries=0, recovered=0, amount_recovered=0, recovery_rate=0.0)


def _pair(before: Group, after: Group, currency: str) -> Pair:
    sizes = dict.fromkeys((count(before.recoveries), count(after.recoveries)))
    return Pair(
        name=before.name,
        recoveries=" / ".join(sizes),
        rates=(_bar(before), _bar(after)),
        recovered=(count(before.recovered), count(after.recovered)),
        amounts=(money(before.amount_recovered, currency), money(after.amount_recovered, currency)),
        change=points(after.recovery_rate - before.recovery_rate),
    )


def _bar(group: Group) -> tuple[str, float]:
    return percent(group.recovery_rate), round(group.recovery_rate * 100, 3)


def _stack(arm: ArmResult) -> Stack:
    totals = dict.fromkeys(STATES, 0)
    for name, number in arm.ends.items():
        state = _state(name)
        totals[state] = totals.get(state, 0) + number
    whole = sum(totals.values()) or 1
    parts = ((state, round(n / whole * 100, 3), f"{percent(n / whole)}") for state, n in totals.items() if n)
    return Stack(arm.name, tuple(parts))


def _state(end: str) -> str:
    return end.partition(":")[0].strip()


def _ends(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[End, ...]:
    rows = [(name, before.get(name, 0), after.get(name, 0)) for name in {**before, **after}]
    rows.sort(key=lambda row: (_order(row[0]), -max(row[1:]), row[0]))
    return tuple(End(n, _state(n), (count(a), count(b)), signed(count(b - a))) for n, a, b in rows)


def _order(end: str) -> int:
    state = _state(end)
    return STATES.index(state) if state in STATES else len(STATES)


def _sweep(result: Result) -> Iterator[Point]:
    for one in result.sensitivity:
        shares = f"{percent(one.soft)} soft, {percent(one.hard)} hard"
        interval = between(points(one.ci_low), points(one.ci_high))
        yield Point(shares, count(one.recoveries), points(one.recovery_rate), interval)


def _sweep_forest(result: Result) -> Forest | None:
    intervals = [(one.ci_low, one.recovery_rate, one.ci_high) for one in result.sensitivity]
    return forest(intervals) if intervals else None


def _calibration(result: Result) -> dict[str, str]:
    found = result.calibration
    if found is None:
        return {}
    return {
        "What really happened": percent(found.real_rate),
        "What the model tells": percent(found.simulated_rate),
        "Gap": f"{points(found.gap)} points ({between(points(found.ci_low), points(found.ci_high))})",
        "Recoveries compared": count(found.recoveries),
        "Decisions by this version of the policy": percent(found.version_share),
    }


def _calibration_gap(result: Result) -> Forest | None:
    found = result.calibration
    return forest([(found.ci_low, found.gap, found.ci_high)]) if found else None


def _beliefs(assumptions: Sequence[Assumption]) -> Iterator[Belief]:
    """Neighbours that share section, source and weakness say so once."""
    for (section, source, weakness), group in groupby(assumptions, key=_origin):
        values = tuple((_own_name(one.name), one.value, _attempts(one)) for one in group)
        yield Belief(section, source, weakness, values)


def _origin(one: Assumption) -> tuple[str, str, str]:
    return one.name.partition(".")[0], one.source, one.weakness


def _own_name(name: str) -> str:
    return name.partition(".")[2] or name


def _attempts(one: Assumption) -> str:
    return "" if one.attempts is None else f"{count(one.attempts)} attempts"


_KINDS: Final = (("---", "file"), ("+++", "file"), ("@@", "place"), ("+", "added"), ("-", "gone"))


def _diff(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines()):
        kind = next((kind for sign, kind in _KINDS if line.startswith(sign)), "same")
        yield ("added" if line.startswith("+") else "gone") if kind == "file" and number > 1 else kind, line


def _facts(result: Result) -> tuple[tuple[str, str], ...]:
    slow = [arm.name for arm in result.arms if arm.event_by_event]
    versions = ((f"Policy of the {arm.name}", arm.policy_version) for arm in result.arms)
    return (
        ("Source", result.source),
        ("Recoveries", count(result.recoveries)),
        ("Seed", str(result.seed)),
        *versions,
        ("Currency", result.currency or NOTHING),
        ("Simulated event by event", ", ".join(slow) or "neither"),
    )
