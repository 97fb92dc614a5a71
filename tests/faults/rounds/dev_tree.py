"""`pri dev` killed with its whole tree, and started again on the same data. It takes a stack of another kind."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from typing import Final

from devstack.ports import LOOPBACK, free_port
from devstack.programs import Options
from devstack.stack import DevStack
from tests.faults.rounds.faults import Fault
from tests.support import stacks
from tests.support.dev_process import DevProcess, run_provider
from tests.support.service import RunningService, open_service

SECRET: Final = "whsec_elsewhere"


class DevTree(DevStack):
    """A stack that `pri dev` runs as a process of its own; what is here only knows its addresses."""

    def __init__(self, process: DevProcess) -> None:
        ports = process.api_port, process.temporal_port
        super().__init__(
            Options(process.data, *ports, 0, sandbox=False, environment=process.settings), stacks.default_settings()
        )
        self.process = process
        self.addresses  # noqa: B018 (as long as the ports are free)


class DevTreeKilled(Fault):
    """API, worker, PostgreSQL, Temporal and `pri dev` itself are killed at once."""

    name, alone = "dev-killed", True

    async def inject(self) -> None:
        """SIGKILL to all of them."""
        await asyncio.to_thread(self._process.kill_tree)

    async def heal(self) -> None:
        """The same command on the same data; that it takes its time counts."""
        self._process.launch()

    @property
    def _process(self) -> DevProcess:
        stack = self.target.service.stack
        assert isinstance(stack, DevTree)
        return stack.process

    @classmethod
    @asynccontextmanager
    async def open_stack(cls, settings: Mapping[str, str]) -> AsyncIterator[RunningService]:
        """`pri dev --no-sandbox`; the gateway runs elsewhere, as a real one would."""
        port = free_port()
        account = {
            "STRIPE_API_BASE": f"http://{LOOPBACK}:{port}",
            "STRIPE_API_KEY": "sk_test_elsewhere",
            "STRIPE_WEBHOOK_SECRETS": SECRET,
        }
        with ExitStack() as exits:
            folder = exits.enter_context(stacks.short_folder())
            process = DevProcess(folder, "--no-sandbox", **settings, **account)
            process.data.mkdir()
            books = ("--state", str(process.data / "sandbox.db"))
            webhooks = ("--webhook-url", f"http://{LOOPBACK}:{process.api_port}/webhooks/stripe")
            exits.enter_context(run_provider(port, *books, *webhooks, secret=SECRET))
            stack = DevTree(process)
            exits.callback(process.close)
            endpoints = await asyncio.to_thread(process.start_stack)
            async with open_service(endpoints, stack) as service:
                yield service
