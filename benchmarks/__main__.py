"""`python -m benchmarks [NAME…]`: runs every benchmark in turn, or these; exit code 1 if one misses its mark."""

import argparse
import sys
import time
from typing import Final

from benchmarks import (
    admin_queries,
    asleep,
    audit_speed,
    decisions,
    engine_parity,
    growth,
    page_speed,
    provider_calls,
    recovery_costs,
    recovery_rate,
    replay,
    simulator_speed,
    webhook_accept,
)
from benchmarks.measures import LATEST, Benchmark, Measure, Size, save_measures

BENCHMARKS: Final[dict[str, Benchmark]] = {
    "decide": decisions.measure,
    "costs": recovery_costs.measure,
    "calls": provider_calls.measure,
    "recoveries": recovery_rate.measure,
    "asleep": asleep.measure,
    "simulate": simulator_speed.measure,
    "replay": replay.measure,
    "admin": admin_queries.measure,
    "audit": audit_speed.measure,
    "accept": webhook_accept.measure,
    "growth": growth.measure,
    "pages": page_speed.measure,
}
FULL_ONLY: Final[dict[str, Benchmark]] = {
    "fidelity": engine_parity.measure,
    "recoveries-production": recovery_rate.measure_production,
}
"""Too long for the small run, or with programs to build first; by name they run in any size."""


def main() -> int:
    """Runs what is asked for, prints each figure, and writes them to `benchmarks/latest.json`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS | FULL_ONLY)}")
    parser.add_argument("--size", type=Size, choices=list(Size), default=Size.SMALL, help="how much each one does")
    parser.add_argument("--save", action="store_true", help=f"write the figures to {LATEST.name}")
    asked = parser.parse_args()
    every = BENCHMARKS | (FULL_ONLY if asked.names or asked.size is Size.FULL else {})
    if unknown := [name for name in asked.names if name not in every]:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(every)}")
    return 0 if all([run(name, every[name], asked.size, save=asked.save) for name in asked.names or every]) else 1


def run(name: str, benchmark: Benchmark, size: Size, *, save: bool) -> bool:
    """Runs one benchmark; whether all its figures keep their marks."""
    found: list[Measure] = []
    began = time.monotonic()
    for measure in benchmark(size):
        sys.stdout.write(f"{measure.describe()}\n")
        sys.stdout.flush()
        found.append(measure)
    sys.stdout.write(f"-- {name}: {time.monotonic() - began:.0f} s\n")
    if save:
        save_measures(name, size, found)
    return all(measure.is_kept for measure in found)


if __name__ == "__main__":
    sys.exit(main())
