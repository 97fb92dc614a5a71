"""The desk of an application over a real database; sign in with `desk.signed_in(role)`."""

import pytest

from tests.api.admin.desk import AdminBrowser
from tests.api.house import ApiHarness


@pytest.fixture
def desk(house: ApiHarness) -> AdminBrowser:
    """Nobody has signed in."""
    return AdminBrowser(house)
