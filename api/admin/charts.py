"""Charts as SVG without style and script: the page's style sheet colours them, in light and dark mode."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from markupsafe import Markup, escape

WIDE: Final = 960
NARROW: Final = 480
"""Widths in SVG units, about the pixels of a chart over the whole page and over half of it."""
HEIGHT: Final = 250
MOST_LABELS: Final = 9
"""Labels on an axis of days, as many as can be read on a small screen."""
MOST_STEPS: Final = 5
"""Lines above zero."""
MARGIN: Final = 8
LABEL_HEIGHT: Final = 24
CHARACTER: Final = 6.5
"""About the width of a character of a label."""
BAR_SHARE: Final = 0.85
"""Of the room for a bar, what it fills."""
Series = Sequence[tuple[str, Sequence[int]]]
Format = Callable[[float], str]


class _Plot(NamedTuple):
    """The drawing area: its origin in the chart, its size, and the largest value that it shows."""

    left: float
    width: float
    height: float
    top: int

    def height_of(self, value: float) -> float:
        """The height of a bar of this value."""
        return value * self.height / self.top


def render_stacked_bars(
    title: str, labels: Sequence[str], series: Series, format_value: Format, width: int = WIDE
) -> Markup:
    """A stacked bar chart as markup; `format_value` formats a value. Series get the page's colours in their order.

    Values must not be negative.
    """
    totals = [sum(values) for values in zip(*(values for _, values in series), strict=True)]
    ticks = _find_ticks(max(totals, default=0))
    left = MARGIN + CHARACTER * max(len(format_value(one)) for one in ticks)
    plot = _Plot(left, width - left - MARGIN, HEIGHT - LABEL_HEIGHT - 2 * MARGIN, ticks[-1])
    drawn = "".join((*_draw_ticks(plot, ticks, format_value), *_draw_labels(plot, labels),
                     *_draw_series(plot, labels, series, format_value)))  # fmt: skip
    place = f"translate({left:.1f} {MARGIN})"
    svg = f'<svg class="chart" viewBox="0 0 {width} {HEIGHT}"><g transform="{place}">{drawn}</g></svg>'
    return Markup('<div class="chart{}" role="img" aria-label="{}"{}>{}</div>').format(
        " wide" if width == WIDE else "", title, Markup(' tabindex="0"' if width == WIDE else ""), Markup(svg)
    )


def _find_ticks(most: int) -> list[int]:
    """Round values from 0 to at least `most`, at most MOST_STEPS apart from 0."""
    least = max(1, most / MOST_STEPS)
    power = 10 ** math.floor(math.log10(least))
    step = next(math.ceil(times * power) for times in (1, 2, 2.5, 5, 10) if times * power >= least)
    return [place * step for place in range(max(1, math.ceil(most / step)) + 1)]


def _draw_ticks(plot: _Plot, ticks: Sequence[int], format_value: Format) -> Iterator[str]:
    yield '<g class="axis y">'
    for value in ticks:
        y = plot.height - plot.height_of(value)
        yield f'<path class="line" d="M0 {y:.1f}h{plot.width:.1f}"/>'
        yield f'<text x="-5" y="{y + 4:.1f}">{escape(format_value(value))}</text>'
    yield "</g>"


def _draw_labels(plot: _Plot, labels: Sequence[str]) -> Iterator[str]:
    room, every = plot.width / max(1, len(labels)), max(1, math.ceil(len(labels) / MOST_LABELS))
    yield '<g class="axis x">'
    for place, label in list(enumerate(labels))[::every]:
        x, y = (place + 0.5) * room, plot.height + LABEL_HEIGHT - MARGIN
        yield f'<text x="{x:.1f}" y="{y:.1f}">{escape(label)}</text>'
    yield "</g>"


def _draw_series(plot: _Plot, labels: Sequence[str], series: Series, format_value: Format) -> Iterator[str]:
    """A group for each series; a bar begins where that of the series before ends. Zeros have none."""
    room = plot.width / max(1, len(labels))
    ends = [[*accumulate(values)] for values in zip(*(values for _, values in series), strict=True)]
    for number, (_, values) in enumerate(series):
        yield f'<g class="color-{number}">'
        for place, value in enumerate(values):
            if value:
                yield _draw_bar(
                    plot, place * room, room, ends[place][number], value, f"{labels[place]}: {format_value(value)}"
                )
        yield "</g>"


def _draw_bar(plot: _Plot, x: float, room: float, end: int, value: int, title: str) -> str:
    """A bar with its value as title, which browsers show on hover."""
    place = f'x="{x + room * (1 - BAR_SHARE) / 2:.1f}" y="{plot.height - plot.height_of(end):.1f}"'
    size = f'width="{room * BAR_SHARE:.2f}" height="{plot.height_of(value):.1f}"'
    return f'<g class="bar"><rect {place} {size}/><title>{escape(title)}</title></g>'
