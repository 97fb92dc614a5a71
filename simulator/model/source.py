"""The source of cases and chances of a dry run: a synthetic population, the event log, or a history file."""

from typing import Protocol

from core.base import Value
from simulator.model.cases import Cases
from simulator.model.success_chances import OutcomeChances


class Assumption(Value):
    """One number that a result depends on, with its source and its weakness."""

    name: str
    value: str
    source: str
    weakness: str
    attempts: int | None = None
    """Recorded attempts that it was fitted to; None where it isn't fitted."""


class Source(Protocol):
    """Yields the same cases for the same range, in whatever order and process it is asked. Can be pickled."""

    @property
    def name(self) -> str:
        """`synthetic`, `history`, or the file's name."""

    @property
    def currency(self) -> str:
        """The currency of all amounts in the result; amounts in others are not counted."""

    @property
    def outcomes(self) -> OutcomeChances:
        """The success chances of charges."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Caveats for the reader of the result, one sentence each."""

    @property
    def assumption_list(self) -> tuple[Assumption, ...]:
        """Every number behind the chances."""

    def __len__(self) -> int:
        """The number of cases."""

    def cases(self, first: int, count: int) -> Cases:
        """Up to `count` cases from number `first` on; fewer where the source ends."""

    def with_baseline(self, soft: float, hard: float) -> "Source":
        """The same with other shares of customers who pay by themselves: for the sensitivity sweep."""
