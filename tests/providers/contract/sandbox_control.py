"""The control side of our own fakes: what differs from one to the other is how a payment fails."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from core.classification.taxonomy import Cause
from sandbox.client import SandboxClient
from sandbox.models import Delivery, LedgerEntry, LogEntry
from tests.providers.contract.subject import FailedPayment

Client = TypeVar("Client", bound=SandboxClient)
FailureMaker = Callable[..., Awaitable[FailedPayment]]
"""Makes a failed payment of the client's fake; its named arguments are fields of that fake's ready-made failures."""


class SandboxControl(Generic[Client]):
    """One of the sandbox's providers."""

    def __init__(self, box: Client, causes: Mapping[Cause, str], make_failure: FailureMaker) -> None:
        self._box = box
        self._causes = causes
        self._make_failure = make_failure

    async def fail_payment(
        self, *script: str, cause: Cause = Cause.INSUFFICIENT_FUNDS, deliver: bool = False
    ) -> FailedPayment:
        return await self._make_failure(
            self._box,
            script=script,
            decline_code=self._causes[cause],
            delivery=Delivery(wait=True) if deliver else None,
            echo=deliver,
        )

    async def ledger(self, invoice: str | None = None) -> list[LedgerEntry]:
        return await self._box.read_ledger(invoice)

    async def pay_calls(self, invoice: str) -> list[LogEntry]:
        return await self._box.pay_calls(invoice)


@asynccontextmanager
async def open_sandbox_control(
    box: Client, causes: Mapping[Cause, str], make_failure: FailureMaker
) -> AsyncIterator[SandboxControl[Client]]:
    """The control side, whose client is closed behind it."""
    async with box:
        yield SandboxControl(box, causes, make_failure)
