"""One stack for all end-to-end tests; its log and the provider's books are checked at the end."""

from tests.support.stack_fixtures import service, stack

__all__ = ["service", "stack"]
