"""Calls of Braintree's API over the official client, each in a thread, within a time limit, and sent once.

Reads raise ProviderUnavailable without an answer, and NotAllowed if the key may not read. Writes raise CallFailed.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, TypeVar

import braintree
from braintree.exceptions.not_found_error import NotFoundError

from core.errors import NotAllowed, ProviderUnavailable
from providers.braintree.config import BraintreeConfig
from providers.transport import BlockingTransport, CallFailed, HttpAnswer

_READABLE: Final = frozenset({200, 201, 204, 404, 422})
"""Statuses that the client itself interprets; 422 is also the status of a decline."""


class BraintreeTransport:
    """Replaces the client's own HTTP, so that a failed call says whether it was sent. Blocks: call it in a thread."""

    def __init__(self, base: str, clients_base: str, seconds: float) -> None:
        self._base = base
        self._clients_base = clients_base
        self.calls = BlockingTransport(seconds, "braintree")

    def http_do(self, verb: str, path: str, headers: Mapping[str, str | bytes], body: str) -> tuple[int, str]:
        """Status and body, as the client expects them. Raises CallFailed, also for a status not in `_READABLE`."""
        where = self._base + path.removeprefix(self._clients_base)
        named = {name: text.decode() if isinstance(text, bytes) else text for name, text in headers.items()}
        answer = self.calls.send(verb, where, named, body.encode())
        if answer.status not in _READABLE:
            raise _to_call_failed(answer)
        return answer.status, answer.body.decode("utf-8", "replace")


def _to_call_failed(answer: HttpAnswer) -> CallFailed:
    """The failure for a status that the client doesn't interpret."""
    seconds = answer.headers.get("retry-after", "")
    known = timedelta(seconds=min(int(seconds), 86_400)) if seconds.isascii() and seconds.isdigit() else None
    status = answer.status
    # 429 is the one status that means "not executed": behind any other, a 5xx say, a sale may have been made.
    return CallFailed(f"http_{status}", sent=status != 429, status=status, retry_after=known)


T = TypeVar("T")

CALL_SECONDS: Final = 20.0
"""Seconds that one call may take; far below the activities' time-out."""
REFUSALS: Final[Mapping[int, str]] = MappingProxyType(
    {
        401: "it does not know this pair of public and private key, or they are not of this merchant (HTTP 401)",
        403: "the role of this API key's user does not let it read this (HTTP 403)",
    }
)
"""Source: exceptions of the official client: AuthenticationError for 401, AuthorizationError for 403."""
_ENVIRONMENT: Final = braintree.Environment("pri", "braintree.invalid", "443", "", True, None)
"""A placeholder address, which the client puts into its URLs and our transport replaces by the configured one."""


class BraintreeApi:
    """Calls for one merchant with one API key pair. Results are the client's untyped objects, hence Any."""

    def __init__(self, config: BraintreeConfig, call_seconds: float = CALL_SECONDS) -> None:
        base = config.api_base or braintree.Environment.Sandbox.base_url
        place = f"{_ENVIRONMENT.protocol}{_ENVIRONMENT.server_and_port}"
        self._transport = BraintreeTransport(base, place, call_seconds)
        self._client = braintree.BraintreeGateway(
            braintree.Configuration(
                _ENVIRONMENT,
                config.merchant_id,
                config.public_key,
                config.private_key,
                http_strategy=lambda *_: self._transport,
            )
        )

    async def create_sale(self, params: Mapping[str, Any]) -> Any:
        """A new transaction, declined or not, or validation errors. Raises CallFailed."""
        return await self._send_charge(lambda: self._client.transaction.sale(dict(params)))

    async def retry_charge(self, subscription_id: str, amount: str) -> Any:
        """Charges a past due subscription again and submits for settlement; `amount` is a decimal text in major units.

        Raises CallFailed.
        """
        # True submits for settlement: without it the amount would only be authorised and never collected.
        return await self._send_charge(lambda: self._client.subscription.retry_charge(subscription_id, amount, True))

    async def change_method(self, subscription_id: str, token: str) -> Any:
        """Charges a subscription to another stored method from now on.

        Raises CallFailed, and the client's NotFoundError.
        """
        change = {"payment_method_token": token}
        return await self._run_in_thread(lambda: self._client.subscription.update(subscription_id, change))

    async def find_subscription(self, subscription_id: str) -> Any:
        """The subscription with its newest transactions, or None. Raises ProviderUnavailable, NotAllowed."""
        return await self._read_or_none(lambda: self._client.subscription.find(subscription_id))

    async def find_transaction(self, transaction_id: str) -> Any:
        """The transaction, or None. Raises ProviderUnavailable, NotAllowed."""
        return await self._read_or_none(lambda: self._client.transaction.find(transaction_id))

    async def search_transactions(self, order_id: str) -> list[Any]:
        """All transactions with this order id. Raises ProviderUnavailable, NotAllowed."""
        wanted = braintree.TransactionSearch.order_id == order_id
        return await self._read_or_none(lambda: list(self._client.transaction.search([wanted]).items)) or []

    async def find_method(self, token: str) -> Any:
        """The stored payment method, or None. Raises ProviderUnavailable, NotAllowed."""
        return await self._read_or_none(lambda: self._client.payment_method.find(token))

    async def find_customer(self, customer_id: str) -> Any:
        """The customer with methods and addresses, or None. Raises ProviderUnavailable, NotAllowed."""
        return await self._read_or_none(lambda: self._client.customer.find(customer_id))

    async def has_no_customer(self, customer_id: str) -> bool:
        """Whether a search answers and finds no such customer. Raises ProviderUnavailable, NotAllowed.

        An empty result is a statement of Braintree's, while a 404 may come from a proxy on the way.
        """
        wanted = braintree.CustomerSearch.id == customer_id
        return await self._read_or_none(lambda: self._client.customer.search([wanted]).ids) == []

    async def close(self) -> None:
        """Closes all connections and cancels calls that haven't begun."""
        await self._transport.calls.close()

    async def _send_charge(self, call: Callable[[], T]) -> T:
        """The answer to a pay call. Raises CallFailed."""
        try:
            return await self._run_in_thread(call)
        except NotFoundError:
            # Braintree documents no 404 for pay calls, so none says that nothing was charged; a proxy may have sent it.
            raise CallFailed("http_404", sent=True, status=404) from None

    async def _read_or_none(self, call: Callable[[], T]) -> T | None:
        try:
            return await self._run_in_thread(call)
        except NotFoundError:
            return None
        except CallFailed as failed:
            if failed.status in REFUSALS:
                raise NotAllowed(f"Braintree refuses to answer: {REFUSALS[failed.status]}.") from None
            raise ProviderUnavailable(f"Braintree could not be read: {failed.reason}.", failed.retry_after) from None

    async def _run_in_thread(self, call: Callable[[], T]) -> T:
        try:
            return await self._transport.calls.run(call)
        except (CallFailed, NotFoundError):
            raise
        except Exception:  # the client raises its own errors for answers of another form than it expects
            raise CallFailed("unfit_answer", sent=True) from None
