"""Braintree's official client over `providers.transport`, by the client's `http_strategy`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import httpx

from providers.transport import BlockingTransport, CallFailed

_READABLE: Final = frozenset({200, 201, 204, 404, 422})
"""Statuses that the client itself understands; 422 is a decline, too."""


class BraintreeTransport:
    """In the place of the client's own HTTP. Blocks: to be called in a thread."""

    def __init__(self, base: str, clients_base: str, seconds: float) -> None:
        self._base = base
        self._clients_base = clients_base
        self._transport = BlockingTransport(seconds)

    def http_do(self, verb: str, path: str, headers: Mapping[str, str | bytes], body: str) -> tuple[int, str]:
        """Status and body, as the client wants them. Raises CallFailed, also for a status it doesn't understand."""
        where = self._base + path.removeprefix(self._clients_base)
        named = [(name.encode(), text if isinstance(text, bytes) else text.encode()) for name, text in headers.items()]
        answer, text = self._transport.send(verb, where, content=body.encode(), headers=named)
        if answer.status_code not in _READABLE:
            raise _to_call_failed(answer)
        return answer.status_code, text.decode("utf-8", "replace")

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()


def _to_call_failed(answer: httpx.Response) -> CallFailed:
    """Too many requests (429) is the one status that surely means: not executed, come back."""
    seconds = answer.headers.get("retry-after", "")
    known = timedelta(seconds=min(int(seconds), 86_400)) if seconds.isascii() and seconds.isdigit() else None
    status = answer.status_code
    return CallFailed(f"http_{status}", sent=status != 429, status=status, retry_after=known)
