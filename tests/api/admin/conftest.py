"""The admin console of an application over a real database; sign in with `console.sign_in_as(role)`."""

import pytest

from tests.api.admin.console import AdminBrowser
from tests.api.harness import ApiHarness


@pytest.fixture
def console(harness: ApiHarness) -> AdminBrowser:
    """A browser in which nobody has signed in."""
    return AdminBrowser(harness)
