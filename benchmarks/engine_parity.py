"""Runs 2,000 recoveries through both engines and the real workflow; all results must be equal to the second."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.measures import Measure, Size

RECOVERIES: Final = 2_000
TEST: Final = "tests/workflows/test_simulator.py"


def measure(_: Size = Size.FULL) -> Iterator[Measure]:
    """Whether all three give the same result for every recovery. Takes about ten minutes."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TEST, "--recoveries", str(RECOVERIES)]
    equal = subprocess.run(command, cwd=Path(__file__).parents[1], check=False).returncode == 0
    yield Measure(f"fidelity, {RECOVERIES:,} recoveries equal in both engines and the workflow", [equal], at_least=1)
