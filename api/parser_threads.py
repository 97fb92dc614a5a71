"""Runs parsers of outside text beside the event loop, a few at a time, so that webhooks and health checks go on."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final, ParamSpec, TypeVar

from core.errors import TooManyRequests

Given = ParamSpec("Given")
Result = TypeVar("Result")

AT_A_TIME: Final = 2
MOST_WAITING: Final = 20
"""Calls that wait for a thread; further ones are refused, since each holds its text in memory."""


class ParserThreads:
    """At most two parsers of this process at a time, and twenty that wait for them."""

    def __init__(self, at_a_time: int = AT_A_TIME, most_waiting: int = MOST_WAITING) -> None:
        self._turns = asyncio.Semaphore(at_a_time)
        self._left = at_a_time + most_waiting

    async def run(self, parse: Callable[Given, Result], /, *args: Given.args, **named: Given.kwargs) -> Result:
        """The result of the call, made in a thread. Raises TooManyRequests if too many wait, and what the call raises.

        A caller that is cancelled leaves its thread running to the end; the next call may begin meanwhile.
        """
        if self._left <= 0:
            raise TooManyRequests("Too many texts are being read now. Please try again.", timedelta(seconds=5))
        self._left -= 1
        try:
            async with self._turns:
                return await asyncio.to_thread(parse, *args, **named)
        finally:
            self._left += 1
