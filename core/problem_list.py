"""Lists what is wrong with a text from outside, bounded: it may have thousands of mistakes."""

from collections.abc import Iterable
from typing import Final

MOST_PROBLEMS: Final = 20
LONGEST_PROBLEM: Final = 300
"""Characters of one problem that are shown."""


def join_problems(problems: Iterable[str], count: int) -> str:
    """The first 20 of `count` problems on one line, each shortened, and how many more there are."""
    shown = [shorten(problem) for problem, _ in zip(problems, range(MOST_PROBLEMS), strict=False)]
    more = [f"and {count - len(shown)} more"] if count > len(shown) else []
    return "; ".join(shown + more)


def shorten(text: str) -> str:
    """The text on one line, cut off at 300 characters."""
    line = text[: LONGEST_PROBLEM + 1].replace("\n", " ")
    return line if len(line) <= LONGEST_PROBLEM else f"{line[:LONGEST_PROBLEM]}…"
