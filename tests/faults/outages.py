"""Parts of the stack that crash and come back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.service import RunningService


@asynccontextmanager
async def part_away(service: RunningService, part: str) -> AsyncIterator[None]:
    """Crashes a part of the stack for as long as the block runs; afterwards everything is ready again."""
    service.stack.kill(part)
    program = service.stack.stop(part)
    try:
        yield
    finally:
        service.stack.start_program(program)
        service.stack.wait_ready()
