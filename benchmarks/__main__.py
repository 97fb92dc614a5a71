"""`python -m benchmarks`: every benchmark in turn; exit code 1 where one of them misses its mark."""

import sys

from benchmarks import decide, replay, simulate

if __name__ == "__main__":
    sys.exit(0 if all([decide.main(), simulate.main(), replay.main()]) else 1)
