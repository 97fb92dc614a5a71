"""The fake Stripe's objects: what is shared with the other fakes, and Stripe's events and payments beside it."""

from sandbox.models import Document
from sandbox.stripe.errors import invalid_request, resource_missing
from sandbox.stripe.events import EventRecorder
from sandbox.stripe.payments import PAYABLE_STATUSES, Payments
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

    def require_payable_invoice(self, invoice_id: str) -> Document:
        """The invoice. Raises StripeError (404, or 400 where it can't be paid any more)."""
        invoice = self.require_document("invoice", invoice_id)
        if invoice["status"] not in PAYABLE_STATUSES:
            raise invalid_request(f"This invoice can't be paid: its status is {invoice['status']}.")
        return invoice
