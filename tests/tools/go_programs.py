"""Programs that tests use, built with Go: `python -m tests.tools.go_programs stripe-mock|toxiproxy` prints the path."""

import sys
from dataclasses import dataclass
from pathlib import Path

from devstack.console import print_status
from devstack.errors import DevstackError
from devstack.program_cache import install_with_go


@dataclass(frozen=True)
class GoTool:
    """A Go program: its module with the version, the name Go gives it, the name we give it."""

    module: str
    built: str
    name: str


GO_TOOLS = {
    "stripe-mock": GoTool("github.com/stripe/stripe-mock@v0.203.0", "stripe-mock", "stripe-mock"),
    "toxiproxy": GoTool("github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0", "server", "toxiproxy-server"),
}


def ensure_go_tool(name: str) -> Path:
    """The program of that name, built on first use; DevstackError when that cannot be done here."""
    tool = GO_TOOLS[name]
    return install_with_go(tool.module, tool.built, tool.name)


def main(arguments: list[str]) -> int:
    """Prints one path per name; 1 when a program cannot be had, 2 for an unknown name."""
    if not arguments or not GO_TOOLS.keys() >= set(arguments):
        print_status(f"usage: python -m tests.tools.go_programs {'|'.join(GO_TOOLS)}")
        return 2
    try:
        sys.stdout.writelines(f"{ensure_go_tool(name)}\n" for name in arguments)
    except DevstackError as error:
        print_status(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
