"""PgBouncer for the tests of what stands behind a pooler: `python -m devstack.pgbouncer` prints its path."""

import sys
from pathlib import Path
from typing import Final

from devstack.console import show_path
from devstack.debian import program

NAMES: Final = ("pgbouncer",)


def ensure() -> Path:
    """PgBouncer as it is installed here; as root on Debian it is installed first. Raises DevstackError."""
    return program(NAMES, "pgbouncer")


def main() -> int:
    """Prints the path; 1 where there is none."""
    return show_path(ensure)


if __name__ == "__main__":
    sys.exit(main())
