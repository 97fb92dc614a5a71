"""The stack of the stories; every test here breaks something and leaves it whole again."""

from tests.support.shared import stack, world

__all__ = ["stack", "world"]
