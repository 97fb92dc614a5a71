"""What a benchmark found: one `Measure` per figure, kept in `benchmarks/latest.json` with machine, commit and time."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

LATEST: Final = Path(__file__).with_name("latest.json")


class Size(StrEnum):
    """How much a run of the benchmarks does."""

    SMALL = "small"
    """Under 15 minutes for all: 100,000 events, 2,000 recoveries asleep."""
    FULL = "full"
    """What the marks are set for: up to 10,000,000 events, 20,000 asleep. Hours."""


Benchmark = Callable[[Size], "Iterable[Measure]"]
"""Runs one benchmark and yields each figure as soon as it is known."""


@dataclass(frozen=True)
class Measure:
    """One figure, measured once or in several repeats. Where it has a mark, the median decides."""

    name: str
    values: Sequence[float]
    unit: str = "ratio"
    at_least: float | None = None
    at_most: float | None = None
    raw: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """What a ratio was made of, by name and unit: {"ours, per second": [...], "floor, per second": [...]}."""

    @property
    def median(self) -> float:
        """The median of the repeats."""
        return statistics.median(self.values)

    @property
    def is_kept(self) -> bool:
        """Whether the median keeps the mark; True without one."""
        above = self.at_least is None or self.median >= self.at_least
        return above and (self.at_most is None or self.median <= self.at_most)

    def describe(self) -> str:
        """One line for people: median, span of the repeats, mark."""
        span = f" ({_figure(min(self.values))} to {_figure(max(self.values))})" if len(self.values) > 1 else ""
        return f"{self.name}: {_figure(self.median)}{span} {self.unit}{self._describe_mark()}"

    def _describe_mark(self) -> str:
        marks = [f"at least {_figure(self.at_least)}"] if self.at_least is not None else []
        marks += [f"at most {_figure(self.at_most)}"] if self.at_most is not None else []
        return f", {'kept' if self.is_kept else 'MISSED'}: {', '.join(marks)}" if marks else ""

    def to_json(self) -> dict[str, Any]:
        """The figure with everything that it was made of."""
        marks = {"at_least": self.at_least, "at_most": self.at_most}
        return {
            "unit": self.unit,
            "median": _rounded(self.median),
            "min": _rounded(min(self.values)),
            "max": _rounded(max(self.values)),
            "repeats": len(self.values),
            **{name: mark for name, mark in marks.items() if mark is not None},
            **({"raw": {name: [*map(_rounded, found)] for name, found in self.raw.items()}} if self.raw else {}),
        }


def save_measures(benchmark: str, size: Size, measures: Iterable[Measure], path: Path = LATEST) -> None:
    """Replaces this benchmark's figures in the file, with the machine, commit and time that they were measured at."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    found = {one.name: one.to_json() for one in measures}
    kept[f"{benchmark}, {size}"] = {"measured": _describe_run(), "measures": found}
    path.write_text(json.dumps(dict(sorted(kept.items())), indent=2) + "\n")


def _describe_run() -> dict[str, str]:
    """Where and when a benchmark ran."""
    version = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False, cwd=LATEST.parent
    ).stdout.strip()
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "commit": version or "unknown",
        "machine": f"{os.cpu_count()} cores, {_processor_name()}, {_memory_gib()} GiB, {platform.system()}",
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def _processor_name() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
