"""Faults of the network between two parts: slow first, then connections that are reset."""

import asyncio
from typing import Final

from tests.faults.rounds.faults import ShortFault
from tests.faults.rounds.toxiproxy import Toxiproxy, find_proxy_obstacle

LATENCY, JITTER, RESET_AFTER, RESET_SHARE = 250, 200, 300, 0.5
"""Milliseconds each way, and how much more or less; milliseconds until a reset, and the share of connections hit."""


class _Network(ShortFault):
    """The connections of one part to another; the name says which."""

    proxied = True

    @classmethod
    def find_obstacle(cls) -> str | None:
        """Toxiproxy may be missing."""
        return find_proxy_obstacle()

    async def inject(self) -> None:
        """Everything takes longer for a while; then half of the connections break, new ones too."""
        self._proxies.add_toxic(self._pair, "latency", latency=LATENCY, jitter=JITTER)
        await asyncio.sleep(self.target.short_seconds)
        self._proxies.reset()
        self._proxies.add_toxic(self._pair, "reset_peer", RESET_SHARE, timeout=RESET_AFTER)

    async def heal(self) -> None:
        """The network is good again."""
        self._proxies.reset()

    @property
    def _pair(self) -> str:
        return self.name.removeprefix("network-")

    @property
    def _proxies(self) -> Toxiproxy:
        assert self.target.proxies, "the stack has no proxies"
        return self.target.proxies


class ApiPostgres(_Network):
    """API and PostgreSQL."""

    name = "network-api-postgres"


class WorkerPostgres(_Network):
    """Worker and PostgreSQL."""

    name = "network-worker-postgres"


class ApiTemporal(_Network):
    """API and Temporal."""

    name = "network-api-temporal"


class WorkerTemporal(_Network):
    """Worker and Temporal."""

    name = "network-worker-temporal"


class WorkerGateway(_Network):
    """Worker and provider."""

    name = "network-worker-gateway"


KINDS: Final = (ApiPostgres, WorkerPostgres, ApiTemporal, WorkerTemporal, WorkerGateway)
