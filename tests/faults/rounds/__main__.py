"""`python -m tests.faults.rounds`: fault rounds against the real stack, and a table of what they showed."""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence

from tests.faults.rounds.plan import plan_round
from tests.faults.rounds.registry import ALONE, FAULTS, PAIRED
from tests.faults.rounds.report import format_report, is_clean
from tests.faults.rounds.round import RoundOptions, RoundResult, run_round


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a run. Exits for what it doesn't understand."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.rounds",
        description="A round is a fresh stack, a steady stream of failed invoices, two faults, drain, check. "
        "Exit code 1 for a violation, or a fault after which the service was not healthy again in time.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=1, help="how many; each one's seed is one higher")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; it decides faults, moments, scripts")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the stream of a round lasts")
    parser.add_argument("--rate", type=float, default=2.0, help="failed invoices per second")
    parser.add_argument("--long-seconds", type=float, default=30.0, help="how long a zombie or Temporal stands still")
    parser.add_argument("--rest-seconds", type=float, default=15.0, help="how long recoveries go on after the stream")
    parser.add_argument("--drain-seconds", type=float, default=120.0, help="how long a round may take to come to rest")
    parser.add_argument("--sleepers", type=int, default=1000, help="recoveries asleep when all workers die")
    parser.add_argument("--healthy-within", type=float, default=15.0, help="seconds from a fault's end to a plan")
    parser.add_argument("--fault", action="append", default=[], choices=sorted(FAULTS), help="instead of the seed's")
    return parser.parse_args(arguments)


async def run_rounds(options: argparse.Namespace) -> list[RoundResult]:
    """The results of all rounds, one after another."""
    results = []
    for seed in range(options.seed, options.seed + options.rounds):
        say = _reporter(seed)
        plan = plan_round(seed, options.seconds, options.rate, PAIRED, options.fault, ALONE)
        faults = ", ".join(f"{fault.name} at {fault.at:.1f} s" for fault in plan.faults)
        say(f"{len(plan.invoices)} invoices; {faults}")
        limits = RoundOptions(options.long_seconds, options.rest_seconds, options.drain_seconds, options.sleepers)
        result = await run_round(plan, limits, say)
        for skipped in result.skipped:
            say(f"skipped {skipped}")
        results.append(result)
        say(f"at rest after {result.drained_seconds:.1f} s, {len(result.violations)} violations")
        for violation in result.violations:
            say(f"VIOLATION {violation.invariant} {violation.subject}: {violation.what}")
    return results


def _reporter(seed: int) -> Callable[[str], None]:
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"round {seed}, {time.monotonic() - began:5.1f} s: {text}\n")
        sys.stderr.flush()

    return say


def main() -> int:
    """Runs the rounds and prints the table on stdout; returns the exit code."""
    options = parse_arguments(sys.argv[1:])
    results = asyncio.run(run_rounds(options))
    sys.stdout.write(format_report(results, options.healthy_within))
    return 0 if is_clean(results, options.healthy_within) else 1


if __name__ == "__main__":
    sys.exit(main())
