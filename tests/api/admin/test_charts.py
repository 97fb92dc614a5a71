"""Stacked bars: each value has a bar of its height on those before it, and nothing a page's policy forbids."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from api.admin.charts import HEIGHT, MOST_LABELS, MOST_STEPS, NARROW, WIDE, render_stacked_bars

VALUES = st.lists(st.tuples(*[st.integers(0, 10**12)] * 2), max_size=40)


def draw(values: list[tuple[int, int]], labels: list[str] | None = None, width: int = WIDE) -> ElementTree.Element:
    series = [(name, [one[place] for one in values]) for place, name in enumerate(("Recovered", "Lost"))]
    names = labels or [f"day {number}" for number in range(len(values))]
    return ElementTree.fromstring(render_stacked_bars("Title", names, series, lambda value: f"€{value:.0f}", width))


def bars_of(chart: ElementTree.Element, series: int) -> dict[str, tuple[float, float]]:
    """Top and height of each bar of a series, by its title."""
    found = chart.findall(f".//g[@class='color-{series}']/g[@class='bar']")
    return {str(bar.findtext("title")): (float(bar[0].attrib["y"]), float(bar[0].attrib["height"])) for bar in found}


@given(VALUES)
def test_bars_are_as_high_as_their_values_and_stand_on_each_other(values: list[tuple[int, int]]) -> None:
    chart = draw(values)
    first, second = bars_of(chart, 0), bars_of(chart, 1)
    assert len(first) == sum(one[0] > 0 for one in values)
    assert len(second) == sum(one[1] > 0 for one in values)
    bottom = max(float(text.attrib["y"]) for text in chart.findall(".//g[@class='axis y']/text")) - 4
    ticks = [int(str(text.text)[1:]) for text in chart.findall(".//g[@class='axis y']/text")]
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= MOST_STEPS + 1
    assert max((sum(one) for one in values), default=0) <= ticks[-1]
    for number, (won, lost) in enumerate(values):
        own, upper = first.get(f"day {number}: €{won}"), second.get(f"day {number}: €{lost}")
        base = own[0] if own else bottom
        if own:
            assert abs(own[0] + own[1] - bottom) < 0.2
            assert abs(own[1] - won / ticks[-1] * bottom) < 0.2
        if upper:
            assert abs(upper[0] + upper[1] - base) < 0.2
            assert upper[0] >= 0
            assert upper[0] + upper[1] <= HEIGHT


def test_texts_are_escaped_and_labels_few() -> None:
    chart = draw([(1, 2)] * 365, ["<b>&"] * 365)
    labels = [text.text for text in chart.findall(".//g[@class='axis x']/text")]
    assert set(labels) == {"<b>&"}
    assert len(labels) <= MOST_LABELS
    assert "style" not in ElementTree.tostring(chart, "unicode")


def test_only_a_wide_chart_scrolls() -> None:
    assert draw([(1, 1)]).attrib["tabindex"] == "0"
    narrow = draw([(1, 1)], width=NARROW)
    assert "tabindex" not in narrow.attrib
    assert narrow.attrib == {"class": "chart", "role": "img", "aria-label": "Title"}
