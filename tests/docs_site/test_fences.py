"""Every code block of the docs says its language, and each with commands which test runs it, or why none does."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.docs_site.fences import SHELL, Fence, blocks_run_by, fences_in
from tests.docs_site.pages import ROOT

PAGES: Final = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
}
COMMANDS: Final = (
    "make ",
    "pri ",
    ".venv/bin/",
    "curl ",
    "docker ",
    "temporal ",
    "stripe ",
    "pip",
    "git ",
    "helm ",
    "kubectl ",
)


def find_problems(page: str, text: str) -> Iterator[str]:
    """One sentence for each code block that doesn't keep to the convention."""
    for fence in fences_in(text):
        first = fence.code.partition("\n")[0]
        if not fence.language:
            yield f"{page}: the block {first!r} has no language"
        elif fence.language in SHELL:
            yield from _problems_of_commands(page, first, fence)
        elif fence.language == "text" and first.startswith(COMMANDS):
            yield f"{page}: the block {first!r} has commands and is no `sh`"


def _problems_of_commands(page: str, first: str, fence: Fence) -> Iterator[str]:
    if fence.language != "sh":
        yield f"{page}: the block {first!r} is {fence.language}; write `sh`"
    elif fence.run_by is None and fence.not_run is None:
        yield f'{page}: the block {first!r} has neither `run-by=TEST` nor `not-run="REASON"`'
    elif fence.run_by and not _names(fence.run_by, page):
        yield f"{page}: {fence.run_by}, which is said to run {first!r}, doesn't name the page"


def _names(test: str, page: str) -> bool:
    """Whether the test exists and speaks of the page, as each that reads it does."""
    path = ROOT / test
    parts = page.split("/")
    forms = (page, " / ".join(f'"{part}"' for part in parts))
    return path.is_file() and any(form in path.read_text(encoding="utf-8") for form in forms)


@pytest.mark.parametrize("page", PAGES)
def test_blocks_keep_to_the_convention(page: str) -> None:
    assert list(find_problems(page, PAGES[page])) == []


def test_there_are_blocks_of_either_kind() -> None:
    fences = [fence for text in PAGES.values() for fence in fences_in(text) if fence.language == "sh"]
    assert sum(fence.run_by is not None for fence in fences) >= 10
    assert sum(fence.not_run is not None for fence in fences) >= 10


@pytest.mark.parametrize(
    "block",
    [
        "```\nmake demo\n```\n", "```text\nmake demo\n```\n", "```bash\nmake demo\n```\n", "```sh\nmake demo\n```\n",
        "```sh not-run\nmake demo\n```\n", '```sh not-run=""\nmake demo\n```\n',
        "```sh run-by=tests/e2e/test_nothing.py\nmake demo\n```\n",
        "```sh run-by=tests/docs_site/fences.py\nmake demo\n```\n", "1. A step\n\n    ```\n    make demo\n    ```\n",
    ],
)  # fmt: skip
def test_blocks_outside_of_the_convention_are_found(block: str) -> None:
    assert len(list(find_problems("docs/quickstart.md", block))) == 1


def test_blocks_of_a_test_are_found_in_order() -> None:
    text = "```sh run-by=a.py\none\n```\n\n```sh run-by=b.py\ntwo\n```\n\n  ```sh run-by=a.py\n  three\n  ```\n"
    assert blocks_run_by("a.py", text) == ["one\n", "three\n"]
