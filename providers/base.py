"""The protocols of a payment provider: webhooks and gateway, and the optional abilities of either.

A provider is one package with one entry point in the group `pri.providers`: a function that takes the environment
and returns a `Provider`. Webhooks or gateway are off while their secret is not set. An optional ability is a protocol
of its own (`ReadsContacts`), which callers test with `isinstance`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from core.messages.recipients import ContactUpdate, MessageRecipient
from core.payments import Card, ChargeOrder, ChargeResult, Failure, FailureFacts, InvoiceView, Outcome, ProviderEvent


class Webhooks(Protocol):
    """The webhook side, used by the API: verifies and normalises bodies, without network or state."""

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Returns if the webhook is signed and, where the provider signs a time, recent. Header names are lower case.

        Raises InvalidSignature; its sentence says what to fix and holds no secret.
        """

    def normalise(self, body: bytes) -> tuple[ProviderEvent, ...]:
        """The events in a verified body, in their order; one it doesn't act on has the kind OTHER and a detail.

        Raises InvalidInput for a body that is not one of this provider's webhooks at all.
        """


@runtime_checkable
class AnswersChallenge(Protocol):
    """A webhook side whose provider verifies an address with a challenge before it sends webhooks there."""

    def answer_challenge(self, query: Mapping[str, str]) -> str:
        """The plain text to answer with. Raises InvalidInput if the query isn't a challenge of this provider."""


@runtime_checkable
class ExtractsContacts(Protocol):
    """A webhook side that reads customers' contacts from bodies, for a provider whose API doesn't return them."""

    def extract_contacts(self, body: bytes) -> tuple[ContactUpdate, ...]:
        """The contacts of the customers behind the failures in a verified body, as far as it names them.

        They are personal data: stored in the contact table and nowhere else. A field missing in a later body is kept.
        Raises InvalidInput for a body that is not one of this provider's webhooks at all.
        """


class Gateway(Protocol):
    """The charging side, used by the worker: calls the provider within its own time limits, never retries by itself.

    Retries are the activity's decision, since only it knows what the event log says was sent.
    """

    idempotency: timedelta | None
    """How long after a charge was requested the provider honours its key; None: it has no keys, nothing is repeated."""
    can_read: bool
    """Whether invoices can be read; where not, unknown charges are reconciled by webhooks and repeats.

    Without it `read_invoice`, `read_failure` and `reconcile` are never called.
    """
    longest_request: timedelta
    """The longest time that the provider works on one charge, from our request to what a read then shows.

    From its documentation, with a margin. Once a recovery is ended nothing is sent again, and after this time a read
    that shows no attempt is the answer. A provider that can't be read has sent its webhook by then.
    """

    async def read_invoice(self, invoice_id: str) -> InvoiceView:
        """The invoice as it is now, with its terms and the method that would be charged.

        Status MISSING where the provider knows none. Raises ProviderUnavailable, and its subclass NotAllowed where the
        API key lacks the permission, which no retry cures.
        """

    async def read_failure(self, invoice_id: str, event: ProviderEvent | None) -> FailureFacts:
        """Everything known about the failed payment; the event fills in what can't be read.

        Raises ProviderUnavailable if the invoice or its payment could not be read because of an outage: a charge may
        be in progress then. If the key may not read the payment, the facts name it in `missing` instead.
        """

    async def read_card(self, invoice_id: str, method_id: str | None) -> Card | None:
        """The card of this method, or of the default one for None; None where it can't be determined.

        For a method other than a card, its `kind` says so. Never raises: only network limits depend on it.
        """

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """Sends this order, or repeats it, with its idempotency key and its parameters.

        A decline is a result. UNKNOWN is one too: a time-out, a 5xx or a connection lost after sending. A refusal
        before anything was executed has no `charge_id`; as the answer to a repeat it proves nothing about the first
        request. Raises ProviderUnavailable if the provider certainly didn't execute the order (429, connection
        refused).
        """

    async def reconcile(self, order: ChargeOrder) -> ChargeResult:
        """The outcome of an order, by reading only; UNKNOWN where reading can't tell. Raises ProviderUnavailable.

        UNKNOWN says `no_attempt` where invoice and payments were read and nothing was tried since the order: no charge
        of any status, and none under way. Where only a part could be read, it doesn't.
        """

    async def resolve_event(self, event: ProviderEvent) -> ProviderEvent:
        """The event with invoice and customer filled in as far as the provider knows them.

        Raises ProviderUnavailable; the event then stays undelivered and is resolved again.
        """

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


# An entry point gets the environment as an argument, since only `settings` reads it.
def load_providers(environment: Mapping[str, str]) -> dict[str, Provider]:
    """Every installed provider by name, configured from the environment.

    Raises whatever a plug-in raises: a provider that can't be loaded must stop the start-up.
    """
    found = (point.load()(environment) for point in entry_points(group="pri.providers"))
    return {provider.name: provider for provider in found}


def unknown_result(reason: str) -> ChargeResult:
    """The result of a charge without a definite answer, with a short code: it is reconciled before another attempt."""
    return ChargeResult(outcome=Outcome.UNKNOWN, reason=reason)


def no_attempt_result(reason: str) -> ChargeResult:
    """The result of a read that shows no attempt since the order, with a short code: none yet, or none at all."""
    return ChargeResult(outcome=Outcome.UNKNOWN, reason=reason, no_attempt=True)


def not_charged_result(reason: str) -> ChargeResult:
    """A definite result, with a short code: nothing was charged, and nothing will be under this idempotency key."""
    return ChargeResult(outcome=Outcome.NOT_CHARGED, reason=reason)


def declined_result(failure: Failure, card: Card | None = None) -> ChargeResult:
    """A definite result: the charge was declined, with its failure and, where known, its card."""
    outcome = Outcome.DECLINED
    return ChargeResult(outcome=outcome, failure=failure, card=card or Card(), charge_id=failure.charge_id)


def succeeded_result(charge_id: str | None) -> ChargeResult:
    """A definite result: the charge succeeded."""
    return ChargeResult(outcome=Outcome.SUCCEEDED, charge_id=charge_id)
