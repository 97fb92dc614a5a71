"""What a payment provider must be able to do, and what it may declare that it can't.

A provider is one folder with one entry point in the group `pri.providers`: a function that takes the environment
and answers with a `Provider`; a side whose secret is not set is off.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from core.messages.recipients import ContactUpdate, MessageRecipient
from core.payments import Card, ChargeOrder, ChargeResult, Failure, FailureFacts, InvoiceView, Outcome, ProviderEvent


class Webhooks(Protocol):
    """The side that the API uses: no network, no state."""

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Check sender and age. Header names are lower case.

        Raises InvalidSignature with a sentence that tells the sender what to fix, and nothing secret.
        """

    def normalise(self, body: bytes) -> tuple[ProviderEvent, ...]:
        """The events in a verified body, in their order; one it doesn't act on has the kind OTHER and a detail.

        Raises InvalidInput for a body that is not one of this provider's webhooks at all.
        """


@runtime_checkable
class AnswersChallenge(Protocol):
    """A webhook side whose provider asks an address, before it uses it, whether it is ours."""

    def answer_challenge(self, query: Mapping[str, str]) -> str:
        """The plain text to answer with. Raises InvalidInput for what the provider doesn't ask."""


@runtime_checkable
class ExtractsContacts(Protocol):
    """A webhook side whose bodies say whom to write to, of a provider that can't be asked for it."""

    def extract_contacts(self, body: bytes) -> tuple[ContactUpdate, ...]:
        """The people behind the failures in a verified body, as far as it names them.

        They are kept in their own table and nowhere else; what a later body leaves out stays as it was.
        Raises InvalidInput for what is not a webhook of this provider at all.
        """


class Gateway(Protocol):
    """The side that the worker uses: talks to the provider, within its own time-outs, never repeating by itself."""

    idempotency: timedelta | None
    """How long the provider honours an idempotency key; None: it has none and nothing is ever repeated."""
    can_read: bool
    """Whether invoices can be read; where not, webhooks and repeats settle unknown charges.

    Without it `read_invoice`, `read_failure` and `settle` are never called.
    """

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """The invoice as it is now, with its terms and the method that would be charged.

        Status MISSING where the provider knows none. Raises ProviderUnavailable, and its kind NotAllowed where the
        provider refuses to answer with these rights: no wait mends that.
        """

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:
        """All that can be known about the failed payment. What an event already holds fills what can't be read.

        Raises ProviderUnavailable only where the invoice or its payment could not be asked for: a refusal to show
        the payment is tolerated, an outage is not, since then nobody knows whether a charge is under way.
        """

    async def read_card(self, invoice_id: str, method_id: str | None) -> Card | None:
        """The card of this method, or of the one that would be charged by default; None where nobody can tell.

        Also of what is no card: then `kind` says so.

        Never raises: only the count of tries depends on it.
        """

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """Send this order, or send it again, with its key and its parameters.

        A decline is a result; so is UNKNOWN: time-out, 5xx or a connection lost after sending. What was refused before
        anything was executed carries no `charge_id`: met by a repeat, it tells nothing of the first time.
        Raises ProviderUnavailable where the provider surely did not execute it (429, connection refused).
        """

    async def reconcile(self, order: ChargeOrder) -> ChargeResult:
        """What became of an order, by reading only. UNKNOWN where reading can't tell. Raises ProviderUnavailable."""

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """The event with invoice and customer filled in as far as the provider can tell. Raises ProviderUnavailable."""

    async def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class ReadsContacts(Protocol):
    """A gateway that can also say whom to write to.

    Without it customers of this provider get messages only where its webhooks say it (`TellsContacts`).
    """

    async def read_contact(self, invoice_id: str, customer_id: str | None) -> MessageRecipient:
        """The invoice as it is now, and its customer as a person. Raises ProviderUnavailable."""


class Provider(Protocol):
    """One configured provider."""

    name: str
    livemode: bool
    """Whether its key moves real money."""
    decline_codes: str
    """The provider's decline table: CSV text with the columns that `core.classification.tables` names."""

    def create_webhooks(self) -> Webhooks | None:
        """The webhook side; None without a webhook secret."""

    def create_gateway(self) -> Gateway | None:
        """The charging side, a new one each time; None without an API key."""

    def startup_notes(self) -> tuple[str, ...]:
        """What an operator should know at start-up, one sentence each: what is off and why."""


ProviderPlugin = Callable[[Mapping[str, str]], Provider]


def load_providers(environment: Mapping[str, str]) -> dict[str, Provider]:
    """Every provider that is installed, by name, configured from the environment."""
    found = (point.load()(environment) for point in entry_points(group="pri.providers"))
    return {provider.name: provider for provider in found}


def unknown_result(reason: str) -> ChargeResult:
    """Nobody knows yet."""
    return ChargeResult(outcome=Outcome.UNKNOWN, reason=reason)


def not_charged_result(reason: str) -> ChargeResult:
    """Surely nothing was charged, and nothing will be under this key."""
    return ChargeResult(outcome=Outcome.NOT_CHARGED, reason=reason)


def declined_result(failure: Failure, card: Card | None = None) -> ChargeResult:
    """A definite no."""
    outcome = Outcome.DECLINED
    return ChargeResult(outcome=outcome, failure=failure, card=card or Card(), charge_id=failure.charge_id)


def succeeded_result(charge_id: str | None) -> ChargeResult:
    """The money is there."""
    return ChargeResult(outcome=Outcome.SUCCEEDED, charge_id=charge_id)
