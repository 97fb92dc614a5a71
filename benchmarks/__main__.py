"""`python -m benchmarks [NAME…]`: every benchmark in turn, or these; exit code 1 where one misses its mark."""

import sys

from benchmarks import decide, desk, fidelity, replay, simulate

BENCHMARKS = {
    "decide": decide.main,
    "simulate": simulate.main,
    "replay": replay.main,
    "desk": desk.main,
    "fidelity": fidelity.main,
}

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(BENCHMARKS)
    if unknown := [name for name in wanted if name not in BENCHMARKS]:
        sys.exit(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    sys.exit(0 if all([BENCHMARKS[name]() for name in wanted]) else 1)
