"""Charts as SVG by pygal, without its style and script: the page's style sheet colours them, in light and dark mode."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import pygal
from markupsafe import Markup

WIDE: Final = 960
NARROW: Final = 480
"""Widths in SVG units, about the pixels of a chart over the whole page and over half of it."""
HEIGHT: Final = 250
MOST_LABELS: Final = 9
"""Labels on an axis of days, as many as can be read on a small screen."""
REMOVED_TAGS: Final = frozenset({"style", "script", "defs", "comment"})


def render_stacked_bars(
    title: str,
    labels: Sequence[str],
    series: Sequence[tuple[str, Sequence[int]]],
    format_value: Callable[[float], str],
    width: int = WIDE,
) -> Markup:
    """A stacked bar chart as markup; `format_value` formats a value. Series get the page's colours in their order."""
    chart = pygal.StackedBar(
        width=width,
        height=HEIGHT,
        margin=8,
        spacing=6,
        show_legend=False,
        js=(),
        value_formatter=lambda value: format_value(value or 0),
        min_scale=3,
        max_scale=5,
        include_x_axis=True,
        show_minor_x_labels=False,
        show_x_guides=False,
        truncate_label=-1,
        classes=("chart",),
        disable_xml_declaration=True,
        pretty_print=False,
    )
    chart.x_labels = list(labels)
    chart.x_labels_major_every = max(1, math.ceil(len(labels) / MOST_LABELS))
    for name, values in series:
        chart.add(name, list(values))
    chart.add_xml_filter(_strip_styles)
    drawn = str(chart.render(is_unicode=True))
    return Markup('<div class="chart{}" role="img" aria-label="{}"{}>{}</div>').format(
        " wide" if width == WIDE else "", title, Markup(' tabindex="0"' if width == WIDE else ""), Markup(drawn)
    )


def _strip_styles(root: Any) -> Any:
    """Changes the SVG to what the Content-Security-Policy allows: no styles and scripts, titles instead of tooltips."""
    for parent in list(root.iter()):
        parent.attrib.pop("style", None)
        for child in list(parent):
            if _tag_name(child) in REMOVED_TAGS or "overlay" in child.get("class", ""):
                parent.remove(child)
        _add_bar_title(parent)
    for child in [one for one in root if _tag_name(one) == "title"]:
        root.remove(child)
    root.attrib.pop("id", None)
    return root


def _add_bar_title(group: Any) -> None:
    """Replaces a bar's descriptions by a title, which browsers show on hover."""
    descriptions = {one.get("class"): one for one in group if _tag_name(one) == "desc"}
    if "value" not in descriptions:
        return
    label = descriptions["x_label"].text if "x_label" in descriptions else ""
    for one in descriptions.values():
        group.remove(one)
    title = group.makeelement("title", {})
    title.text = f"{label}: {descriptions['value'].text}"
    group.append(title)


def _tag_name(element: Any) -> str:
    """The name of a tag; `comment` for comments, which have a function in its place."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else "comment"
