"""A typed client of the fake Stripe's control routes."""

from typing import Any

from sandbox.client import AT_ONCE, SandboxClient
from sandbox.models import ActionResult, Card, Delivery, Document, Script
from sandbox.stripe.models import FailedInvoice, FailedInvoiceIds


class StripeSandboxClient(SandboxClient):
    """Scripts, log and ledger as for every fake; what is Stripe's own has methods of its own."""

    async def create_failed_invoice(self, spec: FailedInvoice | None = None, **fields: Any) -> FailedInvoiceIds:
        """A ready-made failed invoice; fields of `FailedInvoice` may be given by name."""
        given = spec.model_dump(exclude_unset=True) if spec else {}
        wanted = FailedInvoice.model_validate(given | fields)
        return FailedInvoiceIds.model_validate(await self._post("failed_invoices", wanted.model_dump(mode="json")))

    async def send_invoice_event(
        self, invoice: str, type: str = "invoice.payment_failed", *, fresh: bool = False, delivery: Delivery = AT_ONCE
    ) -> ActionResult:
        """Send an event about the invoice: the recorded one again, or (`fresh`) a new one."""
        return await self._post_action(f"invoices/{invoice}/send", delivery, type=type, fresh=fresh)

    async def read_event(self, event: str) -> Document:
        """One recorded event as it is sent."""
        found: Document = await self._request_json("GET", f"events/{event}")
        return found

    async def send_event(self, event: str, *, delivery: Delivery = AT_ONCE) -> ActionResult:
        """Send one recorded event again."""
        return await self._post_action(f"events/{event}/send", delivery)

    async def add_card(
        self,
        customer: str,
        card: Card | None = None,
        *,
        type: str = "card",
        set_default: bool = True,
        delivery: Delivery = AT_ONCE,
    ) -> ActionResult:
        """The customer enters a new card, or a payment method of another type."""
        chosen = {"card": (card or Card(last4="5556")).model_dump(mode="json"), "type": type}
        return await self._post_action(f"customers/{customer}/card", delivery, set_default=set_default, **chosen)

    async def update_card(
        self,
        payment_method: str,
        *,
        last4: str | None = None,
        exp_month: int = 12,
        exp_year: int = 2034,
        delivery: Delivery = AT_ONCE,
    ) -> ActionResult:
        """The card updater changes a card."""
        changed = {"last4": last4, "exp_month": exp_month, "exp_year": exp_year}
        return await self._post_action(f"payment_methods/{payment_method}/auto_update", delivery, **changed)

    async def pay_hosted(self, invoice: str, *, delivery: Delivery = AT_ONCE) -> ActionResult:
        """The customer pays on the hosted page."""
        return await self._post_action(f"invoices/{invoice}/pay_hosted", delivery)

    async def void_invoice(self, invoice: str, *, delivery: Delivery = AT_ONCE) -> ActionResult:
        """The merchant voids the invoice."""
        return await self._post_action(f"invoices/{invoice}/close", delivery, status="void")

    async def mark_uncollectible(self, invoice: str, *, delivery: Delivery = AT_ONCE) -> ActionResult:
        """The merchant writes the invoice off."""
        return await self._post_action(f"invoices/{invoice}/close", delivery, status="uncollectible")

    async def end_subscription(self, invoice: str, *, delivery: Delivery = AT_ONCE) -> ActionResult:
        """The subscription behind the invoice is canceled."""
        return await self._post_action(f"invoices/{invoice}/end_subscription", delivery)

    async def open_dispute(
        self,
        invoice: str,
        *,
        reason: str = "fraudulent",
        status: str = "needs_response",
        delivery: Delivery = AT_ONCE,
    ) -> ActionResult:
        """The cardholder disputes the latest charge, or (`warning_needs_response`) the bank only asks."""
        return await self._post_action(f"invoices/{invoice}/dispute", delivery, reason=reason, status=status)

    async def add_partial_payment(
        self,
        invoice: str,
        amount: int,
        status: str = "succeeded",
        *,
        payment_method: str | None = None,
        delivery: Delivery = AT_ONCE,
    ) -> ActionResult:
        """A further payment of the invoice: money that came, or a payment intent in another status."""
        given = {"amount": amount, "status": status, "payment_method": payment_method}
        return await self._post_action(f"invoices/{invoice}/part", delivery, **given)

    async def set_intent_status(self, invoice: str, status: str, *, delivery: Delivery = AT_ONCE) -> ActionResult:
        """The invoice's default payment gets another status."""
        return await self._post_action(f"invoices/{invoice}/intent", delivery, status=status)

    async def finish_debit(
        self, invoice: str, outcome: str = "succeed", *, delivery: Delivery = AT_ONCE
    ) -> ActionResult:
        """The bank answers a debit that is under way."""
        return await self._post_action(f"invoices/{invoice}/finish_debit", delivery, outcome=outcome)

    async def refund_payment(
        self, invoice: str, amount: int | None = None, *, delivery: Delivery = AT_ONCE
    ) -> ActionResult:
        """The merchant gives money of the latest payment back."""
        return await self._post_action(f"invoices/{invoice}/refund", delivery, amount=amount)

    async def credit_invoice(
        self, invoice: str, amount: int | None = None, *, delivery: Delivery = AT_ONCE
    ) -> ActionResult:
        """The merchant credits an open invoice."""
        return await self._post_action(f"invoices/{invoice}/credit", delivery, amount=amount)

    async def change_object(
        self, kind: str, document: str, *, tell: bool = True, delivery: Delivery = AT_ONCE, **fields: Any
    ) -> ActionResult:
        """The merchant changes fields of `customers`, `invoices` or `subscriptions`."""
        return await self._post_action(f"{kind}/{document}/change", delivery, fields=fields, tell=tell)

    async def delete_customer(self, customer: str, *, delivery: Delivery = AT_ONCE) -> ActionResult:
        """The merchant deletes a customer."""
        return await self._post_action(f"customers/{customer}/delete", delivery)

    async def script_renewals(self, subscription: str, *outcomes: str, **options: Any) -> Document:
        """What the first payments of this subscription's next invoices do."""
        wanted = Script(outcomes=outcomes, **options)
        return await self._put(
            f"subscriptions/{subscription}/script", wanted.model_dump(mode="json", exclude_none=True)
        )

    async def create_test_clock(self, frozen_time: int) -> str:
        """A test clock that stands at this moment; gives its id."""
        return str((await self._post("test_clocks", {"frozen_time": frozen_time}))["id"])

    async def set_key_lifetime(self, seconds: int) -> None:
        """Forget idempotency keys after this time, instead of a day."""
        await self._put("key_lifetime", {"seconds": seconds})

    async def set_key_rights(self, key: str, *, revoked: bool = False, lacks: tuple[str, ...] = ()) -> None:
        """Revoke or restrict an API key; without either it may do everything again."""
        await self._put("keys", {"key": key, "rights": {"revoked": revoked, "lacks": lacks}})

    async def warn_of_fraud(
        self, invoice: str, *, fraud_type: str = "unauthorized_use_of_card", delivery: Delivery = AT_ONCE
    ) -> ActionResult:
        """The issuer warns of fraud on the latest charge."""
        return await self._post_action(f"invoices/{invoice}/early_fraud_warning", delivery, fraud_type=fraud_type)

    async def run_provider_retry(
        self,
        invoice: str,
        outcome: str | None = None,
        *,
        next_payment_attempt: int | None = None,
        delivery: Delivery = AT_ONCE,
    ) -> ActionResult:
        """The provider's own schedule tries again; without an outcome it consumes the script."""
        then = {"outcome": outcome, "next_payment_attempt": next_payment_attempt}
        return await self._post_action(f"invoices/{invoice}/provider_retry", delivery, **then)
