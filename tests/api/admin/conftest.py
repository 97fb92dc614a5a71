"""The desk of an application over a real database; sign in with `desk.signed_in(role)`."""

import pytest

from tests.api.admin.desk import Desk
from tests.api.house import House


@pytest.fixture
def desk(house: House) -> Desk:
    """Nobody has signed in."""
    return Desk(house)
