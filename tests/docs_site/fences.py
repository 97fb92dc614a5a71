"""Code blocks of the docs, and the convention for those with commands.

A block of shell commands begins with one of

    ```sh run-by=tests/e2e/test_8_examples.py     a test that names the page and runs the block
    ```sh not-run="needs Docker"                  no test runs it, and why
"""

import re
from typing import Final, NamedTuple, Self

FENCE: Final = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^ *```\n", re.MULTILINE | re.DOTALL)
RUN_BY: Final = re.compile(r"run-by=(\S+)$")
NOT_RUN: Final = re.compile(r'not-run="([^"]+)"$')
SHELL: Final = frozenset({"sh", "bash", "shell", "console"})


class Fence(NamedTuple):
    """One code block."""

    indent: str
    language: str
    rest: str
    """What follows the language."""
    body: str

    @classmethod
    def of(cls, match: re.Match[str]) -> Self:
        """The block that FENCE matched."""
        language, _, rest = match["info"].strip().partition(" ")
        return cls(match["indent"], language, rest.strip(), match["body"])

    @property
    def code(self) -> str:
        """The text without the block's own indentation."""
        return re.sub(f"^{self.indent}", "", self.body, flags=re.MULTILINE)

    @property
    def run_by(self) -> str | None:
        """The test that runs it; None if it names none."""
        found = RUN_BY.fullmatch(self.rest)
        return found[1] if found else None

    @property
    def not_run(self) -> str | None:
        """Why no test runs it; None if it doesn't say so."""
        found = NOT_RUN.fullmatch(self.rest)
        return found[1] if found else None


def fences_in(text: str) -> list[Fence]:
    """The code blocks of a page, in order."""
    return [Fence.of(match) for match in FENCE.finditer(text)]


def blocks_run_by(test: str, text: str) -> list[str]:
    """The commands of each block of a page that this test runs, in order; `test` is its path in the repository."""
    return [fence.code for fence in fences_in(text) if fence.run_by == test]
