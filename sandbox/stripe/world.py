"""The fake Stripe's objects: what is shared with the other fakes, and Stripe's events and payments beside it."""

from sandbox.models import Document
from sandbox.stripe.errors import resource_missing
from sandbox.stripe.events import EventRecorder
from sandbox.stripe.payments import Payments
from sandbox.world import SandboxWorld


class StripeWorld(SandboxWorld):
    """The sandbox as the platform sees it, or as one of its connected accounts does.

    Source: docs.stripe.com/connect/authentication.
    """

    def __init__(self, shared: SandboxWorld, account: str | None = None) -> None:
        store = shared.store.for_account(account) if account else shared.store
        super().__init__(shared.config, store, shared.clock, shared.faults)
        self.events = EventRecorder(self.store, self.clock, account)
        self.payments = Payments(self.store, self.clock, self.events)

    def for_account(self, account: str | None) -> "StripeWorld":
        """The same sandbox with the objects of a connected account, all else shared; None: unchanged."""
        return self if account is None else StripeWorld(self, account)

    def require_document(self, kind: str, document_id: str) -> Document:
        """The document. Raises StripeError (404) where there is none."""
        found = self.store.get(kind, document_id)
        if found is None:
            raise resource_missing(kind, document_id)
        return found
