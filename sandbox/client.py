"""A typed client of the control routes, for tests, the demo and `pri trigger`."""

from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel

from sandbox.models import (
    ActionResult,
    Card,
    Delivery,
    Document,
    FailedInvoice,
    FailedInvoiceIds,
    Fault,
    LedgerEntry,
    LogEntry,
    Script,
)

Answer = TypeVar("Answer", bound=BaseModel)
AT_ONCE = Delivery()


class SandboxClient:
    """Talks to one running sandbox; close it, or use it as an async context manager."""

    prefix = ""
    """Of the control routes of another provider than Stripe."""
    pay_path = "/pay"
    """How the path of a pay call ends."""

    def __init__(self, base_url: str, http: httpx.AsyncClient | None = None) -> None:
        self._http = http or httpx.AsyncClient(base_url=base_url, timeout=120, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the connections."""
        await self._http.aclose()

    async def create_failed_invoice(self, spec: FailedInvoice | None = None, **fields: Any) -> FailedInvoiceIds:
        """A ready-made failed invoice; fields of `FailedInvoice` may be given by name."""
        given = spec.model_dump(exclude_unset=True) if spec else {}
        wanted = FailedInvoice.model_validate(given | fields)
        return FailedInvoiceIds.model_validate(await self._post("failed_invoices", wanted.model_dump(mode="json")))

    async def set_script(self, invoice: str, *outcomes: str, append: bool = False, **options: Any) -> Document:
        """Replace (or extend) the outcomes of the next pay calls; options are fields of `Script`."""
        wanted = Script(outcomes=outcomes, append=append, **options)
        return await self._put(f"invoices/{invoice}/script", wanted.model_dump(mode="json", exclude_none=True))

    async def set_script_options(self, invoice: str, **options: Any) -> Document:
        """Change `default`, `echo`, `echo_delivery` or `unguarded`; the script stays."""
        wanted = Script(**options)
        return await self._put(f"invoices/{invoice}/script", wanted.model_dump(mode="json", exclude_none=True))

    async def read_script(self, invoice: str) -> list[str]:
        """The scripted outcomes that are not consumed yet."""
        return [str(text) for text in (await self._request_json("GET", f"invoices/{invoice}/script"))["script"]]

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

    async def send_raw(
        self, event: Document | None = None, *, payload: str | None = None, delivery: Delivery = AT_ONCE
    ) -> ActionResult:
        """Sign and send an event or any text as it is."""
        return await self._post_action("send_raw", delivery, event=event, payload=payload)

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

    async def add_fault(self, path: str, outcome: str = "error:500", *, method: str = "GET", times: int = 1) -> None:
        """Script a fault of calls whose path fits the pattern."""
        await self._post("faults", Fault(path=path, outcome=outcome, method=method, times=times).model_dump())

    async def clear_faults(self) -> None:
        """Forget all scripted faults."""
        await self._request_json("DELETE", "faults")

    async def read_log(self, invoice: str | None = None, *, method: str | None = None) -> list[LogEntry]:
        """Requests in order, all or those of one invoice or method."""
        rows = await self._request_json("GET", "log", params={"invoice": invoice} if invoice else None)
        entries = [LogEntry.model_validate(row) for row in rows]
        return [entry for entry in entries if method in (None, entry.method)]

    async def pay_calls(self, invoice: str) -> list[LogEntry]:
        """The pay calls of an invoice in order, replays included."""
        return [entry for entry in await self.read_log(invoice, method="POST") if entry.path.endswith(self.pay_path)]

    async def read_ledger(self, invoice: str | None = None) -> list[LedgerEntry]:
        """Successful charges in order, all or those of one invoice."""
        rows = await self._request_json("GET", "ledger", params={"invoice": invoice} if invoice else None)
        return [LedgerEntry.model_validate(row) for row in rows]

    async def advance_clock(self, seconds: int = 0) -> int:
        """Move the sandbox's clock forward; gives its present."""
        return int((await self._post("clock", {"advance": seconds}))["now"])

    async def set_webhook_endpoint(self, url: str, secret: str) -> None:
        """Send webhooks elsewhere from now on."""
        await self._post("webhook_endpoint", {"url": url, "secret": secret})

    async def wait_until_idle(self) -> None:
        """Wait until no webhook delivery is on its way."""
        await self._post("idle", {})

    async def _post_action(self, path: str, delivery: Delivery, **fields: Any) -> ActionResult:
        body = {"delivery": delivery.model_dump(mode="json"), **fields}
        return ActionResult.model_validate(await self._post(path, body))

    async def _put(self, path: str, body: Document) -> Document:
        changed: Document = await self._request_json("PUT", path, body)
        return changed

    async def _post(self, path: str, body: Document) -> Any:
        return await self._request_json("POST", path, body)

    async def _request_json(
        self, method: str, path: str, body: Document | None = None, params: dict[str, str] | None = None
    ) -> Any:
        answer = await self._http.request(method, f"/_control/{self.prefix}{path}", json=body, params=params)
        if answer.is_error:
            raise SandboxError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()


class SandboxError(Exception):
    """The sandbox refused a control call."""
