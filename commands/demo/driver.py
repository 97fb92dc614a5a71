"""Steps of the demo's scenarios: let a payment fail, act as customer or operator, and read the results."""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import httpx

from core.errors import RecoveryError
from core.events import EventType, State
from core.formatting import format_duration
from sandbox.models import ActionResult, Delivery, DeliveryResult
from sandbox.stripe.client import StripeSandboxClient
from sandbox.stripe.models import FailedInvoiceIds

Row = dict[str, Any]
MESSAGE_TYPES: Final = (EventType.NOTIFICATION_SENT, EventType.NOTIFICATION_FAILED)
DELIVER_AND_WAIT: Final = Delivery(wait=True)
SPARE_SECONDS: Final = 120.0
"""Time that a slow machine may take in addition to the planned waits."""
LONGEST_PLAN: Final = 36 * 3600
POLL_SECONDS: Final = 0.2
TWO_YEARS: Final = 2 * 365 * 24 * 3600


class UnexpectedOutcome(RecoveryError):
    """A scenario with another outcome than expected; the text says what was different."""


class ScenarioDriver:
    """Client of the API and the sandbox of one running stack, with its time scale."""

    def __init__(self, api: str, key: str, sandbox: str, provider_key: str, scale: int) -> None:
        self.scale = scale
        self._box = StripeSandboxClient(sandbox)
        self._api = _http_client(api, key)
        self._provider = _http_client(sandbox, provider_key)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in (self._box, self._api, self._provider):
            await (client.close() if isinstance(client, StripeSandboxClient) else client.aclose())

    async def fail_payment(
        self, code: str, *script: str, delivery: Delivery = DELIVER_AND_WAIT, amount: int = 4900
    ) -> FailedInvoiceIds:
        """Lets a payment of a two-year-old customer fail in the sandbox, which sends the webhook.

        Our charges will be answered as `script` says. Raises UnexpectedOutcome if the webhook is not accepted.
        """
        made = await self._box.create_failed_invoice(
            decline_code=code, script=script, delivery=delivery, amount=amount, currency="eur",
            customer_created=int(time.time()) - TWO_YEARS,
        )  # fmt: skip
        _check_accepted(made.deliveries)
        return made

    async def add_card(self, customer: str) -> None:
        """The customer enters another card. Raises UnexpectedOutcome if the webhook is not accepted."""
        _check_accepted((await self._box.add_card(customer, delivery=DELIVER_AND_WAIT)).deliveries)

    async def pay_hosted(self, invoice: str) -> None:
        """The customer pays on the provider's page. Raises UnexpectedOutcome if the webhook is not accepted."""
        happened: ActionResult = await self._box.pay_hosted(invoice, delivery=DELIVER_AND_WAIT)
        _check_accepted(happened.deliveries)

    async def send_operator_command(self, invoice: str, action: str, reason: str) -> None:
        """Submits an operator command over the API. Raises UnexpectedOutcome if it is refused."""
        answer = await self._api.post(f"/v1/recoveries/stripe/{invoice}/{action}", json={"reason": reason})
        if not answer.is_success:
            raise UnexpectedOutcome(f"{action} was answered with {answer.status_code}: {answer.text}")

    async def pass_time(self, hours: float) -> None:
        """Waits for so many hours of scaled time."""
        await asyncio.sleep(hours * 3600 / self.scale)

    async def wait_for_plan(self, invoice: str) -> None:
        """Waits for the first plan. Raises UnexpectedOutcome if none is made in time."""
        await self._wait_for_rows(
            invoice, _has_type(EventType.RETRY_PLANNED, EventType.RETRY_SKIPPED), "no plan was made"
        )

    async def wait_for_end(self, invoice: str) -> None:
        """Waits for the end of the recovery. Raises UnexpectedOutcome if it does not end in time."""
        await self._wait_for_rows(invoice, lambda rows: State(rows[-1]["to_state"]).is_final, "it did not end")

    async def wait_for_last_message(self, invoice: str) -> list[Row]:
        """The log of a recovery that has ended, including the row of its last message if one is due.

        Raises UnexpectedOutcome if that message is not sent in time.
        """

        def is_last_message_sent(rows: list[Row]) -> bool:
            kinds = [row["data"].get("kind") for row in rows if row["type"] in MESSAGE_TYPES]
            endings = {State.RECOVERED: bool(kinds), State.EXHAUSTED: True}
            return not endings.get(rows[-1]["to_state"]) or bool({"recovered", "ended"} & set(kinds))

        await self._wait_for_rows(invoice, is_last_message_sent, "its last message was not sent")
        return await self.read_rows(invoice)

    async def read_rows(self, invoice: str) -> list[Row]:
        """The recovery's log from the API. Raises httpx.HTTPError."""
        answer = await self._api.get(f"/v1/recoveries/stripe/{invoice}/events")
        items: list[Row] = answer.raise_for_status().json()["items"]
        return items

    async def count_recoveries(self, invoice: str) -> int:
        """Number of recoveries that the API lists for an invoice."""
        answer = await self._api.get("/v1/recoveries", params={"q": invoice})
        return len(answer.raise_for_status().json()["items"])

    async def read_charge_keys(self, invoice: str) -> list[str | None]:
        """Idempotency keys of the provider's successful charges for an invoice; None for one that is not ours."""
        return [entry.idempotency_key for entry in await self._box.read_ledger(invoice)]

    async def count_events(self, made: FailedInvoiceIds) -> int:
        """Number of the provider's events about this invoice or its customer."""
        await self._box.wait_until_idle()
        names, count, page = {made.invoice, made.customer}, 0, await self._read_events({})
        while True:
            subjects = [event["data"]["object"] for event in page["data"]]
            count += sum(bool(names & {one.get("id"), one.get("customer"), one.get("invoice")}) for one in subjects)
            if not page["has_more"]:
                return count
            page = await self._read_events({"starting_after": page["data"][-1]["id"]})

    async def _read_events(self, after: dict[str, str]) -> dict[str, Any]:
        answer = await self._provider.get("/v1/events", params={"limit": "100", **after})
        page: dict[str, Any] = answer.raise_for_status().json()
        return page

    async def _wait_for_rows(self, invoice: str, happened: Callable[[list[Row]], bool], complaint: str) -> None:
        patience = SPARE_SECONDS + LONGEST_PLAN / self.scale
        deadline = time.monotonic() + patience
        while True:
            rows = await self._rows_if_any(invoice)
            if rows and happened(rows):
                return
            if time.monotonic() > deadline:
                state = rows[-1]["to_state"] if rows else "not begun"
                raise UnexpectedOutcome(f"{complaint} within {format_duration(patience)}; it is {state}")
            await asyncio.sleep(POLL_SECONDS)

    async def _rows_if_any(self, invoice: str) -> list[Row]:
        """The recovery's log; empty while the API does not answer."""
        try:
            return await self.read_rows(invoice)
        except httpx.HTTPError:
            return []


def _http_client(base: str, key: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=base, headers=headers, timeout=60, trust_env=False)


def _has_type(*types: EventType) -> Callable[[list[Row]], bool]:
    return lambda rows: any(row["type"] in types for row in rows)


def _check_accepted(deliveries: list[DeliveryResult]) -> None:
    refused = [one for one in deliveries if one.status != 202]
    if refused:
        raise UnexpectedOutcome(
            f"the webhook {refused[0].type} was answered with {refused[0].status or refused[0].error}"
        )
