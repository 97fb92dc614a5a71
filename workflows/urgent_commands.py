"""Handles urgent commands of operators while a call about a charge waits in its queue, or is under way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio import workflow

from workflows.commands import PendingCommand
from workflows.inbox import Inbox

Result = TypeVar("Result")


class UrgentCommands:
    """Has urgent commands of the inbox handled during a call, one after another, while `allowed` says so."""

    def __init__(
        self, inbox: Inbox, handle: Callable[[PendingCommand], Awaitable[None]], allowed: Callable[[], bool]
    ) -> None:
        self._inbox, self._handle, self._is_allowed = inbox, handle, allowed
        self._is_call_over = self._is_handling = False

    async def handle_during(self, call: Awaitable[Result]) -> Result:
        """The call's result, once no command is being handled any more."""
        self._is_call_over = False
        listening = asyncio.create_task(self._listen())
        try:
            return await call
        finally:
            self._is_call_over = True
            # What is begun is finished: a row may be on its way. An error of it belongs to this workflow task.
            if self._is_handling or listening.done():
                await listening
            else:
                listening.cancel()

    async def _listen(self) -> None:
        while not self._is_call_over:
            await workflow.wait_condition(lambda: self._is_allowed() and self._inbox.urgent_command is not None)
            # Asked only once a command is there: a run without one needs no marker, and older histories none at all.
            if not workflow.patched("urgent-commands"):
                return
            if pending := self._inbox.urgent_command:
                await self._take(pending)

    async def _take(self, pending: PendingCommand) -> None:
        self._inbox.take_urgent(pending)
        self._is_handling = True
        try:
            await self._handle(pending)
        finally:
            self._is_handling = False
