"""A browser for the tests that use the admin console as people do: `python -m tests.tools.browser` prints its path."""

import sys
from pathlib import Path
from typing import Final

from devstack.console import print_path
from tests.tools.debian import ensure_program

PROGRAM_NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def ensure_browser() -> Path:
    """Chromium as it is installed here; as root on Debian it is installed first. Raises DevstackError."""
    return ensure_program(PROGRAM_NAMES, "chromium")


def main() -> int:
    """Prints the path; 1 where there is none."""
    return print_path(ensure_browser)


if __name__ == "__main__":
    sys.exit(main())
