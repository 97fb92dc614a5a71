"""2,000 recoveries lived by both engines of the simulator and by the real workflow: the same, to the second."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.decisions import print_line

RECOVERIES: Final = 2_000
TEST: Final = "tests/workflows/test_simulator.py"


def main() -> bool:
    """Takes about ten minutes; whether every one of them was told alike."""
    print_line(f"fidelity: living {RECOVERIES:,} recoveries twice")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TEST, "--recoveries", str(RECOVERIES)]
    told = subprocess.run(command, cwd=Path(__file__).parents[1], check=False).returncode == 0
    print_line(f"fidelity: {'alike' if told else 'NOT alike'}")
    return told
