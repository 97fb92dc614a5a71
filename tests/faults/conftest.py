"""The stack of the stories; every test here breaks something and leaves it whole again."""

from tests.support.stack_fixtures import service, stack

__all__ = ["service", "stack"]
