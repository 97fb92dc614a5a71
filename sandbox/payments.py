"""What changes when money moves, or doesn't. Every method runs inside one transaction of its caller."""

from sandbox import billing, charges
from sandbox.clock import Clock
from sandbox.errors import invalid
from sandbox.events import Events
from sandbox.models import Decline, Document
from sandbox.store import Store
from sandbox.view import default_intent

PAYABLE = ("open", "uncollectible")


class Payments:
    """Attempts on invoices; each method gives the events it caused, in Stripe's usual order."""

    def __init__(self, store: Store, clock: Clock, events: Events) -> None:
        self._store = store
        self._clock = clock
        self._events = events

    def intent(self, invoice: Document) -> Document:
        """The payment intent that the next attempt uses: the default one, or a further one when it is used up."""
        found = default_intent(self._store, invoice["id"])
        if found and found["status"] not in ("succeeded", "canceled"):
            return found
        made = self._store.put("payment_intent", billing.payment_intent(invoice, self._clock.now()))
        link = billing.invoice_payment(invoice, made, self._clock.now()) | {"is_default": found is None}
        self._store.put("invoice_payment", link)
        return made

    def succeed(self, invoice: Document, method: Document, origin: str, key: str | None) -> list[Document]:
        """Take the money: one more line in the ledger, and the invoice is paid."""
        intent = self.intent(invoice)
        charge = self._store.put("charge", charges.charge(intent, method, self._clock.now()))
        self._enter(invoice, charge, origin, key)
        self._attempted(invoice, automatic=origin == "provider_retry")
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "last_payment_error": None}
        intent |= {"latest_charge": charge["id"], "payment_method": method["id"], "next_action": None}
        self._store.put("payment_intent", intent)
        link = self._settle_link(intent)
        self._settle_invoice(invoice, charge["amount"])
        facts = [("charge.succeeded", "charge", charge), ("payment_intent.succeeded", "payment_intent", intent)]
        facts += [("invoice_payment.paid", "invoice_payment", link), ("invoice.paid", "invoice", invoice)]
        facts += [("invoice.payment_succeeded", "invoice", invoice)]
        return [self._events.record(name, kind, of["id"], key=key) for name, kind, of in facts]

    def decline(
        self, invoice: Document, method: Document, decline: Decline, key: str | None = None, automatic: bool = False
    ) -> list[Document]:
        """Refuse the charge; only the provider's own retries raise a positive attempt count."""
        intent = self.intent(invoice)
        charge = self._store.put("charge", charges.declined_charge(intent, method, decline, self._clock.now()))
        self._attempted(invoice, automatic)
        error = charges.payment_error(decline, charge["id"], method)
        intent |= {"status": "requires_payment_method", "last_payment_error": error, "next_action": None}
        self._store.put("payment_intent", intent | {"latest_charge": charge["id"], "payment_method": None})
        facts = [("charge.failed", "charge", charge), ("payment_intent.payment_failed", "payment_intent", intent)]
        facts += [("invoice.payment_failed", "invoice", invoice)]
        return [self._events.record(name, kind, of["id"], key=key) for name, kind, of in facts]

    def require_action(self, invoice: Document, method: Document, key: str | None = None) -> list[Document]:
        """Leave the payment to the customer: no charge, no decline code."""
        intent = self.intent(invoice)
        self._attempted(invoice, automatic=False)
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
        intent |= {"status": "requires_action", "payment_method": method["id"], "next_action": action}
        self._store.put("payment_intent", intent)
        facts = [("payment_intent.requires_action", "payment_intent", intent)]
        facts += [
            ("invoice.payment_action_required", "invoice", invoice),
            ("invoice.payment_failed", "invoice", invoice),
        ]
        return [self._events.record(name, kind, of["id"], key=key) for name, kind, of in facts]

    def out_of_band(self, invoice: Document, key: str | None = None) -> list[Document]:
        """Mark as paid elsewhere: no charge, nothing in the ledger."""
        remaining = invoice["amount_remaining"]
        invoice["amount_paid_off_stripe"] = remaining
        self._settle_invoice(invoice, remaining)
        names = ("invoice.paid", "invoice.payment_succeeded")
        return [self._events.record(name, "invoice", invoice["id"], key=key) for name in names]

    def close(self, invoice: Document, status: str, event: str, moment: str, key: str | None = None) -> list[Document]:
        """Void or write off; `moment` is the status transition that gets the time."""
        before = invoice["status"]
        if before not in PAYABLE or before == status:
            raise invalid(f"You can only pass in open invoices. This invoice isn't open: {before}.")
        invoice |= {"status": status, "next_payment_attempt": None}
        invoice["status_transitions"][moment] = self._clock.now()
        self._store.put("invoice", invoice)
        previous = {"status": before}
        update = self._events.record("invoice.updated", "invoice", invoice["id"], previous, key)
        return [update, self._events.record(event, "invoice", invoice["id"], key=key)]

    def _enter(self, invoice: Document, charge: Document, origin: str, key: str | None) -> None:
        copied = {name: charge[name] for name in ("payment_intent", "payment_method", "amount", "currency")}
        moment = self._clock.now()
        line = {"invoice": invoice["id"], "charge": charge["id"], "at": moment, "origin": origin}
        self._store.insert("ledger", **line, **copied, idempotency_key=key)

    def _attempted(self, invoice: Document, automatic: bool) -> None:
        invoice["attempted"] = True
        if automatic or invoice["attempt_count"] == 0:
            invoice["attempt_count"] += 1
        self._store.put("invoice", invoice)

    def _settle_link(self, intent: Document) -> Document:
        link = self._store.find("invoice_payment", payment_intent=intent["id"])[0]
        link |= {"status": "paid", "amount_paid": intent["amount"]}
        link["status_transitions"]["paid_at"] = self._clock.now()
        return self._store.put("invoice_payment", link)

    def _settle_invoice(self, invoice: Document, amount: int) -> None:
        paid = invoice["amount_paid"] + amount
        invoice |= {"status": "paid", "amount_paid": paid, "next_payment_attempt": None}
        invoice["amount_remaining"] = max(0, invoice["amount_due"] - paid)
        invoice["amount_overpaid"] = max(0, paid - invoice["amount_due"])
        invoice["status_transitions"]["paid_at"] = self._clock.now()
        self._store.put("invoice", invoice)
        self._revive_subscription(invoice)

    def _revive_subscription(self, invoice: Document) -> None:
        details = (invoice.get("parent") or {}).get("subscription_details") or {}
        subscription = self._store.get("subscription", details.get("subscription"))
        if subscription and subscription["status"] == "past_due":
            self._store.put("subscription", subscription | {"status": "active"})
