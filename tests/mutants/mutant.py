"""A mutant: a bug as data, with the promise that it breaks and the checks that must catch it."""

from core.base import Value


class Edit(Value):
    """One change of a file. `old` must be found exactly once, so that code that moved is noticed."""

    file: str
    old: str
    new: str


class Mutant(Value):
    """A bug that is planted on purpose."""

    name: str
    promise: str
    """I1 to I8 of docs/reliability.md, or `security`."""
    bug: str
    """What goes wrong, in a few words."""
    edits: tuple[Edit, ...]
    checks: tuple[str, ...]
    """Node ids of pytest, without parameters. They pass without the bug, and each must catch it by an assertion."""
    error: str = ""
    """The error by which the checks may catch it as well, where the code under test notices the bug and raises it."""
