"""Programs that tests use, built with Go: `python -m devstack.tools stripe-mock|toxiproxy` prints the path."""

import sys
from dataclasses import dataclass
from pathlib import Path

from devstack.cache import go_install
from devstack.console import say
from devstack.errors import DevstackError


@dataclass(frozen=True)
class Tool:
    """A Go program: its module with the version, the name Go gives it, the name we give it."""

    module: str
    built: str
    name: str


TOOLS = {
    "stripe-mock": Tool("github.com/stripe/stripe-mock@v0.203.0", "stripe-mock", "stripe-mock"),
    "toxiproxy": Tool("github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0", "server", "toxiproxy-server"),
}


def ensure(name: str) -> Path:
    """The program of that name, built on first use; DevstackError when that cannot be done here."""
    tool = TOOLS[name]
    return go_install(tool.module, tool.built, tool.name)


def main(arguments: list[str]) -> int:
    """Prints one path per name; 1 when a program cannot be had, 2 for an unknown name."""
    if not arguments or not TOOLS.keys() >= set(arguments):
        say(f"usage: python -m devstack.tools {'|'.join(TOOLS)}")
        return 2
    try:
        sys.stdout.writelines(f"{ensure(name)}\n" for name in arguments)
    except DevstackError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
