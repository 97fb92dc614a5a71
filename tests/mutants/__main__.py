"""`python -m tests.mutants`: plants bugs in a copy of the tree and shows by which check each is caught."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.catalogue.all import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.report import format_list, format_markdown, format_report, format_unfit
from tests.mutants.runner import Say, find_unfit_checks, try_mutants
from tests.mutants.tree import copy_tree


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a run. Exits for what it doesn't understand."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description="Plants bugs, one at a time, in a copy of the tree, and runs the checks that must catch them. "
        "A bug is caught if an assertion of each check fails. Exit code 1 for a mutant that is not caught or does not "
        "apply, and for a check that fails without any bug.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to try; all without one")
    parser.add_argument("--list", action="store_true", help="print name, promise and bug of each, and end")
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/reliability.md, and end")
    parser.add_argument("--jobs", type=int, default=2, help="how many to try at a time, each in a copy of its own")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long the checks of one mutant may take")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - {mutant.name for mutant in MUTANTS}):
        parser.error(f"no such mutant: {', '.join(unknown)}")
    return options


def run_mutants(mutants: Sequence[Mutant], jobs: int, seconds: float, say: Say) -> int:
    """Tries these mutants and prints the table on stdout; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="pri-mutants-") as folder:
        trees = [Path(folder) / f"tree-{number}" for number in range(max(1, min(jobs, len(mutants))))]
        copy_tree(trees[0])
        for tree in trees[1:]:
            shutil.copytree(trees[0], tree)
        say(f"{len(mutants)} mutants; first their checks without any bug")
        if unfit := find_unfit_checks(trees[0], mutants, 4 * seconds):
            sys.stdout.write(format_unfit(unfit))
            return 1
        verdicts = list(try_mutants(trees, mutants, seconds, say))
    sys.stdout.write(format_report(verdicts))
    return 0 if all(verdict.is_caught for verdict in verdicts) else 1


def _reporter() -> Say:
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:6.1f} s: {text}\n")
        sys.stderr.flush()

    return say


def main() -> int:
    """Does what the arguments ask for; returns the exit code."""
    options = parse_arguments(sys.argv[1:])
    chosen = [mutant for mutant in MUTANTS if not options.names or mutant.name in options.names]
    if options.list or options.markdown:
        sys.stdout.write(format_list(chosen) if options.list else format_markdown(chosen))
        return 0
    return run_mutants(chosen, options.jobs, options.seconds, _reporter())


if __name__ == "__main__":
    sys.exit(main())
