"""A typed client of the control routes that every fake has, for tests, the demo and `pri trigger`."""

from types import TracebackType
from typing import Any, Self

import httpx

from sandbox.models import ActionResult, Delivery, Document, Fault, LedgerEntry, LogEntry, Script

AT_ONCE = Delivery()


class SandboxClient:
    """Talks to one fake of a running sandbox; close it, or use it as an async context manager."""

    prefix = ""
    """Of the fake's control routes below `/_control`, with a slash at its end; empty: Stripe's."""
    pay_path = "/pay"
    """How the path of the fake's pay calls ends."""

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

    async def set_script(self, invoice: str, *outcomes: str, append: bool = False, **options: Any) -> Document:
        """Replace (or extend) the outcomes of the next pay calls; options are fields of `Script`."""
        wanted = Script(outcomes=outcomes, append=append, **options)
        return await self._put(f"invoices/{invoice}/script", wanted.model_dump(mode="json", exclude_none=True))

    async def read_script(self, invoice: str) -> list[str]:
        """The scripted outcomes that are not consumed yet."""
        return [str(text) for text in (await self._request_json("GET", f"invoices/{invoice}/script"))["script"]]

    async def send_raw(
        self, event: Document | None = None, *, payload: str | None = None, delivery: Delivery = AT_ONCE
    ) -> ActionResult:
        """Sign and send an event or any text as it is."""
        return await self._post_action("send_raw", delivery, event=event, payload=payload)

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
