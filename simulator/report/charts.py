"""Positions of a chart's marks, in percent of its width and height.

Labels are HTML beside the SVG, so that they keep their size on a narrow screen and on paper.
"""

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Final, NamedTuple

from core.formatting import format_percent
from simulator.report.wording import format_points

TINY: Final = 1e-9


class Tick(NamedTuple):
    """A tick of an axis; `at` in percent."""

    at: float
    label: str


class Whisker(NamedTuple):
    """An estimate with its interval, in percent of the axis."""

    low: float
    high: float
    dot: float


class Forest(NamedTuple):
    """A forest plot: intervals of differences below each other on one axis, which includes zero."""

    whiskers: tuple[Whisker, ...]
    zero: float
    ticks: tuple[Tick, ...]


class Curve(NamedTuple):
    """Two lines over the same days, as SVG paths in a box of 100 by 100."""

    before: str
    after: str
    between: str
    days: tuple[Tick, ...]
    shares: tuple[Tick, ...]


def build_forest(intervals: Sequence[tuple[float, float, float]]) -> Forest:
    """The plot of intervals given as (low, estimate, high), fractions of 1; ticks are in percentage points."""
    lowest, highest = min(0.0, *(one[0] for one in intervals)), max(0.0, *(one[2] for one in intervals))
    span = highest - lowest if highest - lowest > TINY else 0.01
    step = nice_step(span * 100, 5) / 100
    # The tolerance keeps a bound that lies on a tick, apart from a rounding error, from adding another step.
    first, last = floor(lowest / step + 1e-9), ceil(highest / step - 1e-9)
    first, last = (first, last) if last > first else (first - 1, last + 1)

    def to_percent(value: float) -> float:
        return round((value / step - first) / (last - first) * 100, 3)

    marks = tuple(Tick(to_percent(number * step), format_points(number * step)) for number in range(first, last + 1))
    return Forest(
        tuple(Whisker(to_percent(low), to_percent(high), to_percent(mid)) for low, mid, high in intervals),
        to_percent(0),
        marks,
    )


def nice_step(span: float, about: int) -> float:
    """One, two or five times a power of ten, so that at most `about` such steps make up the span."""
    power = 10.0 ** floor(log10(span / about))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * about >= span * 0.999)


def build_curve(before: Sequence[float], after: Sequence[float]) -> Curve:
    """The curve of two arms' shares recovered by day, of equal length; days after the last change are cut off."""
    last = _last_moving_day(before, after)
    top = _axis_top(max(before[last], after[last]))
    paths = [_path_points(line[: last + 1], last, top) for line in (before, after)]
    area = f"M{' L'.join([*paths[0], *reversed(paths[1])])}Z"
    lines = [f"M{' L'.join(path)}" for path in paths]
    return Curve(lines[0], lines[1], area, _day_ticks(last), _share_ticks(top))


def _last_moving_day(before: Sequence[float], after: Sequence[float]) -> int:
    """The day after the last one on which either line changes."""
    moving = [day for day in range(1, len(before)) if (before[day], after[day]) != (before[day - 1], after[day - 1])]
    seen = (moving[-1] if moving else 0) + 1
    return max(1, min(len(before) - 1, seen))


def _axis_top(highest: float) -> float:
    """The end of the axis, at a tick above `highest`; a share below TINY counts as zero."""
    highest = highest if highest > TINY else 0.01
    step = nice_step(highest * 100, 5) / 100
    return ceil(highest / step + 1e-9) * step


def _path_points(line: Sequence[float], last: int, top: float) -> list[str]:
    return [f"{day / last * 100:.2f} {100 - share / top * 100:.2f}" for day, share in enumerate(line)]


def _day_ticks(last: int) -> tuple[Tick, ...]:
    step = next((one for one in (1, 2, 7, 14, 28, 56) if last / one <= 7), 112)
    return tuple(Tick(round(day / last * 100, 3), f"{day}") for day in range(0, last + 1, step))


def _share_ticks(top: float) -> tuple[Tick, ...]:
    percent = nice_step(top * 100, 5)
    # A step is 1, 2 or 5 times a power of ten: with as many digits as it needs, no two ticks read the same.
    step, digits = percent / 100, max(0, -floor(log10(percent) + TINY))
    return tuple(
        Tick(round(number * step / top * 100, 3), format_percent(number * step, digits))
        for number in range(round(top / step) + 1)
    )
