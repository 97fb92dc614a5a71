"""Copies of values: as pydantic makes them, but without what was cached of the original."""

import pickle
from functools import cached_property

from core.base import Value
from core.payments import Card, Failure


class Pair(Value):
    """Two numbers with a cached sum."""

    left: int
    right: int = 2

    @cached_property
    def total(self) -> int:
        """Their sum."""
        return self.left + self.right


def test_a_copy_forgets_what_was_cached() -> None:
    pair = Pair(left=1)
    assert pair.total == 3
    assert pair.model_copy(update={"left": 5}).total == 7
    assert pair.total == 3


def test_a_copy_is_equal_and_knows_which_fields_are_set() -> None:
    pair = Pair(left=1)
    copied = pair.model_copy(update={"right": 4})
    assert (copied, copied.model_fields_set) == (Pair(left=1, right=4), {"left", "right"})
    assert pair.model_copy() == pair
    assert pair.model_copy(deep=True) == pair
    assert pickle.loads(pickle.dumps(copied)) == copied
    assert hash(copied) == hash(Pair(left=1, right=4))


def test_unknown_fields_are_not_written() -> None:
    failure = Failure(code="lost_card", network=None)
    known = failure.without_unknown()
    assert known == failure
    assert known.model_dump(exclude_unset=True) == failure.model_dump(exclude_none=True) == {"code": "lost_card"}
    assert Card().without_unknown().model_dump(exclude_unset=True) == {}
    assert vars(known) is not vars(failure)
