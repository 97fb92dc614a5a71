"""The admin console of an application over a real database; sign in with `desk.signed_in(role)`."""

import pytest

from tests.api.admin.console import AdminBrowser
from tests.api.harness import ApiHarness


@pytest.fixture
def console(harness: ApiHarness) -> AdminBrowser:
    """Nobody has signed in."""
    return AdminBrowser(harness)
