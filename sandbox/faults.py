"""Scripted faults of any call, reads above all."""

import asyncio
from fnmatch import fnmatchcase

from sandbox.call import Answer, Call
from sandbox.errors import error_for_status
from sandbox.models import Fault
from sandbox.outcomes import Reply, parse_outcome
from sandbox.world import SandboxWorld


async def apply_fault(world: SandboxWorld, call: Call) -> Answer | None:
    """What a matching fault answers instead of the endpoint; None when there is none, or it only delays."""
    fault = _take_fault(world, call)
    if fault is None:
        return None
    outcome = parse_outcome(fault.outcome)
    await asyncio.sleep(outcome.before)
    if outcome.reply is Reply.ERROR:
        error = error_for_status(outcome.status, outcome.retry_after)
        return Answer(error.status, error.body, error.headers, keep=False, outcome=f"fault {fault.outcome}")
    if outcome.reply is Reply.MALFORMED:
        return Answer(200, {"object": "nonsense"}, keep=False, outcome="fault malformed")
    return Answer(drop=True, keep=False, outcome="fault drop") if outcome.reply is Reply.DROP else None


def _take_fault(world: SandboxWorld, call: Call) -> Fault | None:
    for index, fault in enumerate(world.faults):
        if fault.method in (call.method, "*") and fnmatchcase(call.path, fault.path):
            left = fault.model_copy(update={"times": fault.times - 1})
            world.faults[index : index + 1] = [left] if left.times else []
            return fault
    return None
