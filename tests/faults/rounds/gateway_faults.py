"""Faults of the payment provider: errors, limits, silence, lost answers, slowness."""

from typing import Final

from sandbox.outcomes import GARBAGE
from tests.faults.rounds.errors import tolerate_refusals
from tests.faults.rounds.faults import ShortFault

ALL_PATHS, PAY_PATHS = "/v1/*", "/v1/invoices/*/pay"
MANY: Final = 100_000
SILENCE_SECONDS: Final = 22
"""Longer than the service waits for an answer."""


class _ScriptedFault(ShortFault):
    """Every call that fits fails in one way until the fault is healed."""

    path, method, outcome = ALL_PATHS, "*", ""

    async def inject(self) -> None:
        """Calls fail from now on."""
        await self.target.service.sandbox.add_fault(self.path, self.outcome, method=self.method, times=MANY)

    async def heal(self) -> None:
        """New calls are answered again."""
        await self.target.service.sandbox.clear_faults()


class GatewayErrors(_ScriptedFault):
    """Every call is answered with 500 and does nothing."""

    name, outcome = "gateway-500", "error:500"


class GatewayLimits(_ScriptedFault):
    """Every call is refused as one too many."""

    name, outcome = "gateway-429", "error:429:1"


class GatewaySlow(_ScriptedFault):
    """Every call takes three seconds longer."""

    name, outcome = "gateway-slow", "hang:3"


class GatewayTimeouts(_ScriptedFault):
    """Pay calls are executed when nobody waits for their answer any more."""

    name, outcome, path, method = "gateway-timeout", f"hang:{SILENCE_SECONDS}", PAY_PATHS, "POST"


class GatewayGarbage(ShortFault):
    """Answers are what proxies and broken servers send: no JSON, half of it, an HTML page, fields of wrong types."""

    name = "gateway-garbage"

    async def inject(self) -> None:
        """Every call gets one kind after another; the newest invoices' charges are made all the same."""
        sandbox, kinds = self.target.service.sandbox, tuple(GARBAGE)
        for place, invoice in enumerate(self.target.newest_invoices(20)):
            with tolerate_refusals():
                await sandbox.set_script(invoice, f"garbage:{kinds[place % len(kinds)]}")
        for kind in kinds * 12:
            await sandbox.add_fault(ALL_PATHS, f"garbage:{kind}", method="GET", times=3)

    async def heal(self) -> None:
        """New calls are answered again."""
        await self.target.service.sandbox.clear_faults()


class GatewayDrops(_ScriptedFault):
    """The newest invoices' next charges succeed and lose their answer, as do ten reads."""

    name, outcome, method = "gateway-success-then-drop", "drop", "GET"

    async def inject(self) -> None:
        """What charges of open invoices do is replaced; ten reads are cut off."""
        sandbox = self.target.service.sandbox
        for invoice in self.target.newest_invoices(20):
            with tolerate_refusals():
                await sandbox.set_script(invoice, "succeed_then_drop")
        await sandbox.add_fault(self.path, self.outcome, method=self.method, times=10)
