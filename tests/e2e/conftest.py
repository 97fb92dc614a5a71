"""One stack for all stories; its log and the provider's books are checked when everything has been told."""

from tests.support.shared import stack, world

__all__ = ["stack", "world"]
