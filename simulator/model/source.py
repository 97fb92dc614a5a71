"""Where cases and chances come from: a synthetic population, the event log, or a history file."""

from typing import Protocol

from core.base import Value
from simulator.model.cases import Cases
from simulator.model.outcomes import OutcomeChances


class Assumption(Value):
    """One number that the result rests on."""

    name: str
    value: str
    source: str
    weakness: str
    attempts: int | None = None
    """Recorded attempts behind it; None where it isn't fitted."""


class Source(Protocol):
    """Yields the same cases for the same range, in whatever order and process it is asked. Can be pickled."""

    @property
    def name(self) -> str:
        """synthetic, history, or the file's name."""

    @property
    def currency(self) -> str:
        """Amounts of other currencies are not added up."""

    @property
    def outcomes(self) -> OutcomeChances:
        """The chances of charges."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the result must know about it, in sentences."""

    @property
    def assumption_list(self) -> tuple[Assumption, ...]:
        """Every number behind the chances."""

    def __len__(self) -> int:
        """How many cases there are."""

    def cases(self, first: int, count: int) -> Cases:
        """The cases from `first` on."""

    def with_baseline(self, soft: float, hard: float) -> "Source":
        """The same with other shares of customers who pay by themselves: for the sensitivity sweep."""
