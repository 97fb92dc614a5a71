"""The simulator's input: failed invoices as integer columns, and a codebook of the values that many of them share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.base import Value
from core.ids import spread_seed
from core.payments import Card, Failure, Risk
from core.segmentation.rules import CustomerProfile

NEVER: Final = int(np.iinfo(np.int64).max)
"""The time of an event that doesn't happen: later than every other, so comparisons need no special case."""

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


class FailureKind(Value):
    """What a provider reports about a failure; shared by many invoices."""

    failure: Failure
    card: Card = Card()
    """Without a fingerprint: each case has its own card."""
    risk: Risk = Risk()


class Payer(Value):
    """The properties of customer and invoice that decisions use; shared by many cases. Amount in minor units."""

    amount: int
    currency: str
    country: str | None = None
    time_zone: str | None = None
    profile: CustomerProfile = CustomerProfile()


@dataclass(frozen=True)
class Codebook:
    """The values that the columns of `Cases` are indices of."""

    provider: str
    failures: tuple[FailureKind, ...]
    payers: tuple[Payer, ...]
    names: tuple[str, ...]
    """Invoice ids; jitter depends on them."""
    customers: tuple[str, ...]
    """Customer ids, parallel to `names`; experiments assign arms by them."""

    @cached_property
    def spread_seeds(self) -> NDArray[np.uint32]:
        """By name: the seed that `core.ids.spread_attempt` mixes attempts into."""
        return np.fromiter((spread_seed(name) for name in self.names), dtype=np.uint32, count=len(self.names))


class Case(NamedTuple):
    """One failed invoice. Times in seconds since 1970, UTC."""

    number: int
    """Names its random draws."""
    invoice_id: str
    customer_id: str
    kind: FailureKind
    payer: Payer
    failed_at: int
    paid_at: int
    """When the customer pays without a charge of ours, if the recovery is still open; or NEVER."""
    method_at: int
    """When the customer gives another card; or NEVER."""
    earlier: tuple[int, ...]
    """Charges of this card before the failure, of the same amount."""


@dataclass(frozen=True, eq=False)
class Cases:
    """A chunk of cases: columns with a row per case. Times in seconds since 1970, UTC; or NEVER."""

    book: Codebook
    number: NDArray[np.uint64]
    name: Integers
    failure: Integers
    payer: Integers
    failed_at: Integers
    paid_at: Integers
    method_at: Integers
    earlier: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Times of earlier charges of the card, by row; rows without any are absent."""

    def __len__(self) -> int:
        return len(self.number)

    @cached_property
    def earlier_counts(self) -> Integers:
        """The number of earlier charges of each card."""
        counts = np.zeros(len(self), dtype=np.int64)
        rows = np.fromiter(self.earlier, dtype=np.int64, count=len(self.earlier))
        counts[rows] = np.fromiter(map(len, self.earlier.values()), dtype=np.int64, count=len(self.earlier))
        return counts

    def case_at(self, row: int) -> Case:
        """The case in that row, with the values its codes stand for."""
        return Case(
            number=int(self.number[row]),
            invoice_id=self.book.names[self.name[row]],
            customer_id=self.book.customers[self.name[row]],
            kind=self.book.failures[self.failure[row]],
            payer=self.book.payers[self.payer[row]],
            failed_at=int(self.failed_at[row]),
            paid_at=int(self.paid_at[row]),
            method_at=int(self.method_at[row]),
            earlier=self.earlier.get(row, ()),
        )


NO_VALUE: Final = -1


class Memo:
    """Caches a function from integers below `size` to integers of at least 0, for lookups of whole arrays."""

    def __init__(self, size: int, ask: Callable[[int], int]) -> None:
        self._known: Integers = np.full(size, NO_VALUE, dtype=np.int64)
        self._ask = ask

    def look_up(self, keys: Integers) -> Integers:
        """The value of each key; the function is called once for each key that is new."""
        found = self._known[keys]
        if (found == NO_VALUE).any():
            for key in np.unique(keys[found == NO_VALUE]).tolist():
                self._known[key] = self._ask(key)
            found = self._known[keys]
        return np.asarray(found)
