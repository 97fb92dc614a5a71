"""What all fakes of one sandbox share: settings, store, clock, the scripts of what comes next, and scripted faults."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from sandbox.calls import Answer, Call
from sandbox.config import SandboxConfig
from sandbox.models import Delivery, Document, Fault, Script
from sandbox.outcomes import Outcome, Reply, parse_outcome
from sandbox.store import SandboxClock, Store

DEFAULT_SCRIPT_CONTROL: Document = {
    "script": [],
    "default": "succeed",
    "echo": True,
    "echo_delivery": {},
    "unguarded": False,
}


@dataclass
class SandboxWorld:
    """The state of one sandbox; every fake keeps its own objects in the same store."""

    config: SandboxConfig
    store: Store
    clock: SandboxClock
    faults: list[Fault] = field(default_factory=list)

    def script_control(self, name: str) -> Document:
        """How the pay calls of an invoice are scripted; the default where nobody has scripted them."""
        return DEFAULT_SCRIPT_CONTROL | {"id": name} | (self.store.get("control", name) or {})

    def store_script(self, name: str, wanted: Script) -> Document:
        """Change what the next pay calls do. Raises ValueError for an outcome that isn't understood."""
        for text in (*(wanted.outcomes or ()), *([wanted.default] if wanted.default else [])):
            parse_outcome(text)
        control = self.script_control(name)
        if wanted.outcomes is not None:
            control["script"] = (control["script"] if wanted.append else []) + list(wanted.outcomes)
        changed = wanted.model_dump(exclude_none=True, exclude={"outcomes", "append"}, mode="json")
        return self.store.put("control", control | changed)

    def take_outcome(self, name: str) -> Outcome:
        """Consume the next scripted outcome; the default one when the script is empty."""
        control = self.script_control(name)
        if not control["script"]:
            return parse_outcome(control["default"])
        text_of = control["script"].pop(0)
        self.store.put("control", control)
        return parse_outcome(text_of)

    def echo_delivery(self, name: str) -> Delivery | None:
        """How the webhooks about a pay call are sent; None when they are off."""
        control = self.script_control(name)
        on = self.config.echo and control["echo"]
        return Delivery.model_validate(control["echo_delivery"] | {"wait": False}) if on else None


def open_world(config: SandboxConfig) -> SandboxWorld:
    """The world as its state file has it, or an empty one."""
    store = Store(config.state)
    return SandboxWorld(config, store, SandboxClock(store))


async def apply_fault(world: SandboxWorld, call: Call, render_error: Callable[[Outcome], Answer]) -> Answer | None:
    """What a matching fault answers instead of the endpoint; None when there is none, or it only delays."""
    fault = _take_fault(world.faults, call)
    if fault is None:
        return None
    outcome = parse_outcome(fault.outcome)
    await asyncio.sleep(outcome.before)
    if outcome.reply is Reply.ERROR:
        return replace(render_error(outcome), keep=False, outcome=f"fault {fault.outcome}")
    if outcome.reply is Reply.MALFORMED:
        return Answer(200, {"object": "nonsense"}, keep=False, outcome="fault malformed")
    if outcome.reply is Reply.GARBAGE:
        return Answer(outcome.status, outcome.body, keep=False, outcome=f"fault {fault.outcome}")
    return Answer(drop=True, keep=False, outcome="fault drop") if outcome.reply is Reply.DROP else None


def _take_fault(faults: list[Fault], call: Call) -> Fault | None:
    for index, fault in enumerate(faults):
        if fault.method in (call.method, "*") and fnmatchcase(call.path, fault.path):
            left = fault.model_copy(update={"times": fault.times - 1})
            faults[index : index + 1] = [left] if left.times else []
            return fault
    return None
