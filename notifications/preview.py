"""Previews of messages with example data, for `pri notify preview` and the admin console."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from core.base import Value
from core.classification.taxonomy import Cause
from core.errors import InvalidInput
from core.messages.kinds import CAUSES_BY_KIND, MessageKind
from core.messages.recipients import Contact
from notifications.channels import CustomerMessage
from notifications.composer import MessageComposer, MessageSubject

_JENNY: Final = Contact(
    email="jenny@example.com", name="Jenny Rosen", link="https://pay.example.com/invoice", invoice_number="ACME-0042"
)


class EdgeCase(StrEnum):
    """Unusual properties of the customer or the invoice."""

    NO_NAME = "no_name"
    NO_LINK = "no_link"
    """The provider has no page for the invoice; the message links to `CUSTOMER_PAGE_URL` if that is set."""
    NO_NUMBER = "no_number"
    """The provider has no invoice number of the merchant's; the message names the provider's invoice id."""
    NO_DATES = "no_dates"
    """Neither the next retry nor the deadline is known."""
    ZERO_DECIMALS = "zero_decimals"
    """A currency without decimals (JPY), whatever currency is given."""


class MessageExample(Value):
    """The message to preview. Amount in minor units; without a cause, the usual one of the kind."""

    kind: MessageKind
    language: str = "en"
    """One of LANGUAGES, also with a country: `pt-BR`. Others give English."""
    cause: Cause | None = None
    amount: int = 4900
    currency: str = "EUR"
    edges: frozenset[EdgeCase] = frozenset()


def causes_for_kind(kind: MessageKind) -> tuple[Cause, ...]:
    """The causes for which messages of this kind are sent, the usual one first."""
    fitting = [one for one in Cause if one in CAUSES_BY_KIND.get(kind, frozenset(Cause))]
    return tuple(sorted(fitting, key=lambda one: one is not Cause.INSUFFICIENT_FUNDS))


def preview_message(composer: MessageComposer, example: MessageExample, now: datetime) -> CustomerMessage:
    """The example message: subject, one line, text and HTML. Nothing is sent or stored.

    Raises InvalidInput for a cause that the kind never has, NotDelivered for a broken template of the merchant's own.
    """
    fitting = causes_for_kind(example.kind)
    cause = example.cause or fitting[0]
    if cause not in fitting:
        raise InvalidInput(f"{cause.value!r} is no cause for {example.kind.value}; there are {', '.join(fitting)}")
    return composer.compose_message(_example_subject(example, cause, now), example.language)


def _example_subject(example: MessageExample, cause: Cause, now: datetime) -> MessageSubject:
    """Example facts. Every message has a deadline; only `payment_failed` announces a retry."""
    dates: dict[str, Any] = {"deadline": now + timedelta(days=7)}
    if example.kind is MessageKind.PAYMENT_FAILED:
        dates["retry_at"] = now + timedelta(days=1)
    return MessageSubject(
        name="preview",
        kind=example.kind,
        provider="stripe",
        invoice_id="in_1234567890",
        amount=example.amount,
        currency="JPY" if EdgeCase.ZERO_DECIMALS in example.edges else example.currency,
        cause=cause,
        contact=_example_contact(example.edges),
        **({} if EdgeCase.NO_DATES in example.edges else dates),
    )


def _example_contact(edges: frozenset[EdgeCase]) -> Contact:
    unknown = {EdgeCase.NO_NAME: "name", EdgeCase.NO_LINK: "link", EdgeCase.NO_NUMBER: "invoice_number"}
    return _JENNY.model_copy(update={field: None for edge, field in unknown.items() if edge in edges})
