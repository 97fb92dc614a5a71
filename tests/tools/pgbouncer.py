"""PgBouncer for the tests of what stands behind a pooler: `python -m tests.tools.pgbouncer` prints its path."""

import sys
from pathlib import Path
from typing import Final

from devstack.console import print_path
from tests.tools.debian import ensure_program

PROGRAM_NAMES: Final = ("pgbouncer",)


def ensure_pgbouncer() -> Path:
    """PgBouncer as it is installed here; as root on Debian it is installed first. Raises DevstackError."""
    return ensure_program(PROGRAM_NAMES, "pgbouncer")


def main() -> int:
    """Prints the path; 1 where there is none."""
    return print_path(ensure_pgbouncer)


if __name__ == "__main__":
    sys.exit(main())
