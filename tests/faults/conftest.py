"""The stack of tests/e2e; every test here breaks a part of it and restores it."""

from tests.support.stack_fixtures import service, stack

__all__ = ["service", "stack"]
