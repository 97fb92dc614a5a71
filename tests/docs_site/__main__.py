"""`make docs`: builds the documentation site and prints the address of its first page."""

import sys

from tests.docs_site.build import build_site
from tests.docs_site.pages import ROOT


def main() -> int:
    """Builds the site into build/docs; 1 if that warns."""
    try:
        pages = build_site(ROOT / "build" / "docs")
    except (RuntimeError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{(pages / 'index.html').as_uri()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
