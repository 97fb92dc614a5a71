"""The state of one sandbox: store, clock, scripts and webhook sender, wired together once."""

import asyncio
from fnmatch import fnmatchcase

from sandbox.calls import Answer, Call
from sandbox.config import SandboxConfig
from sandbox.models import Document, Fault
from sandbox.outcomes import Reply, parse_outcome
from sandbox.store import SandboxClock, Store
from sandbox.stripe.errors import error_for_status, resource_missing
from sandbox.stripe.events import EventRecorder
from sandbox.stripe.idempotency import IdempotencyKeys
from sandbox.stripe.payments import Payments
from sandbox.stripe.webhooks import StripeWebhooks

DEFAULT_SCRIPT_CONTROL: Document = {
    "script": [],
    "default": "succeed",
    "echo": True,
    "echo_delivery": {},
    "unguarded": False,
}


class SandboxWorld:
    """The parts of a sandbox; request handlers get it whole."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.store = Store(config.state)
        self.clock = SandboxClock(self.store)
        self.account: str | None = None
        self.events = EventRecorder(self.store, self.clock)
        self.payments = Payments(self.store, self.clock, self.events)
        self.idempotency_keys = IdempotencyKeys(self.store)
        self.webhooks = StripeWebhooks(config, self.events.mark_delivered)
        self.locked_objects: set[str] = set()
        self.faults: list[Fault] = []

    def for_account(self, account: str | None) -> "SandboxWorld":
        """This sandbox as a connected account sees it: with objects of its own, all else shared."""
        return self if account is None else AccountWorld(self, account)

    def require_document(self, kind: str, document_id: str) -> Document:
        """The document, or Stripe's 404."""
        found = self.store.get(kind, document_id)
        if found is None:
            raise resource_missing(kind, document_id)
        return found

    def script_control(self, invoice_id: str) -> Document:
        """How pay calls of an invoice are scripted."""
        return DEFAULT_SCRIPT_CONTROL | {"id": invoice_id} | (self.store.get("control", invoice_id) or {})


class AccountWorld(SandboxWorld):
    """One connected account (docs.stripe.com/connect/authentication)."""

    def __init__(self, platform: SandboxWorld, account: str) -> None:
        self.config, self.clock, self.idempotency_keys = platform.config, platform.clock, platform.idempotency_keys
        self.webhooks, self.locked_objects, self.faults = platform.webhooks, platform.locked_objects, platform.faults
        self.account = account
        self.store = platform.store.for_account(account)
        self.events = EventRecorder(self.store, self.clock, account)
        self.payments = Payments(self.store, self.clock, self.events)


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
