"""Shared by tests of several rooms."""

import pytest

pytest.register_assert_rewrite("tests.support.service", "tests.support.laws")
