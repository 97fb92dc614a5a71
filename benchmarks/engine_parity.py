"""Runs 2,000 recoveries through both engines and the real workflow; all results must be equal to the second."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.decisions import print_line

RECOVERIES: Final = 2_000
TEST: Final = "tests/workflows/test_simulator.py"


def main() -> bool:
    """Whether all three give the same result for every recovery. Takes about ten minutes."""
    print_line(f"fidelity: running {RECOVERIES:,} recoveries through both engines and the workflow")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TEST, "--recoveries", str(RECOVERIES)]
    told = subprocess.run(command, cwd=Path(__file__).parents[1], check=False).returncode == 0
    print_line(f"fidelity: {'equal' if told else 'NOT equal'}")
    return told
