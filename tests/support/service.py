"""The running service from outside: the HTTP API, the provider's books, Temporal's command line."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from devstack import temporal
from devstack.stack import DevStack
from sandbox.adyen.client import AdyenSandboxClient
from sandbox.braintree.client import BraintreeSandboxClient
from sandbox.client import AT_ONCE, SandboxClient
from sandbox.models import ActionResult, Delivery, LedgerEntry, LogEntry
from sandbox.stripe.client import StripeSandboxClient
from sandbox.stripe.models import FailedInvoiceIds
from sandbox.stripe.webhooks import sign_stripe_payload

FINAL_STATES = ("recovered", "exhausted", "canceled", "blocked")
OPENING_EVENTS = ["payment.failed", "failure.classified", "customer.segmented", "fraud.assessed", "retry.planned"]
WAIT_SECONDS = 40.0
Row = dict[str, Any]
Awaited = TypeVar("Awaited")


@dataclass(frozen=True)
class ServiceEndpoints:
    """The addresses of one installation, and its API key and webhook secret."""

    api: str
    sandbox: str
    temporal: str
    key: str
    secret: str


def endpoints_of(stack: DevStack) -> ServiceEndpoints:
    """The endpoints of a stack that runs in this process."""
    addresses = stack.addresses
    key, secret = stack.environment["BOOTSTRAP_API_KEY"], stack.environment["STRIPE_WEBHOOK_SECRETS"]
    return ServiceEndpoints(addresses.api, addresses.sandbox, addresses.temporal, key, secret)


class RunningService:
    """One installation. `stack` is set when it runs in this process and its parts may be killed."""

    def __init__(
        self, endpoints: ServiceEndpoints, sandbox: StripeSandboxClient, api: httpx.AsyncClient, stack: DevStack | None
    ) -> None:
        self.endpoints, self.sandbox, self.api = endpoints, sandbox, api
        self.adyen = AdyenSandboxClient(endpoints.sandbox)
        self.braintree = BraintreeSandboxClient(endpoints.sandbox)
        self._stack = stack

    def provider_sandbox(self, provider: str) -> SandboxClient:
        """The control client of a provider's sandbox."""
        return {"stripe": self.sandbox, "adyen": self.adyen, "braintree": self.braintree}[provider]

    @property
    def stack(self) -> DevStack:
        """The stack behind the service. Fails where it runs elsewhere."""
        assert self._stack is not None, "this world runs elsewhere"
        return self._stack

    async def create_failure(self, code: str = "insufficient_funds", **spec: Any) -> "Recovery":
        """Makes a payment fail at Stripe and returns its recovery once the webhook was answered with 202."""
        fields: dict[str, Any] = {"delivery": Delivery(wait=True), "decline_code": code} | spec
        failed_invoice = await self.sandbox.create_failed_invoice(**fields)
        return Recovery(self, failed_invoice)

    async def create_unreported_failure(self, code: str = "insufficient_funds", **spec: Any) -> "Recovery":
        """Makes a payment fail at Stripe without sending a webhook."""
        return await self.create_failure(code, **{"delivery": None} | spec)

    async def post_webhook(self, event: Row | bytes, signature: str | bytes | None = None) -> httpx.Response:
        """The API's response to a webhook that the test sends, validly signed by default."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        if signature is None:
            signature = sign_stripe_payload(body, self.endpoints.secret, int(time.time()))
        async with httpx.AsyncClient(base_url=self.endpoints.api, trust_env=False, timeout=30) as client:
            headers: Any = {"Stripe-Signature": signature}
            return await client.post("/webhooks/stripe", content=body, headers=headers)

    async def create_adyen_failure(self, code: str = "Not enough balance", **spec: Any) -> "Recovery":
        """Makes Adyen refuse a recurring payment; the webhook was answered with 202."""
        fields: dict[str, Any] = {"delivery": Delivery(wait=True), "decline_code": code} | spec
        failed_payment = await self.adyen.create_failed_payment(**fields)
        return self.recovery_of(failed_payment.invoice, "adyen")

    async def create_braintree_failure(self, code: str = "2001", **spec: Any) -> "Recovery":
        """Makes a Braintree transaction fail; the webhook was answered with 202."""
        fields: dict[str, Any] = {"delivery": Delivery(wait=True), "decline_code": code} | spec
        failed_payment = await self.braintree.create_failed_payment(**fields)
        return self.recovery_of(failed_payment.invoice, "braintree")

    def recovery_of(self, invoice: str, provider: str = "stripe") -> "Recovery":
        """The recovery of an invoice that the test did not create."""
        fields = {"invoice": invoice, "customer": "", "payment_method": "", "payment_intent": "", "charge": None}
        ids = FailedInvoiceIds.model_validate(fields | {"invoice_payment": "", "subscription": None, "event": ""})
        return Recovery(self, ids, provider)

    async def run_temporal_cli(self, *arguments: str) -> str:
        """The output of Temporal's command line."""
        argv = (str(temporal.find_temporal_server()), *arguments, "--address", self.endpoints.temporal)
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT}
        process = await asyncio.create_subprocess_exec(*argv, **pipes)  # type: ignore[arg-type]
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return output.decode()

    async def describe_workflow(self, workflow_id: str) -> dict[str, Any]:
        """The newest run of a workflow as Temporal describes it."""
        output = await self.run_temporal_cli("workflow", "describe", "--workflow-id", workflow_id, "--output", "json")
        info: dict[str, Any] = json.loads(output)["workflowExecutionInfo"]
        return info


@asynccontextmanager
async def open_service(endpoints: ServiceEndpoints, stack: DevStack | None = None) -> AsyncIterator[RunningService]:
    """A client of the installation for as long as the block runs."""
    headers = {"Authorization": f"Bearer {endpoints.key}"}
    limits = httpx.Limits(max_connections=300)
    async with (
        StripeSandboxClient(endpoints.sandbox) as sandbox,
        httpx.AsyncClient(base_url=endpoints.api, headers=headers, timeout=30, trust_env=False, limits=limits) as api,
    ):
        service = RunningService(endpoints, sandbox, api, stack)
        yield service
        await service.adyen.close()
        await service.braintree.close()


class Recovery:
    """The recovery of one invoice, seen through the API and the provider's books."""

    def __init__(self, service: RunningService, ids: FailedInvoiceIds, provider: str = "stripe") -> None:
        self.service, self.ids, self.provider = service, ids, provider
        self.books = service.provider_sandbox(provider)
        self.invoice, self.customer = ids.invoice, ids.customer
        self.id = f"recovery-{provider}-{ids.invoice}"
        self.path = f"/v1/recoveries/{provider}/{ids.invoice}"

    async def fetch_view(self) -> Row:
        """The recovery as the API shows it."""
        answer = await self.service.api.get(self.path)
        assert answer.status_code == 200, answer.text
        view: Row = answer.json()
        return view

    async def fetch_events(self, *types: str) -> list[Row]:
        """The rows of the log in order: all, or those of these types."""
        answer = await self.service.api.get(f"{self.path}/events")
        assert answer.status_code == 200, answer.text
        rows: list[Row] = answer.json()["items"]
        return [row for row in rows if not types or row["type"] in types]

    async def fetch_event_types(self) -> list[str]:
        """The types of all rows."""
        return [row["type"] for row in await self.fetch_events()]

    async def fetch_only_event(self, kind: str) -> Row:
        """The only row of this type. Fails where there is none or several."""
        rows = await self.fetch_events(kind)
        assert len(rows) == 1, f"{kind}: {len(rows)} rows in {await self.fetch_event_types()}"
        return rows[0]

    async def wait_for_state(self, *states: str, timeout_seconds: float = WAIT_SECONDS) -> Row:
        """Waits for one of these states. Fails at once where the recovery ended in another."""

        async def find_state() -> Row | None:
            view = await self.fetch_view()
            has_ended = view["state"] in FINAL_STATES and view["state"] not in states
            assert not has_ended, f"{view['state']}, not {states}: {await self.fetch_event_types()}"
            return view if view["state"] in states else None

        return await self._poll_until(find_state, " or ".join(states), timeout_seconds)

    async def wait_for_event(self, kind: str, count: int = 1, timeout_seconds: float = WAIT_SECONDS) -> list[Row]:
        """Waits until the log has `count` rows of this type."""

        async def find_events() -> list[Row] | None:
            rows = await self.fetch_events(kind)
            return rows if len(rows) >= count else None

        return await self._poll_until(find_events, f"{count} {kind}", timeout_seconds)

    async def wait_for_pay_calls(self, count: int = 1, timeout_seconds: float = WAIT_SECONDS) -> list[LogEntry]:
        """Waits until the provider has received `count` pay calls."""

        async def find_pay_calls() -> list[LogEntry] | None:
            calls = await self.fetch_pay_calls()
            return calls if len(calls) >= count else None

        return await self._poll_until(find_pay_calls, f"{count} pay calls", timeout_seconds)

    async def _poll_until(
        self, poll: Callable[[], Awaitable[Awaited | None]], description: str, timeout_seconds: float
    ) -> Awaited:
        deadline = time.monotonic() + timeout_seconds
        while (result := await poll()) is None:
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{self.invoice}: no {description} within {timeout_seconds:g} s: {await self.describe_state()}"
                )
            await asyncio.sleep(0.2)
        return result

    async def describe_state(self) -> str:
        """State, next attempt and row types, for an error message."""
        view = await self.fetch_view()
        return f"{view['state']}, next {view['next_attempt_at']}: {await self.fetch_event_types()}"

    async def submit_command(self, action: str, reason: str = "a test asks", **more: Any) -> httpx.Response:
        """The API's response to an operator command."""
        return await self.service.api.post(f"{self.path}/{action}", json={"reason": reason} | more)

    async def assert_refused(self, action: str, code: str, **more: Any) -> None:
        """The API refuses this with 409, a code and a sentence, and writes nothing."""
        before = await self.fetch_event_types()
        answer = await self.submit_command(action, **more)
        assert (answer.status_code, answer.json()["code"]) == (409, code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"].endswith(".")
        assert await self.fetch_event_types() == before

    async def send_signal(self, name: str, *arguments: str) -> None:
        """Sends a signal by Temporal's command line."""
        await self.service.run_temporal_cli("workflow", "signal", "--workflow-id", self.id, "--name", name, *arguments)

    async def send_event(self, type: str, *, fresh: bool = False, delivery: Delivery = AT_ONCE) -> ActionResult:
        """Makes the provider send an event about the invoice, repeated or (`fresh`) new."""
        return await self.service.sandbox.send_invoice_event(self.invoice, type, fresh=fresh, delivery=delivery)

    async def fetch_charges(self) -> list[LedgerEntry]:
        """The successful charges of the invoice."""
        return await self.books.read_ledger(self.invoice)

    async def fetch_pay_calls(self) -> list[LogEntry]:
        """The pay calls that reached the provider."""
        return await self.books.pay_calls(self.invoice)

    async def wait_for_one_payment(self, timeout_seconds: float = WAIT_SECONDS) -> Row:
        """Waits until the invoice is recovered by exactly one payment. Returns the recovery's view."""
        view = await self.wait_for_state("recovered", timeout_seconds=timeout_seconds)
        charges = await self.fetch_charges()
        assert [charge.amount for charge in charges] == [view["amount"]], await self.describe_state()
        return view

    async def wait_for_unpaid_end(self, state: str, timeout_seconds: float = WAIT_SECONDS) -> Row:
        """Waits for this final state without any payment. Returns the recovery's view."""
        view = await self.wait_for_state(state, timeout_seconds=timeout_seconds)
        assert await self.fetch_charges() == []
        last = (await self.fetch_events())[-1]
        assert last["type"] == "recovery.closed", json.dumps(last)
        return view
