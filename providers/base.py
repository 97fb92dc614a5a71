"""The protocols of a payment provider: webhooks and gateway, with optional abilities that a provider declares.

A provider is one package with one entry point in the group `pri.providers`: a function that takes the environment
and returns a `Provider`. Webhooks or gateway are off while their secret is not set.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from core.messages.recipients import ContactUpdate, MessageRecipient
from core.payments import Card, ChargeOrder, ChargeResult, Failure, FailureFacts, InvoiceView, Outcome, ProviderEvent


class Webhooks(Protocol):
    """The webhook side, used by the API: verifies and normalises bodies, without network or state."""

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Checks signature and age of a webhook. Header names are lower case.

        Raises InvalidSignature with a sentence that tells the sender what to fix, and nothing secret.
        """

    def normalise(self, body: bytes) -> tuple[ProviderEvent, ...]:
        """The events in a verified body, in their order; one it doesn't act on has the kind OTHER and a detail.

        Raises InvalidInput for a body that is not one of this provider's webhooks at all.
        """


@runtime_checkable
class AnswersChallenge(Protocol):
    """A webhook side whose provider verifies an address with a challenge before it sends webhooks there."""

    def answer_challenge(self, query: Mapping[str, str]) -> str:
        """The plain text to answer with. Raises InvalidInput for a query that is no challenge of this provider."""


@runtime_checkable
class ExtractsContacts(Protocol):
    """A webhook side that reads customers' contacts from bodies, for a provider whose API doesn't return them."""

    def extract_contacts(self, body: bytes) -> tuple[ContactUpdate, ...]:
        """The contacts of the customers behind the failures in a verified body, as far as it names them.

        Personal data: stored in their own table and nowhere else; a field that a later body leaves out is kept.
        Raises InvalidInput for a body that is not one of this provider's webhooks at all.
        """


class Gateway(Protocol):
    """The charging side, used by the worker: calls the provider within its own time-outs, never retries by itself."""

    idempotency: timedelta | None
    """How long the provider honours an idempotency key; None: it has no keys, and no charge is ever repeated."""
    can_read: bool
    """Whether invoices can be read; where not, unknown charges are reconciled by webhooks and repeats.

    Without it `read_invoice`, `read_failure` and `reconcile` are never called.
    """

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """The invoice as it is now, with its terms and the method that would be charged.

        Status MISSING where the provider knows none. Raises ProviderUnavailable, and its subclass NotAllowed where the
        API key lacks the permission, which no retry cures.
        """

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:
        """Everything known about the failed payment; the event fills in what can't be read.

        Raises ProviderUnavailable only where the invoice or its payment could not be asked for: a refusal to show
        the payment is tolerated, an outage is not, since then nobody knows whether a charge is under way.
        """

    async def read_card(self, invoice_id: str, method_id: str | None) -> Card | None:
        """The card of this method, or of the default one for None; None where it can't be determined.

        For a method other than a card, its `kind` says so. Never raises: only network limits depend on it.
        """

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """Sends this order, or repeats it, with its idempotency key and its parameters.

        A decline is a result; so is UNKNOWN: time-out, 5xx or a connection lost after sending. What was refused before
        anything was executed carries no `charge_id`: met by a repeat, it tells nothing of the first time.
        Raises ProviderUnavailable where the provider surely did not execute it (429, connection refused).
        """

    async def reconcile(self, order: ChargeOrder) -> ChargeResult:
        """The outcome of an order, by reading only; UNKNOWN where reading can't tell. Raises ProviderUnavailable."""

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """The event with invoice and customer filled in as far as the provider can tell. Raises ProviderUnavailable."""

    async def close(self) -> None:
        """Closes all connections."""


@runtime_checkable
class ReadsContacts(Protocol):
    """A gateway that can also read a customer's contact.

    Without it customers of this provider get messages only where its webhooks name them (`ExtractsContacts`).
    """

    async def read_contact(self, invoice_id: str, customer_id: str | None) -> MessageRecipient:
        """The recipient of messages about this invoice, as the provider has it now. Raises ProviderUnavailable."""


class Provider(Protocol):
    """One provider as configured from the environment."""

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
    """Every installed provider by name, configured from the environment. Errors of a plug-in propagate."""
    found = (point.load()(environment) for point in entry_points(group="pri.providers"))
    return {provider.name: provider for provider in found}


def unknown_result(reason: str) -> ChargeResult:
    """The result of a charge without a definite answer: it must be reconciled before another attempt."""
    return ChargeResult(outcome=Outcome.UNKNOWN, reason=reason)


def not_charged_result(reason: str) -> ChargeResult:
    """A definite result: nothing was charged, and nothing will be under this idempotency key."""
    return ChargeResult(outcome=Outcome.NOT_CHARGED, reason=reason)


def declined_result(failure: Failure, card: Card | None = None) -> ChargeResult:
    """A definite result: the charge was declined, with its failure and, where known, its card."""
    outcome = Outcome.DECLINED
    return ChargeResult(outcome=outcome, failure=failure, card=card or Card(), charge_id=failure.charge_id)


def succeeded_result(charge_id: str | None) -> ChargeResult:
    """A definite result: the charge succeeded."""
    return ChargeResult(outcome=Outcome.SUCCEEDED, charge_id=charge_id)
