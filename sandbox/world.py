"""Everything one sandbox holds, wired together once."""

from sandbox.clock import Clock
from sandbox.config import SandboxConfig
from sandbox.errors import missing
from sandbox.events import Events
from sandbox.idempotency import Keys
from sandbox.models import Document, Fault
from sandbox.payments import Payments
from sandbox.store import Store
from sandbox.webhooks import Webhooks

PLAIN_CONTROL: Document = {"script": [], "default": "succeed", "echo": True, "echo_delivery": {}, "unguarded": False}


class World:
    """The parts of a sandbox; request handlers get it whole."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.store = Store(config.state)
        self.clock = Clock(self.store)
        self.account: str | None = None
        self.events = Events(self.store, self.clock)
        self.payments = Payments(self.store, self.clock, self.events)
        self.keys = Keys(self.store)
        self.webhooks = Webhooks(config, self.events.delivered)
        self.busy: set[str] = set()
        self.faults: list[Fault] = []

    def of(self, account: str | None) -> "World":
        """This sandbox as a connected account sees it: with objects of its own, all else shared."""
        return self if account is None else AccountWorld(self, account)

    def need(self, kind: str, document_id: str) -> Document:
        """The document, or Stripe's 404."""
        found = self.store.get(kind, document_id)
        if found is None:
            raise missing(kind, document_id)
        return found

    def control(self, invoice_id: str) -> Document:
        """How pay calls of an invoice are scripted."""
        return PLAIN_CONTROL | {"id": invoice_id} | (self.store.get("control", invoice_id) or {})


class AccountWorld(World):
    """One connected account (docs.stripe.com/connect/authentication)."""

    def __init__(self, platform: World, account: str) -> None:
        self.config, self.clock, self.keys = platform.config, platform.clock, platform.keys
        self.webhooks, self.busy, self.faults = platform.webhooks, platform.busy, platform.faults
        self.account = account
        self.store = platform.store.of(account)
        self.events = Events(self.store, self.clock, account)
        self.payments = Payments(self.store, self.clock, self.events)
