"""A browser for the tests that use the desk as people do: `python -m devstack.browser` prints its path."""

import sys
from pathlib import Path
from typing import Final

from devstack.console import show_path
from devstack.debian import program

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def ensure() -> Path:
    """Chromium as it is installed here; as root on Debian it is installed first. Raises DevstackError."""
    return program(NAMES, "chromium")


def main() -> int:
    """Prints the path; 1 where there is none."""
    return show_path(ensure)


if __name__ == "__main__":
    sys.exit(main())
