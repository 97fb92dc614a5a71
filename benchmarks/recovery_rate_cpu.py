"""Processor time of processes with all their children, as Linux counts it."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

TICK_SECONDS: Final = 1 / os.sysconf("SC_CLK_TCK")


class _Process(NamedTuple):
    parent: int
    own: int
    """Ticks of its own."""
    reaped: int
    """Ticks of its children that have ended."""


def cpu_seconds(roots: Mapping[str, int]) -> dict[str, float]:
    """Seconds of processor time that each process and its descendants have used so far, by the names given.

    Raises KeyError for a process that has ended.
    """
    table = dict(_read_processes())
    children: dict[int, list[int]] = defaultdict(list)
    for pid, process in table.items():
        children[process.parent].append(pid)
    return {name: _tree_ticks(pid, table, children) * TICK_SECONDS for name, pid in roots.items()}


def _tree_ticks(pid: int, table: Mapping[int, _Process], children: Mapping[int, list[int]]) -> int:
    below = sum(_tree_ticks(child, table, children) for child in children.get(pid, ()))
    return table[pid].own + table[pid].reaped + below


def _read_processes() -> Iterator[tuple[int, _Process]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            own, reaped = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
            yield int(folder.name), _Process(int(fields[1]), own, reaped)
