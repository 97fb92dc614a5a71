# ruff: noqa: T201  (a command line prints)
"""`python -m tests.deterministic`: plays seeds, shrinks and keeps the failing ones. Exit code 1 if one failed."""

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Final, NamedTuple

from tests.deterministic.bugs import BUGS, planted
from tests.deterministic.kept import KEPT_FILE, keep
from tests.deterministic.scenario import draw_scenario
from tests.deterministic.shrink import shrink
from tests.deterministic.simulation import Played, play

CHUNK: Final = 250
"""Seeds that one process plays in a row."""


class Chunk(NamedTuple):
    """What some seeds came to."""

    seeds: int
    struck: Counter[str]
    """Faults that struck, by place and kind."""
    failed: tuple[tuple[int, tuple[str, ...]], ...]
    """Seeds with violations."""


def play_seeds(seeds: Iterable[int], bug: str | None = None) -> Chunk:
    """Plays these seeds, with a planted bug if one is named."""
    count, struck, failed = 0, Counter[str](), []
    # One collection for many seeds: nothing that a seed leaves behind is worth looking at earlier.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        with planted(bug):
            for seed in seeds:
                count += 1
                played = play(draw_scenario(seed))
                struck.update(f"{fault.place} {fault.kind}" for fault in played.struck)
                if played.violations:
                    failed.append((seed, played.violations))
    finally:
        gc.enable()
        gc.unfreeze()
    return Chunk(count, struck, tuple(failed))


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = _parse_arguments(arguments)
    if options.seed is not None:
        return _replay(options)
    failed: list[tuple[int, tuple[str, ...]]] = []
    began, seeds, struck = time.monotonic(), 0, Counter[str]()
    for chunk in _play_all(options):
        seeds, struck = seeds + chunk.seeds, struck + chunk.struck
        failed += chunk.failed
        per_second = seeds / (time.monotonic() - began)
        print(
            f"\r{seeds} of {options.seeds} seeds, {per_second:.0f} a second, {len(failed)} failed", end="", flush=True
        )
    print(f"\n{sum(struck.values())} faults of {len(struck)} kinds struck")
    for seed, violations in sorted(failed)[: options.most]:
        _shrink_and_keep(seed, violations, options)
    return 1 if failed else 0


def _parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.deterministic", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, metavar="N", help="how many seeds (default: 10000)")
    parser.add_argument("--start", type=int, default=0, metavar="S", help="the first seed (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="processes side by side (default: 1)")
    parser.add_argument("--seed", type=int, metavar="S", help="play this seed only and say what happened")
    parser.add_argument("--trace", action="store_true", help="with --seed: print each step")
    parser.add_argument("--bug", choices=sorted(BUGS), help="plant a bug: the checks should find it")
    parser.add_argument("--most", type=int, default=5, help="failing seeds that are shrunk and kept (default: 5)")
    parser.add_argument("--no-keep", action="store_true", help="don't write failing seeds to kept.json")
    return parser.parse_args(arguments)


def _play_all(options: argparse.Namespace) -> Iterator[Chunk]:
    end = options.start + options.seeds
    chunks = [range(first, min(first + CHUNK, end)) for first in range(options.start, end, CHUNK)]
    if options.jobs == 1:
        yield from (play_seeds(chunk, options.bug) for chunk in chunks)
        return
    with ProcessPoolExecutor(options.jobs) as pool:
        for done in as_completed([pool.submit(play_seeds, chunk, options.bug) for chunk in chunks]):
            yield done.result()


def _replay(options: argparse.Namespace) -> int:
    with planted(options.bug):
        played = play(draw_scenario(options.seed))
    _print_played(played, options.trace)
    return 1 if played.violations else 0


def _print_played(played: Played, trace: bool) -> None:
    scenario = played.scenario
    print(f"seed {scenario.seed}: {scenario.provider.name}, {len(scenario.invoices)} invoices")
    for part in (*scenario.faults, *scenario.actions, *scenario.timings):
        print(f"  {part}")
    if trace:
        print("\n".join(played.lines))
    print("\n".join(played.violations) or "nothing is wrong")


def _shrink_and_keep(seed: int, violations: tuple[str, ...], options: argparse.Namespace) -> None:
    kind = violations[0].split()[0]
    with planted(options.bug):
        small = shrink(draw_scenario(seed), lambda one: any(v.split()[0] == kind for v in play(one).violations))
        _print_played(play(small), trace=False)
    if not options.no_keep and options.bug is None:
        keep(small, violations[0])
        print(f"  kept in {KEPT_FILE.name}; python -m tests.deterministic --seed {seed} --trace shows the whole")


if __name__ == "__main__":
    sys.exit(main())
