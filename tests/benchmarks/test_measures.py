"""Figures of benchmarks: marks, lines for people, and the file that keeps them."""

import json
from pathlib import Path

import pytest

from benchmarks.measures import Measure, Size, save_measures


@pytest.mark.parametrize(
    ("measure", "kept"),
    [
        (Measure("x", [1.0, 2.0, 9.0], at_least=2.0), True),
        (Measure("x", [1.0, 1.9, 9.0], at_least=2.0), False),
        (Measure("x", [1.0, 2.0, 9.0], at_most=2.0), True),
        (Measure("x", [2.1], at_most=2.0), False),
        (Measure("x", [3.0], at_least=2.0, at_most=2.5), False),
        (Measure("x", [3.0]), True),
    ],
)
def test_the_median_decides_whether_a_mark_is_kept(measure: Measure, kept: bool) -> None:
    assert measure.is_kept is kept


def test_a_line_names_median_span_and_mark() -> None:
    line = Measure("accept", [0.7, 0.8, 0.9], at_least=0.85).describe()
    assert line == "accept: 0.8 (0.7 to 0.9) ratio, MISSED: at least 0.85"


def test_the_file_keeps_figures_of_other_benchmarks_and_says_where_they_were_measured(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    save_measures("one", Size.SMALL, [Measure("a", [1.0], raw={"ours": [2.0], "floor": [2.0]})], path)
    save_measures("two", Size.FULL, [Measure("b", [3.0, 5.0], "ms", at_most=9.0)], path)
    kept = json.loads(path.read_text())
    assert kept["one, small"]["measures"]["a"]["raw"] == {"ours": [2.0], "floor": [2.0]}
    assert kept["two, full"]["measures"]["b"] == {
        "unit": "ms", "median": 4.0, "min": 3.0, "max": 5.0, "repeats": 2, "at_most": 9.0,
    }  # fmt: skip
    assert {"at", "commit", "machine", "python", "load before"} == set(kept["two, full"]["measured"])
