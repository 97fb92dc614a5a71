"""One stack for all stories; its log and the provider's books are checked when everything has been told."""

from tests.support.stack_fixtures import service, stack

__all__ = ["service", "stack"]
