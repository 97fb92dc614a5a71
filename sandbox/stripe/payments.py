"""What changes when money moves, or doesn't. Every method runs inside one transaction of its caller."""

from sandbox.models import Decline, Document
from sandbox.store import SandboxClock, Store
from sandbox.stripe import charges, invoice_documents
from sandbox.stripe.documents import DEBIT_TYPES
from sandbox.stripe.errors import invalid_request
from sandbox.stripe.events import EventRecorder
from sandbox.stripe.views import default_intent

PAYABLE_STATUSES = ("open", "uncollectible")
Facts = list[tuple[str, str, Document]]


class Payments:
    """Attempts on invoices; each method gives the events it caused, in Stripe's usual order."""

    def __init__(self, store: Store, clock: SandboxClock, events: EventRecorder) -> None:
        self._store = store
        self._clock = clock
        self._events = events

    def next_intent(self, invoice: Document) -> Document:
        """The payment intent that the next attempt uses: the default one, or a further one when it is used up."""
        found = default_intent(self._store, invoice["id"])
        if found and found["status"] not in ("succeeded", "canceled"):
            return found
        return self.add_payment(invoice, is_default=found is None)

    def add_payment(self, invoice: Document, *, amount: int | None = None, is_default: bool = False) -> Document:
        """A further payment of the invoice, of a part of it if so wanted."""
        now = self._now_for(invoice)
        made = invoice_documents.build_payment_intent(invoice, now)
        made = self._store.put("payment_intent", made | ({"amount": amount} if amount else {}))
        self._store.put(
            "invoice_payment", invoice_documents.build_invoice_payment(invoice, made, now) | {"is_default": is_default}
        )
        return made

    def record_success(
        self, invoice: Document, method: Document, origin: str, key: str | None, intent: Document | None = None
    ) -> list[Document]:
        """Take the money: one more line in the ledger, and the invoice is paid. A debit only begins here."""
        intent = intent or self.next_intent(invoice)
        if method["type"] in DEBIT_TYPES:
            return self._begin_debit(invoice, intent, method, key)
        charge = self._store.put("charge", charges.build_charge(intent, method, self._now_for(invoice)))
        self._count_attempt(invoice, automatic=origin == "provider_retry")
        return self.complete_payment(invoice, intent, charge, origin, key)

    def complete_payment(
        self, invoice: Document, intent: Document, charge: Document, origin: str, key: str | None = None
    ) -> list[Document]:
        """The money of a charge is there; the invoice is paid when nothing of it is left."""
        self._enter_in_ledger(invoice, charge, origin, key)
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "last_payment_error": None}
        intent |= {"latest_charge": charge["id"], "payment_method": charge["payment_method"], "next_action": None}
        self._store.put("payment_intent", intent)
        link = self._mark_link_paid(intent)
        facts: Facts = [("charge.succeeded", "charge", charge), ("payment_intent.succeeded", "payment_intent", intent)]
        facts += [("invoice_payment.paid", "invoice_payment", link)]
        if self.reduce_remaining(invoice, charge["amount"]):
            facts += [("invoice.paid", "invoice", invoice), ("invoice.payment_succeeded", "invoice", invoice)]
        return self.record_events(facts, key)

    def _begin_debit(self, invoice: Document, intent: Document, method: Document, key: str | None) -> list[Document]:
        """Send a debit to the bank: `processing` until it answers, the invoice stays open."""
        charge = self._store.put("charge", charges.build_pending_charge(intent, method, self._now_for(invoice)))
        self._count_attempt(invoice, automatic=False)
        intent |= {"status": "processing", "latest_charge": charge["id"], "payment_method": method["id"]}
        intent |= {"payment_method_types": [method["type"]], "next_action": None, "last_payment_error": None}
        self._store.put("payment_intent", intent)
        facts: Facts = [("charge.pending", "charge", charge), ("payment_intent.processing", "payment_intent", intent)]
        return self.record_events(facts, key)

    def record_decline(
        self,
        invoice: Document,
        method: Document,
        decline: Decline,
        key: str | None = None,
        automatic: bool = False,
        intent: Document | None = None,
    ) -> list[Document]:
        """Refuse the charge; only the provider's own retries raise a positive attempt count."""
        intent = intent or self.next_intent(invoice)
        made = charges.build_declined_charge(intent, method, decline, self._now_for(invoice))
        if intent["status"] == "processing":
            made["id"] = intent["latest_charge"]
        charge = self._store.put("charge", made)
        self._count_attempt(invoice, automatic)
        error = charges.payment_error(decline, charge["id"], method)
        intent |= {"status": "requires_payment_method", "last_payment_error": error, "next_action": None}
        self._store.put("payment_intent", intent | {"latest_charge": charge["id"], "payment_method": None})
        facts: Facts = [
            ("charge.failed", "charge", charge),
            ("payment_intent.payment_failed", "payment_intent", intent),
        ]
        return self.record_events([*facts, ("invoice.payment_failed", "invoice", invoice)], key)

    def require_action(self, invoice: Document, method: Document, key: str | None = None) -> list[Document]:
        """Leave the payment to the customer: no charge, no decline code."""
        intent = self.next_intent(invoice)
        self._count_attempt(invoice, automatic=False)
        intent |= invoice_documents.requires_action_fields(method, "use_stripe_sdk")
        self._store.put("payment_intent", intent)
        names = ("invoice.payment_action_required", "invoice.payment_failed")
        facts: Facts = [("payment_intent.requires_action", "payment_intent", intent)]
        return self.record_events([*facts, *((name, "invoice", invoice) for name in names)], key)

    def pay_out_of_band(self, invoice: Document, key: str | None = None) -> list[Document]:
        """Mark as paid elsewhere: no charge, nothing in the ledger."""
        remaining = invoice["amount_remaining"]
        invoice["amount_paid_off_stripe"] = remaining
        self.reduce_remaining(invoice, remaining)
        return self.record_events(
            [(name, "invoice", invoice) for name in ("invoice.paid", "invoice.payment_succeeded")], key
        )

    def close_invoice(
        self, invoice: Document, status: str, event: str, moment: str, key: str | None = None
    ) -> list[Document]:
        """Void or write off; `moment` is the status transition that gets the time."""
        before = invoice["status"]
        if before not in PAYABLE_STATUSES or before == status:
            raise invalid_request(f"You can only pass in open invoices. This invoice isn't open: {before}.")
        invoice |= {"status": status, "next_payment_attempt": None}
        invoice["status_transitions"][moment] = self._now_for(invoice)
        self._store.put("invoice", invoice)
        update = self._events.record("invoice.updated", "invoice", invoice["id"], {"status": before}, key)
        return [update, self._events.record(event, "invoice", invoice["id"], key=key)]

    def reduce_remaining(self, invoice: Document, amount: int) -> bool:
        """So much less is open; says whether that was all, and marks the invoice paid then."""
        paid = invoice["amount_paid"] + amount
        invoice |= {"amount_paid": paid, "amount_overpaid": max(0, paid - invoice["amount_due"])}
        invoice["amount_remaining"] = max(0, invoice["amount_remaining"] - amount)
        return self.close_when_paid(invoice)

    def close_when_paid(self, invoice: Document) -> bool:
        """An invoice of which nothing is open is paid; its subscription lives again."""
        done: bool = invoice["amount_remaining"] == 0
        if done:
            invoice |= {"status": "paid", "next_payment_attempt": None}
            invoice["status_transitions"]["paid_at"] = self._now_for(invoice)
        self._store.put("invoice", invoice)
        if done:
            self._revive_subscription(invoice)
        return done

    def record_events(self, facts: Facts, key: str | None = None) -> list[Document]:
        """The events of what happened."""
        return [self._events.record(name, kind, of["id"], key=key) for name, kind, of in facts]

    def _now_for(self, document: Document) -> int:
        return self._clock.now_for(self._store, document)

    def _enter_in_ledger(self, invoice: Document, charge: Document, origin: str, key: str | None) -> None:
        copied = {name: charge[name] for name in ("payment_intent", "payment_method", "amount", "currency")}
        line = {"invoice": invoice["id"], "charge": charge["id"], "at": self._now_for(invoice), "origin": origin}
        self._store.insert("ledger", **line, **copied, idempotency_key=key)

    def _count_attempt(self, invoice: Document, automatic: bool) -> None:
        invoice["attempted"] = True
        if automatic or invoice["attempt_count"] == 0:
            invoice["attempt_count"] += 1
        self._store.put("invoice", invoice)

    def _mark_link_paid(self, intent: Document) -> Document:
        link = self._store.find("invoice_payment", payment_intent=intent["id"])[0]
        link |= {"status": "paid", "amount_paid": intent["amount"]}
        link["status_transitions"]["paid_at"] = self._now_for(intent)
        return self._store.put("invoice_payment", link)

    def _revive_subscription(self, invoice: Document) -> None:
        """Source: docs.stripe.com/billing/subscriptions/overview, subscription statuses."""
        details = (invoice.get("parent") or {}).get("subscription_details") or {}
        subscription = self._store.get("subscription", details.get("subscription"))
        if subscription and subscription["status"] in ("past_due", "incomplete", "unpaid"):
            self._store.put("subscription", subscription | {"status": "active"})
