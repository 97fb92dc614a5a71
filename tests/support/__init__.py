"""Helpers shared by the tests of several packages."""

import pytest

pytest.register_assert_rewrite("tests.support.service", "tests.support.laws")
